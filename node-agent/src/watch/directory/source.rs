//! A directory watched over time: what changed from one scan to the next, as updates.
use super::differences::differences;
use super::error::{LoadError, LoadErrors};
use super::files;
use super::items::{self, Items};
use super::loaded::Loaded;
use super::{Mode, Options, assemble};
use crate::model::Problem;
use crate::watch::{Batch, Kind, Update};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory, and what was read of it last.
///
/// A scan that fails changes nothing but the problems: whoever listens keeps the world there was. Files that did not
/// change since (by inode, size and times) are not read again.
#[derive(Debug)]
pub struct Source {
    directory: PathBuf,
    files: BTreeMap<PathBuf, (files::Stamp, Arc<Items>)>,
    last: Option<Loaded>,
    problems: Vec<Problem>,
}

impl Source {
    /// A directory of which nothing has been read.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), files: BTreeMap::new(), last: None, problems: Vec::new() }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What the last scan that succeeded read.
    pub fn last(&self) -> Option<&Loaded> {
        self.last.as_ref()
    }

    /// Forgets that a file was read, so that the next scan reads it whatever its times say.
    pub fn touched(&mut self, file: &Path) {
        self.files.remove(file);
    }

    /// Reads what is new and says what changed; nothing, if nothing did. The first scan that succeeds ends with
    /// [`Update::Synced`] for every kind.
    pub fn scan(&mut self) -> Batch {
        let read = self.read();
        self.take_over(read)
    }

    /// Reads what is new, and takes nothing over yet.
    pub(super) fn read(&mut self) -> Result<Loaded, LoadErrors> {
        let listed = files::list(&self.directory).map_err(LoadErrors)?;
        let mut errors = Vec::new();
        let mut files = BTreeMap::new();
        for path in listed {
            match self.file(&path) {
                Ok(entry) => _ = files.insert(path, entry),
                Err(error) => errors.push(error),
            }
        }
        self.files = files;
        let options = Options { mode: Mode::Watch, ..Options::default() };
        let loaded = assemble(self.files.values().map(|(_, items)| &**items), options, None, errors);
        // Files that might change once more without their times telling are read again next time.
        self.files.retain(|_, (stamp, _)| stamp.is_settled());
        loaded
    }

    /// Takes over what was read, and says what changed by it.
    pub(super) fn take_over(&mut self, read: Result<Loaded, LoadErrors>) -> Batch {
        let mut loaded = match read {
            Err(errors) => return self.say(errors.0.iter().map(LoadError::problem).collect()),
            Ok(loaded) => loaded,
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
        batch
    }

    fn say(&mut self, problems: Vec<Problem>) -> Batch {
        if self.problems == problems {
            return Vec::new();
        }
        self.problems.clone_from(&problems);
        vec![Update::Source { problems }]
    }

    fn file(&self, path: &Path) -> Result<(files::Stamp, Arc<Items>), LoadError> {
        let stamp = files::Stamp::of(path)?;
        match self.files.get(path) {
            Some((known, items)) if known.same_file(&stamp) => Ok((stamp, items.clone())),
            _ => {
                let text = files::text(path)?;
                Ok((stamp, Arc::new(items::read(&path.into(), &text)?)))
            }
        }
    }
}

/// A publication that was valid and is not any more stays as it was, with its problem.
fn keep_refused(last: &Loaded, loaded: &mut Loaded) {
    for problem in loaded.problems.iter().filter(|p| p.kind == Kind::RingfenceNode.to_string()) {
        let name = &problem.object.name;
        if let (false, Some(known)) = (loaded.publications.contains_key(name), last.publications.get(name)) {
            loaded.publications.insert(name.clone(), known.clone());
        }
    }
}
