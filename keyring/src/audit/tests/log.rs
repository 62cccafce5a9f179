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
        let mut log = AuditLog::open(&path, "worker-1", NOW).unwrap();
        heads.push(log.append(&entry(number)).unwrap().clone());
    }
    let text = fs::read(&path).unwrap();
    assert_eq!(text, written(6).0.concat().into_bytes());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(verify(&text, &[anchor(&heads[5])]).is_intact());
}

#[test]
fn a_line_torn_at_any_byte_is_taken_off_and_said() {
    let (lines, _) = written(3);
    let whole = lines[..2].concat();
    for torn in 1..lines[2].len() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        fs::write(&path, format!("{whole}{}", &lines[2][..torn])).unwrap();
        let mut log = AuditLog::open(&path, "worker-1", NOW).unwrap();
        assert_eq!(log.head().number, 3);
        let head = log.append(&entry(4)).unwrap().clone();
        let text = fs::read(&path).unwrap();
        assert!(verify(&text, &[anchor(&head)]).is_intact());
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
    assert!(matches!(AuditLog::open(&path, "worker-1", NOW), Err(AuditError::Damaged { .. })));
    assert_eq!(fs::read(&path).unwrap(), lines.concat().into_bytes());
}

#[test]
fn a_link_in_its_place_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    std::os::unix::fs::symlink(directory.path().join("elsewhere"), &path).unwrap();
    assert!(matches!(AuditLog::open(&path, "worker-1", NOW), Err(AuditError::Io { .. })));
}
