//! `ringfence keys history`.
use super::arguments::HistoryArguments;
use crate::app::AUDIT_LOG;
use crate::lab::Lab;
use crate::status::columns;
use anyhow::Context;
use ringfence_keyring::audit::{self, Entry, KeyEvent};
use std::path::PathBuf;
use std::process::ExitCode;

pub(super) fn run(arguments: &HistoryArguments) -> anyhow::Result<ExitCode> {
    let path = match (&arguments.lab, &arguments.node) {
        (Some(lab), Some(node)) => log_of(&Lab::open(&arguments.root, lab)?, node),
        _ => arguments.state_dir.join(AUDIT_LOG),
    };
    let text = audit::read(&path).with_context(|| path.display().to_string())?;
    let text = String::from_utf8(text).with_context(|| path.display().to_string())?;
    let read = |(number, line): (usize, &str)| {
        serde_json::from_str(line).with_context(|| {
            format!("{}, line {}: `ringfence audit verify` says more", path.display(), number + 1)
        })
    };
    let entries: Vec<Entry> = text.lines().enumerate().map(read).collect::<Result<_, _>>()?;
    arguments.output.print(&entries, |entries| table(entries))?;
    Ok(ExitCode::SUCCESS)
}

/// A node's log in a lab.
pub(super) fn log_of(lab: &Lab, node: &str) -> PathBuf {
    lab.node_dir(node).join("state").join(AUDIT_LOG)
}

fn table(entries: &[Entry]) -> String {
    let mut text = String::new();
    let rows = entries.iter().map(|Entry { at, node, event }| {
        let [what, about, key] = cells(event);
        vec![at.clone(), node.clone(), what, about, key]
    });
    // Writing to a String cannot fail.
    let _ = columns(&mut text, &["AT", "NODE", "EVENT", "ABOUT", "KEY"], rows.collect());
    text
}

fn cells(event: &KeyEvent) -> [String; 3] {
    let text = |what: &str, about: String, key: &str| [what.to_owned(), about, key.to_owned()];
    match event {
        KeyEvent::Made { plane, epoch, key } => text("made", format!("{plane}, epoch {epoch}"), key),
        KeyEvent::Published { serial, keys } => {
            text("published", format!("serial {serial}"), &keys.join(" "))
        }
        KeyEvent::InUse { plane, epoch, key } => text("in use", format!("{plane}, epoch {epoch}"), key),
        KeyEvent::Retired { plane, epoch, key } => text("retired", format!("{plane}, epoch {epoch}"), key),
        KeyEvent::Revoked { peer, uid } => text("revoked", format!("{peer} (UID {uid})"), ""),
        KeyEvent::Admitted { peer, uid } => text("admitted", format!("{peer} (UID {uid})"), ""),
        KeyEvent::HeadSeen { peer, head, .. } => {
            text("log of a peer seen", format!("{peer}, {} lines", head.number), "")
        }
        KeyEvent::Continued { before } => text("another file", format!("after {before}"), ""),
        KeyEvent::Torn { bytes, .. } => text("torn line taken off", format!("{bytes} bytes"), ""),
        other => text("other", format!("{other:?}"), ""),
    }
}
