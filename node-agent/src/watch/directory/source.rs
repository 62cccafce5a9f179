//! A directory watched over time: what changed from one scan to the next, as updates.
use super::differences::differences;
use super::error::{LoadError, LoadErrors};
use super::files::{self, Stamp};
use super::items::{self, Items, Keep};
use super::loaded::{Entry, Loaded};
use super::patch::{self, Patch};
use super::{Mode, Options, assemble, gather_all, version};
use crate::model::{Problem, SourceVersion};
use crate::watch::{Batch, Kind, Update};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory, and what was read of it last.
///
/// A scan that fails changes nothing but the problems: whoever listens keeps the world there was. Files that did not
/// change since (by inode, size and times) are not read again, and where nothing has to be filled in (every object names
/// its node, addresses and ports, as a lab's do) a change costs in proportion to itself, not to the directory.
#[derive(Debug)]
pub struct Source {
    directory: PathBuf,
    files: BTreeMap<PathBuf, Cached>,
    last: Option<Loaded>,
    /// Whether every object of `last` is as it was written, so that it depends on no other.
    independent: bool,
    /// What was read last was not taken over.
    discarded: bool,
    problems: Vec<Problem>,
}

/// A file that was read.
#[derive(Clone, Debug)]
struct Cached {
    stamp: Stamp,
    items: Arc<Items>,
    digest: u64,
}

/// What a reading found.
#[derive(Debug)]
pub(super) enum Reading {
    /// Nothing that was not known.
    Same,
    /// Changes that concern nobody else.
    Few(Patch),
    /// Everything, and whether all of it is as it was written.
    All(Result<Box<Loaded>, LoadErrors>, bool),
}

impl Source {
    /// A directory of which nothing has been read.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        let (files, problems) = (BTreeMap::new(), Vec::new());
        Self {
            directory: directory.into(),
            files,
            last: None,
            independent: false,
            discarded: false,
            problems,
        }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Which state of the directory what was said last is all of; `None` while it could not be read.
    pub fn version(&self) -> Option<SourceVersion> {
        let known = self.last.is_some() && !self.discarded && self.problems.is_empty();
        known.then(|| version::of(self.files.values().map(|file| file.digest)))
    }

    /// Looks at all files, reads those that are new and says what changed; nothing, if nothing did. The first scan that
    /// succeeds ends with [`Update::Synced`] for every kind.
    pub fn scan(&mut self) -> Batch {
        let reading = self.read_all(&BTreeSet::new());
        self.take_over(reading)
    }

    /// As [`Self::scan`], looking only at files that are known to have changed, if that is enough.
    pub fn scan_changed(&mut self, changed: &BTreeSet<PathBuf>) -> Batch {
        let reading = self.read_changed(changed);
        self.take_over(reading)
    }

    /// Reads the files that changed, and everything if that is not enough. Takes nothing over yet.
    pub(super) fn read_changed(&mut self, changed: &BTreeSet<PathBuf>) -> Reading {
        let usable = self.independent && !self.discarded && self.problems.is_empty();
        let Some(last) = self.last.as_ref().filter(|_| usable) else { return self.read_all(changed) };
        let (mut old, mut new) = (Vec::new(), Vec::new());
        let mut entries = Vec::new();
        for path in changed.iter().filter(|path| files::is_manifest(path)) {
            let known = self.files.get(path).map(|cached| cached.items.clone());
            let (was_there, is_there) = (known.is_some(), path.symlink_metadata().is_ok());
            old.extend(known);
            match (is_there, was_there, self.read_file(path)) {
                (false, true, _) => entries.push((path.clone(), None)),
                (true, _, Ok(cached)) => {
                    new.push(cached.items.clone());
                    entries.push((path.clone(), Some(cached)));
                }
                // Gone without having been known: it may have been a directory.
                _ => return self.read_all(changed),
            }
        }
        // A directory that came or went changes more than is listed here.
        if changed.iter().any(|path| !files::is_manifest(path) && (path.is_dir() || !path.exists())) {
            return self.read_all(changed);
        }
        let Some(patch) = patch::find(last, &old, &new) else { return self.read_all(changed) };
        for (path, cached) in entries {
            match cached {
                Some(cached) => _ = self.files.insert(path, cached),
                None => _ = self.files.remove(&path),
            }
        }
        Reading::Few(patch)
    }

    /// Looks at all files and reads those that are new, or in `changed`. Takes nothing over yet.
    pub(super) fn read_all(&mut self, changed: &BTreeSet<PathBuf>) -> Reading {
        let (mut errors, mut files) = (Vec::new(), BTreeMap::new());
        let listed = match files::list(&self.directory) {
            Ok(listed) => listed,
            Err(errors) => return Reading::All(Err(LoadErrors(errors)), false),
        };
        let is_current = self.last.is_some() && !self.discarded && self.problems.is_empty();
        let mut same = is_current && listed.len() == self.files.len();
        for path in listed {
            let known = self.files.remove(&path).filter(|_| !changed.contains(&path));
            let unchanged =
                known.filter(|known| Stamp::of(&path).is_ok_and(|stamp| known.stamp.still(&stamp)));
            same &= unchanged.is_some();
            match unchanged.map_or_else(|| self.read_file(&path), Ok) {
                Ok(cached) => _ = files.insert(path, cached),
                Err(error) => errors.push(error),
            }
        }
        self.files = files;
        if same && errors.is_empty() {
            return Reading::Same;
        }
        let options = Options { mode: Mode::Watch, ..Options::default() };
        let all = gather_all(self.files.values().map(|cached| &*cached.items), options.mode, errors);
        let independent = all.as_ref().is_ok_and(patch::is_independent);
        let loaded = all.and_then(|all| assemble(all, options, None));
        Reading::All(loaded.map(Box::new), independent)
    }

    /// Forgets what was just read: it may be half of something.
    pub(super) fn discard(&mut self) {
        self.discarded = true;
    }

    /// Takes over what was read, and says what changed by it.
    pub(super) fn take_over(&mut self, reading: Reading) -> Batch {
        let (read, independent) = match (reading, &mut self.last) {
            (Reading::Same, _) => return Batch::new(),
            (Reading::Few(patch), Some(last)) => return patch.apply(last),
            (Reading::Few(_), None) => return Batch::new(),
            (Reading::All(read, independent), _) => (read, independent),
        };
        self.discarded = false;
        let mut loaded = match read {
            Err(errors) => return self.say(errors.0.iter().map(LoadError::problem).collect()),
            Ok(loaded) => *loaded,
        };
        let mut batch = self.say(Vec::new());
        match &self.last {
            Some(last) => {
                keep_refused(last, &mut loaded);
                differences(last, &loaded, &mut batch);
            }
            None => {
                differences(&Loaded::default(), &loaded, &mut batch);
                batch.extend(Kind::ALL.map(Update::Synced));
            }
        }
        self.last = Some(loaded);
        self.independent = independent;
        batch
    }

    fn read_file(&self, path: &Path) -> Result<Cached, LoadError> {
        // The stamp first: what changes after it will show.
        let stamp = Stamp::of(path)?;
        let text = files::text(path)?;
        let digest = version::digest(&self.directory, path, &text);
        // Nothing is ever written back from here, so the JSON need not be kept.
        Ok(Cached { stamp, items: Arc::new(items::read(&path.into(), &text, Keep::Values)?), digest })
    }

    fn say(&mut self, problems: Vec<Problem>) -> Batch {
        if self.problems == problems {
            return Vec::new();
        }
        self.problems.clone_from(&problems);
        vec![Update::Source { problems }]
    }
}

/// An object about keys that was valid and is not any more stays as it was, with its problem.
fn keep_refused(last: &Loaded, loaded: &mut Loaded) {
    for problem in &loaded.problems {
        let name = &problem.object.name;
        match Kind::ALL.into_iter().find(|kind| problem.kind == kind.to_string()) {
            Some(Kind::RingfenceNode) => keep(name, &last.publications, &mut loaded.publications),
            Some(Kind::RingfenceMesh) => keep(name, &last.mesh, &mut loaded.mesh),
            Some(Kind::RingfenceRotation) => keep(name, &last.rotations, &mut loaded.rotations),
            Some(Kind::RingfenceRevocation) => keep(name, &last.revocations, &mut loaded.revocations),
            _ => {}
        }
    }
}

fn keep<T>(name: &str, last: &BTreeMap<String, Entry<T>>, now: &mut BTreeMap<String, Entry<T>>) {
    if let (false, Some(known)) = (now.contains_key(name), last.get(name)) {
        let Entry { value, origin, raw } = known;
        let known = Entry { value: value.clone(), origin: origin.clone(), raw: raw.clone() };
        now.insert(name.to_owned(), known);
    }
}
