//! Logs as they are written, and as somebody left them.

mod log;
mod verify;

use super::*;
use crate::{Epoch, Plane};

/// Nothing is set aside.
const SIZE: Size = Size::AGENT;

fn entry(number: u64) -> Entry {
    let epoch = Epoch::new(number).unwrap();
    let key = format!("{number:016x}");
    let event = match number % 3 {
        0 => KeyEvent::Made { plane: epoch.plane(), epoch, key },
        1 => KeyEvent::Revoked { peer: "worker-\"2\"".to_owned(), uid: "6f0c".to_owned() },
        _ => KeyEvent::Retired { plane: Plane::Zero, epoch, key },
    };
    Entry { at: format!("2026-01-01T00:00:{number:02}Z"), node: "worker-1".to_owned(), event }
}

/// The text of a log of so many lines, and its heads.
fn written(lines: u64) -> (Vec<String>, Vec<Head>) {
    let (mut head, mut texts, mut heads) = (Head::empty(), Vec::new(), Vec::new());
    for number in 1..=lines {
        let (text, next) = entry::write(&head, &entry(number)).unwrap();
        head = next.clone();
        texts.push(text);
        heads.push(next);
    }
    (texts, heads)
}

fn anchor(head: &Head) -> Anchor {
    Anchor { by: "worker-2".to_owned(), head: head.clone() }
}
