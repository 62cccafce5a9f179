//! The task that follows a directory, with real files and real events.
use super::super::pace::{Pace, Which};
use super::support::{directory, pod};
use crate::watch::directory::{Source, follow, version};
use crate::watch::{Batch, Update};
use notify::event::{
    AccessKind, AccessMode, CreateKind, DataChange, Event, EventKind, ModifyKind, RenameMode,
};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const LONG: Duration = Duration::from_secs(20);

struct Following {
    directory: tempfile::TempDir,
    updates: mpsc::Receiver<Batch>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), crate::watch::directory::TaskError>>,
}

impl Following {
    /// Follows a directory with one pod, `a`, on the only node; its first batch has been received.
    async fn start() -> Self {
        let node = "---\n{apiVersion: v1, kind: Node, metadata: {name: n}}\n";
        let directory = directory(&[("a.yaml", &(pod("a", "nodeName: n", "") + node))]);
        let (sender, updates) = mpsc::channel(16);
        let stop = CancellationToken::new();
        let task = tokio::spawn(follow(Source::new(directory.path()), sender, stop.clone()));
        let mut following = Self { directory, updates, stop, task };
        assert!(following.next().await.iter().any(|u| matches!(u, Update::Synced(_))));
        following
    }

    async fn next(&mut self) -> Batch {
        tokio::time::timeout(LONG, self.updates.recv())
            .await
            .expect("nothing came")
            .expect("the task has ended")
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_thing_said_of_a_change_is_the_version_of_the_directory_after_it() {
    let mut following = Following::start().await;
    for text in [pod("b", "nodeName: n", ""), "# nothing that decides anything".to_owned()] {
        fs::write(following.path("b.yaml"), text).unwrap();
        let expected = version(following.directory.path()).unwrap();
        while following.next().await.last() != Some(&Update::Version(expected)) {}
    }
}

/// What was applied or deleted, by name.
fn names(batch: &Batch) -> Vec<String> {
    let name = |update: &Update| match update {
        Update::Applied { object, .. } => Some(object.name().name),
        Update::Deleted { name, .. } => Some(format!("-{}", name.name)),
        _ => None,
    };
    batch.iter().filter_map(name).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_a_directory_and_its_subdirectories_arrive_soon() {
    let mut following = Following::start().await;
    let begun = Instant::now();
    fs::write(following.path("b.yaml"), pod("b", "nodeName: n", "")).unwrap();
    assert_eq!(names(&following.next().await), ["b"]);
    assert!(begun.elapsed() < Duration::from_secs(2), "it was polled, not heard: {:?}", begun.elapsed());
    fs::create_dir(following.path("sub")).unwrap();
    fs::write(following.path("sub/c.yaml"), pod("c", "nodeName: n", "")).unwrap();
    assert_eq!(names(&following.next().await), ["c"]);
    fs::rename(following.path("sub/c.yaml"), following.path("sub/c.txt")).unwrap();
    assert_eq!(names(&following.next().await), ["-c"]);
    fs::remove_file(following.path("b.yaml")).unwrap();
    assert_eq!(names(&following.next().await), ["-b"]);
    following.stop.cancel();
    following.task.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_not_read_while_it_is_being_written() {
    let mut following = Following::start().await;
    let text = pod("b", "nodeName: n", "") + &pod("c", "nodeName: n", "");
    let (first, second) = text.split_at(text.rfind("---").unwrap());
    let mut file = File::create(following.path("b.yaml")).unwrap();
    for part in [first, second] {
        file.write_all(part.as_bytes()).unwrap();
        file.flush().unwrap();
        tokio::time::sleep(Duration::from_millis(150)).await;
        // Somebody else's change does not make it be read either.
        fs::write(following.path("other.txt"), part).unwrap();
    }
    drop(file);
    assert_eq!(names(&following.next().await), ["b", "c"], "never b alone");
    following.stop.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_is_replaced_is_followed_on() {
    let mut following = Following::start().await;
    let new = tempfile::tempdir().unwrap();
    fs::write(new.path().join("a.yaml"), pod("z", "nodeName: n", "")).unwrap();
    let path = following.directory.path().to_owned();
    let aside = path.with_extension("aside");
    fs::rename(&path, &aside).unwrap();
    fs::rename(new.path(), &path).unwrap();
    let batch = following.next().await;
    assert!(
        names(&batch).contains(&"z".to_owned()) || matches!(batch[..], [Update::Source { .. }]),
        "{batch:?}"
    );
    fs::write(path.join("b.yaml"), pod("y", "nodeName: n", "")).unwrap();
    while !names(&following.next().await).contains(&"y".to_owned()) {}
    fs::remove_dir_all(aside).unwrap();
    following.stop.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_task_ends_when_nobody_receives_any_more() {
    let mut following = Following::start().await;
    let path = following.path("b.yaml");
    following.updates.close();
    fs::write(path, pod("b", "nodeName: n", "")).unwrap();
    tokio::time::timeout(LONG, following.task).await.unwrap().unwrap().unwrap();
}

fn event(kind: EventKind, path: &str) -> Event {
    Event::new(kind).add_path(Path::new(path).to_owned())
}

const WRITTEN: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));
const CLOSED: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));
const RENAMED: EventKind = EventKind::Modify(ModifyKind::Name(RenameMode::To));

#[test]
fn reading_waits_for_quiet_but_not_for_long() {
    let (mut pace, start) = (Pace::default(), Instant::now());
    let ms = |n| start + Duration::from_millis(n);
    assert_eq!(pace.due(), None);
    pace.note(&event(RENAMED, "/d/a.yaml"), ms(0));
    assert_eq!(pace.due(), Some(ms(4)));
    pace.note(&event(EventKind::Create(CreateKind::File), "/d/b.yaml"), ms(3));
    assert_eq!(pace.due(), Some(ms(7)));
    pace.note(&event(RENAMED, "/d/c.yaml"), ms(39));
    assert_eq!(pace.due(), Some(ms(40)));
    let paths = ["/d/a.yaml", "/d/b.yaml", "/d/c.yaml"].map(|p| Path::new(p).to_owned());
    assert_eq!(pace.take(), Which::These(paths.into()));
    assert_eq!(
        (pace.due(), pace.take()),
        (None, Which::All(Default::default())),
        "nothing heard: look at all"
    );
}

#[test]
fn where_events_were_lost_everything_is_read_soon() {
    let (mut pace, start) = (Pace::default(), Instant::now());
    pace.missed(false, start);
    assert_eq!(pace.due(), None);
    pace.note(&event(RENAMED, "/d/a.yaml"), start);
    pace.missed(true, start);
    assert_eq!(pace.due(), Some(start + Duration::from_millis(4)));
    assert_eq!(pace.take(), Which::All([Path::new("/d/a.yaml").to_owned()].into()));
    pace.note(&event(RENAMED, "/d/b.yaml"), start);
    assert!(matches!(pace.take(), Which::These(_)), "and then no more than has changed");
}

#[test]
fn reading_waits_for_writers_to_close_but_not_for_those_who_forget_to() {
    let (mut pace, start) = (Pace::default(), Instant::now());
    let ms = |n| start + Duration::from_millis(n);
    pace.note(&event(WRITTEN, "/d/a.yaml"), ms(0));
    pace.note(&event(WRITTEN, "/d/b.yaml"), ms(1));
    assert_eq!((pace.due(), pace.is_writing()), (Some(ms(1001)), true));
    pace.note(&event(CLOSED, "/d/b.yaml"), ms(2));
    assert_eq!(pace.due(), Some(ms(1000)));
    pace.note(&event(CLOSED, "/d/a.yaml"), ms(3));
    assert_eq!((pace.due(), pace.is_writing()), (Some(ms(7)), false));
    for i in 1..20 {
        pace.note(&event(WRITTEN, "/d/a.yaml"), ms(500 * i));
    }
    assert_eq!(pace.due(), Some(ms(5000)), "one who never ends is not waited for for ever");
}

#[test]
fn our_own_reading_and_hidden_files_are_not_changes_but_a_config_maps_link_is() {
    let (mut pace, now) = (Pace::default(), Instant::now());
    pace.note(&event(EventKind::Access(AccessKind::Open(AccessMode::Any)), "/d/a.yaml"), now);
    pace.note(&event(EventKind::Access(AccessKind::Close(AccessMode::Read)), "/d/a.yaml"), now);
    pace.note(&event(RENAMED, "/d/.a.yaml.123"), now);
    assert_eq!(pace.due(), None);
    pace.note(&event(RENAMED, "/d/..data"), now);
    assert!(pace.due().is_some());
}

#[test]
fn when_events_were_lost_everything_is_read() {
    let (mut pace, now) = (Pace::default(), Instant::now());
    pace.note(&event(RENAMED, "/d/a.yaml"), now);
    pace.note(&Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan), now);
    assert!(pace.due().is_some());
    assert_eq!(pace.take(), Which::All([Path::new("/d/a.yaml").to_owned()].into()));
}
