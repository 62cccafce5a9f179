//! When to read a directory again: soon after it changed, but not while a file is being written.
//!
//! A manifest that is half written can be valid YAML that lacks a policy, so reading waits until its writer has closed
//! it. Whoever writes beside and renames waits for nothing.
use notify::event::{AccessKind, AccessMode, Event, EventKind, ModifyKind};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Changes come in flocks: wait until none came for so long...
const QUIET: Duration = Duration::from_millis(4);
/// ...but not longer than this from the first.
const LONGEST: Duration = Duration::from_millis(40);
/// A writer that neither writes nor closes for so long has forgotten the file.
const FORGOTTEN: Duration = Duration::from_secs(1);
/// And some are never closed, nor left alone.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was heard of a directory since it was last read.
#[derive(Debug, Default)]
pub(super) struct Pace {
    changed: BTreeSet<PathBuf>,
    /// Files open for writing, and when they were written to last.
    writing: BTreeMap<PathBuf, Instant>,
    /// When the first and the last change came.
    flock: Option<(Instant, Instant)>,
    /// Events were lost.
    deaf: bool,
}

/// What is to be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// These may have changed, and no others.
    These(BTreeSet<PathBuf>),
    /// All, and these whatever their times say.
    All(BTreeSet<PathBuf>),
}

impl Pace {
    /// Takes note of an event.
    pub(super) fn note(&mut self, event: &Event, now: Instant) {
        let relevant: Vec<&PathBuf> = event.paths.iter().filter(|path| !is_hidden(path)).collect();
        if relevant.is_empty() && !event.need_rescan() {
            return;
        }
        self.deaf |= event.need_rescan();
        for path in &relevant {
            match event.kind {
                EventKind::Modify(ModifyKind::Data(_)) => _ = self.writing.insert((*path).clone(), now),
                EventKind::Access(AccessKind::Close(AccessMode::Write))
                | EventKind::Modify(ModifyKind::Name(_))
                | EventKind::Remove(_) => _ = self.writing.remove(*path),
                _ => {}
            }
        }
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {}
            // Opened, or read: by ourselves, mostly.
            EventKind::Access(_) => return,
            _ => {}
        }
        self.changed.extend(relevant.into_iter().cloned());
        let first = self.flock.map_or(now, |(first, _)| first);
        self.flock = Some((first, now));
    }

    /// Takes note that events were lost, if they were.
    pub(super) fn missed(&mut self, any: bool, now: Instant) {
        if any {
            self.deaf = true;
            self.flock = Some((self.flock.map_or(now, |(first, _)| first), now));
        }
    }

    /// When it is time to read; `None` if nothing changed.
    pub(super) fn due(&self) -> Option<Instant> {
        let (first, last) = self.flock?;
        let calm = (last + QUIET).min(first + LONGEST);
        let written = self.writing.values().fold(calm, |due, written| due.max(*written + FORGOTTEN));
        Some(written.min(first + PATIENCE))
    }

    /// Whether a file was open for writing when last heard of, so that what was read just now may be half of it.
    pub(super) fn is_writing(&self) -> bool {
        !self.writing.is_empty()
    }

    /// Begins anew and says what to read: everything, if nothing was heard.
    pub(super) fn take(&mut self) -> Which {
        self.writing.clear();
        let changed = std::mem::take(&mut self.changed);
        let heard = self.flock.take().is_some();
        if heard && !std::mem::take(&mut self.deaf) { Which::These(changed) } else { Which::All(changed) }
    }
}

/// Hidden files are somebody's temporary ones; `..data` is what a mounted ConfigMap changes by.
fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.starts_with(b".") && !name.starts_with(b"..")
}
