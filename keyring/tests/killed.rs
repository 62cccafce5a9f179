//! A store whose process is killed with SIGKILL at arbitrary instants, again and again: the next one opens it,
//! finds every key that was reported as made and not yet on its way out, and none that was destroyed.
//!
//! It runs itself as the process to be killed, hence a main of its own.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ringfence_keyring::{Epoch, KeyStore, PerPlane, Plane};

const VICTIM: &str = "RINGFENCE_KEYRING_VICTIM";
const UID: &str = "6f0c1d8e";
const KILLS: u64 = 80;

fn main() -> Result<()> {
    match std::env::var_os(VICTIM) {
        Some(dir) => victim(Path::new(&dir)),
        None => survive(),
    }
}

/// Rotates keys for ever, and says what it is about to do and what it has done.
fn victim(dir: &Path) -> Result<()> {
    let mut store = KeyStore::open(dir, UID)?;
    let mut out = std::io::stdout();
    let mut mesh = mesh_epoch(&store)?;
    for (plane, key) in store.load_or_create(mesh)?.iter() {
        writeln!(out, "made {plane} {}", key.public())?;
    }
    loop {
        for _ in 0..3 {
            let old = mesh.plane();
            mesh = mesh.next().context("epochs end")?;
            writeln!(out, "retiring {old}")?;
            store.retire(old)?;
            let key = store.create(old, mesh.next().context("epochs end")?)?;
            writeln!(out, "made {old} {}", key.public())?;
        }
        for plane in Plane::ALL {
            writeln!(out, "retiring {plane}")?;
        }
        mesh = mesh.next().context("epochs end")?;
        for (plane, key) in store.remake(mesh)?.iter() {
            writeln!(out, "made {plane} {}", key.public())?;
        }
    }
}

/// The mesh's epoch, of which the object in the API would tell; here, from what is on disk.
fn mesh_epoch(store: &KeyStore) -> Result<Epoch> {
    let stored = store.load()?;
    let epochs = [&stored.zero, &stored.one].map(|key| key.as_ref().map(|key| key.epoch()));
    Ok(match epochs {
        [Some(zero), Some(one)] => zero.min(one),
        [Some(one), None] | [None, Some(one)] => one,
        [None, None] => Epoch::ZERO,
    })
}

/// What the victims said so far.
#[derive(Default)]
struct Told {
    /// The key each plane must have; none where it may be on its way out.
    certain: PerPlane<Option<String>>,
    /// The key each plane was last said to have.
    last: PerPlane<Option<String>>,
    /// Keys that another took the place of.
    gone: BTreeSet<String>,
}

impl Told {
    fn hear(&mut self, line: &str) -> Result<()> {
        let mut words = line.split(' ');
        let (verb, plane) = (words.next().context("a verb")?, words.next().context("a plane")?.parse()?);
        *self.certain.get_mut(plane) = None;
        if verb == "made" {
            let key = words.next().context("a key")?.to_owned();
            *self.certain.get_mut(plane) = Some(key.clone());
            match self.last.get_mut(plane).replace(key.clone()) {
                Some(before) if before != key => _ = self.gone.insert(before),
                _ => {}
            }
        }
        Ok(())
    }

    fn check(&self, dir: &Path) -> Result<()> {
        let store = KeyStore::open(dir, UID).context("the next process opens the store")?;
        let stored = store.load()?;
        for (plane, certain) in self.certain.iter() {
            let found = stored.get(plane).as_ref().map(|key| key.public().to_base64());
            ensure!(certain.is_none() || *certain == found, "{plane} has {found:?} instead of {certain:?}");
            let risen = found.filter(|key| self.gone.contains(key));
            ensure!(risen.is_none(), "{plane} has {risen:?} again, which was destroyed");
        }
        for entry in std::fs::read_dir(dir)? {
            let name = entry?.file_name();
            ensure!(name.to_string_lossy().ends_with(".key"), "{name:?} is left over");
        }
        Ok(())
    }
}

fn survive() -> Result<()> {
    let parent = tempfile::tempdir()?;
    let dir = parent.path().join("keys");
    let mut told = Told::default();
    let mut interrupted = BTreeSet::new();
    for round in 0..KILLS {
        let mut child = Command::new(std::env::current_exe()?)
            .env(VICTIM, &dir)
            .stdout(Stdio::piped())
            .spawn()
            .context("start the victim")?;
        let lines = kill_later(&mut child, Duration::from_micros(2000 + round * 7919 % 30_000))?;
        for line in lines {
            told.hear(&line).with_context(|| format!("understand {line:?}"))?;
        }
        if dir.exists() {
            for entry in std::fs::read_dir(&dir)? {
                interrupted.insert(entry?.file_name().to_string_lossy().into_owned());
            }
            told.check(&dir).with_context(|| format!("after kill {round}"))?;
        }
    }
    interrupted.retain(|name| !name.ends_with(".key"));
    println!("{KILLS} kills, {} keys replaced, left half done: {interrupted:?}", told.gone.len());
    ensure!(!told.gone.is_empty(), "no victim lived long enough to rotate");
    ensure!(!interrupted.is_empty(), "no kill came in the middle of anything");
    Ok(())
}

/// Kills the child after a while, and returns the whole lines it wrote.
fn kill_later(child: &mut Child, after: Duration) -> Result<Vec<String>> {
    std::thread::sleep(after);
    child.kill().context("kill the victim")?;
    let out = child.stdout.take().context("the victim's output")?;
    let mut lines: Vec<String> = BufReader::new(out).lines().collect::<Result<_, _>>()?;
    let status = child.wait()?;
    ensure!(status.code().is_none(), "the victim ended by itself: {status}");
    // A line is written whole or not at all: it is far shorter than a pipe's buffer.
    lines.retain(|line| !line.is_empty());
    Ok(lines)
}
