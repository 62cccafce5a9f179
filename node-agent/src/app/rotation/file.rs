//! The record of rotation on disk: one file beside the keys, replaced as a whole and synced.
use crate::disk;
use ringfence_keyring::rotation::{Record, RecordError};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Its name in the state directory.
const NAME: &str = "rotation.json";

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(in crate::app) enum RecordFileError {
    /// The operating system refused something.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    /// It is damaged, or of another version.
    #[error("{}: {source}", path.display())]
    Record { path: PathBuf, source: RecordError },
}

/// The file, and what is in it.
#[derive(Debug)]
pub(super) struct RecordFile {
    path: PathBuf,
    /// What is on disk for sure.
    saved: Option<Record>,
}

impl RecordFile {
    /// The one of this state directory.
    pub(super) fn of(state_dir: &Path) -> Self {
        Self { path: state_dir.join(NAME), saved: None }
    }

    /// What was persisted last; `None` if nothing ever was.
    ///
    /// # Errors
    /// [`RecordFileError`].
    pub(super) fn read(&mut self) -> Result<Option<Record>, RecordFileError> {
        let path = &self.path;
        let record = match fs::read_to_string(path) {
            Ok(text) => Record::from_json(&text)
                .map(Some)
                .map_err(|source| RecordFileError::Record { path: path.clone(), source })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => {
                return Err(RecordFileError::Io { operation: "read", path: path.clone(), source });
            }
        };
        // Whoever wrote it may have been stopped before it was on disk, name and all.
        let synced = File::open(path).and_then(|file| {
            file.sync_all()?;
            path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
        });
        self.saved = record.clone().filter(|_| synced.is_ok());
        Ok(record)
    }

    /// Puts the record in the place of what was there, if it says anything else: so on a disk that is full or read-only, on
    /// which nothing new can be agreed, what was agreed on still stands. It is on disk when this returns.
    ///
    /// # Errors
    /// [`RecordFileError`].
    pub(super) fn write(&mut self, record: &Record) -> Result<(), RecordFileError> {
        if self.saved.as_ref() == Some(record) {
            return Ok(());
        }
        let path = &self.path;
        let text = record.to_json();
        let text = text.map_err(|source| RecordFileError::Record { path: path.clone(), source })?;
        self.saved = None;
        let written = disk::replace(path, 0o600, text.as_bytes());
        written.map_err(|source| RecordFileError::Io { operation: "write", path: path.clone(), source })?;
        self.saved = Some(record.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringfence_keyring::Epoch;

    #[test]
    fn a_record_that_is_on_disk_as_it_is_needs_no_disk_that_can_be_written() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        fs::create_dir(&state).unwrap();
        let record = Record::new("uid-a".into(), Epoch::ZERO);
        RecordFile::of(&state).write(&record).unwrap();
        // Started anew, and then nothing can be written any more.
        let mut file = RecordFile::of(&state);
        assert_eq!(file.read().unwrap(), Some(record.clone()));
        fs::remove_dir_all(&state).unwrap();
        file.write(&record).unwrap();
        let other = Record { serial: 7, ..record.clone() };
        assert!(matches!(file.write(&other), Err(RecordFileError::Io { operation: "write", .. })));
        // What is on disk is not known from here on.
        assert!(file.write(&record).is_err());
    }
}
