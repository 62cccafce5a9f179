use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

const NOW: &str = "2026-01-01T00:00:00Z";

#[test]
fn what_is_appended_is_there_after_a_restart_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let mut heads = Vec::new();
    for number in 1..=6 {
        let mut log = AuditLog::open(&path, SIZE, "worker-1", NOW).unwrap();
        heads.push(log.append(&entry(number)).unwrap().clone());
    }
    let text = fs::read(&path).unwrap();
    assert_eq!(text, written(6).0.concat().into_bytes());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(verify(&text, SIZE, &[anchor(&heads[5])]).is_intact());
}

#[test]
fn a_line_torn_at_any_byte_is_taken_off_and_said() {
    let (lines, _) = written(3);
    let whole = lines[..2].concat();
    for torn in 1..lines[2].len() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        fs::write(&path, format!("{whole}{}", &lines[2][..torn])).unwrap();
        let mut log = AuditLog::open(&path, SIZE, "worker-1", NOW).unwrap();
        assert_eq!(log.head().number, 3);
        let head = log.append(&entry(4)).unwrap().clone();
        let text = fs::read(&path).unwrap();
        assert!(verify(&text, SIZE, &[anchor(&head)]).is_intact());
        let said = String::from_utf8(text).unwrap();
        assert!(said.lines().nth(2).unwrap().contains(&format!("\"event\":\"torn\",\"bytes\":{torn},")));
    }
}

#[test]
fn a_log_whose_last_line_was_edited_is_not_continued() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let (mut lines, _) = written(3);
    lines[2] = lines[2].replace("worker-1", "worker-7");
    fs::write(&path, lines.concat()).unwrap();
    assert!(matches!(AuditLog::open(&path, SIZE, "worker-1", NOW), Err(AuditError::Damaged { .. })));
    assert_eq!(fs::read(&path).unwrap(), lines.concat().into_bytes());
}

#[test]
fn a_link_in_its_place_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    std::os::unix::fs::symlink(directory.path().join("elsewhere"), &path).unwrap();
    assert!(matches!(AuditLog::open(&path, SIZE, "worker-1", NOW), Err(AuditError::Io { .. })));
}

/// Appends so many lines, opening the log anew for each; its heads.
fn append(path: &std::path::Path, size: Size, numbers: std::ops::RangeInclusive<u64>) -> Vec<Head> {
    let one =
        |number| AuditLog::open(path, size, "worker-1", NOW).unwrap().append(&entry(number)).unwrap().clone();
    numbers.map(one).collect()
}

#[test]
fn a_full_file_is_followed_by_another_and_the_chain_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let size = Size { bytes: 600, files: 100 };
    let heads = append(&path, size, 1..=20);
    let files = fs::read_dir(directory.path()).unwrap().count();
    assert!(files > 5, "{files}");
    let text = super::super::read(&path).unwrap();
    let verdict = verify(&text, size, &heads.iter().map(anchor).collect::<Vec<_>>());
    assert_eq!((verdict.problems.as_slice(), verdict.begins), (&[][..], 1));
    assert_eq!(verdict.anchored, Some(verdict.head.number));
    assert_eq!(
        verdict.head.number,
        20 + files as u64 - 1,
        "each file but the first begins with a line of its own"
    );
}

#[test]
fn files_beyond_what_is_kept_go_and_the_log_says_where_it_begins() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let size = Size { bytes: 600, files: 2 };
    let heads = append(&path, size, 1..=30);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);
    let text = super::super::read(&path).unwrap();
    assert!(text.len() < 3 * 1200, "{}", text.len());
    let verdict = verify(&text, size, &heads.iter().map(anchor).collect::<Vec<_>>());
    assert_eq!(verdict.problems, []);
    let gone = heads.iter().filter(|head| head.number < verdict.begins).count();
    assert!(gone > 0 && verdict.unchecked == gone, "{verdict:?}");
    assert!(verdict.begins > 20 && verdict.anchored == Some(heads[29].number), "{verdict:?}");
    // Fewer files than are kept, or a file that does not begin as one: somebody else removed them.
    let full = super::super::segments::full(&path).unwrap();
    fs::remove_file(&full[0].1).unwrap();
    let text = super::super::read(&path).unwrap();
    let problems = verify(&text, size, &[]).problems;
    assert!(matches!(problems[..], [Problem::Removed { line: 1, first: 1, .. }]), "{problems:?}");
    let line = text.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let problems = verify(&text[line..], size, &[]).problems;
    assert!(matches!(problems[..], [Problem::Removed { line: 1, first: 1, .. }]), "{problems:?}");
}

#[test]
fn a_file_removed_from_the_middle_shows_as_lines_that_were_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let size = Size { bytes: 600, files: 4 };
    append(&path, size, 1..=30);
    fs::remove_file(&super::super::segments::full(&path).unwrap()[1].1).unwrap();
    let problems = verify(&super::super::read(&path).unwrap(), size, &[]).problems;
    assert!(matches!(problems[..], [Problem::Removed { .. }]), "{problems:?}");
}

#[test]
fn a_crash_between_two_files_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let size = Size { bytes: 600, files: 4 };
    append(&path, size, 1..=2);
    // Set aside, and nothing begun; then begun, and nothing or half a line in it.
    super::super::segments::set_aside(&path, 1, size).unwrap();
    for half in [None, Some(""), Some("{\"number\":")] {
        if let Some(half) = half {
            fs::write(&path, half).unwrap();
        } else {
            let _ = fs::remove_file(&path);
        }
        let head = append(&path, size, 3..=3).remove(0);
        let text = super::super::read(&path).unwrap();
        let verdict = verify(&text, size, &[anchor(&head)]);
        assert!(verdict.is_intact() && verdict.begins == 1, "{verdict:?}");
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_log_whose_next_file_could_not_be_begun_goes_on_once_it_can() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let size = Size { bytes: 600, files: 4 };
    let mut log = AuditLog::open(&path, size, "worker-1", NOW).unwrap();
    for number in 1..=3 {
        log.append(&entry(number)).unwrap();
    }
    assert!(fs::metadata(&path).unwrap().len() >= size.bytes);
    // The file was set aside, and then something failed; and once more, for the next cannot be opened.
    super::super::segments::set_aside(&path, 1, size).unwrap();
    fs::create_dir(&path).unwrap();
    for _ in 0..2 {
        assert!(matches!(log.append(&entry(4)), Err(AuditError::Io { .. })));
    }
    fs::remove_dir(&path).unwrap();
    log.append(&entry(4)).unwrap();
    let head = log.append(&entry(5)).unwrap().clone();
    let text = super::super::read(&path).unwrap();
    let verdict = verify(&text, size, &[anchor(&head)]);
    assert!(verdict.is_intact() && verdict.head == head, "{verdict:?}");
    let last = fs::read_to_string(&path).unwrap();
    assert!(last.lines().next().unwrap().contains("\"event\":\"continued\",\"before\":1"), "{last}");
}

/// A log written anew whose first line has this number and says that so many files came before, each file of so many lines.
fn forged(head: &Head, files: std::ops::Range<u64>, lines: u64) -> (Vec<u8>, Head) {
    let (mut head, mut text) = (head.clone(), Vec::new());
    for before in files {
        let event = KeyEvent::Continued { before };
        let first = Entry { event, ..entry(1) };
        for what in std::iter::once(first).chain((1..lines).map(entry)) {
            let (line, next) = super::super::entry::write(&head, &what).unwrap();
            text.extend(line.into_bytes());
            head = next;
        }
    }
    (text, head)
}

#[test]
fn a_log_written_anew_beyond_what_was_seen_is_not_called_intact() {
    let size = Size { bytes: 600, files: 4 };
    let seen: Vec<Anchor> = written(20).1.iter().map(anchor).collect();
    let start = Head { number: 20, hash: "f".repeat(64) };
    let verdict = |text: &[u8], last: &Head| {
        verify(text, size, &seen.iter().cloned().chain([anchor(last)]).collect::<Vec<_>>())
    };
    // Files that are not full, and files that are numbered as it pleases.
    let (short, last) = forged(&start, 1..20, 1);
    assert!(!verdict(&short, &last).is_intact(), "{:?}", verdict(&short, &last));
    let (mut leaps, last) = forged(&start, 1..2, 8);
    let (rest, last) = forged(&last, 9..10, 8);
    leaps.extend(rest);
    assert!(!verdict(&leaps, &last).is_intact());
    // Full files: then it shows that nobody has seen them be written.
    let (full, last) = forged(&start, 1..6, 8);
    let found = verdict(&full, &last);
    assert_eq!(found.problems, [Problem::Unseen { before: 20, next: last.number }]);
    assert_eq!((found.begins, found.unchecked), (21, 20));
}
