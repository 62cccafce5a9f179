//! The record of rotation on disk: one file beside the keys, replaced as a whole and synced.
use crate::disk;
use ringfence_keyring::rotation::{Record, RecordError};
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

/// What was persisted last; `None` if nothing ever was.
///
/// # Errors
/// [`RecordFileError`].
pub(super) fn read(state_dir: &Path) -> Result<Option<Record>, RecordFileError> {
    let path = state_dir.join(NAME);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            Record::from_json(&text).map(Some).map_err(|source| RecordFileError::Record { path, source })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RecordFileError::Io { operation: "read", path, source }),
    }
}

/// Puts the record in the place of what was there. It is on disk when this returns.
///
/// # Errors
/// [`RecordFileError`].
pub(super) fn write(state_dir: &Path, record: &Record) -> Result<(), RecordFileError> {
    let path = state_dir.join(NAME);
    let text = record.to_json();
    let text = text.map_err(|source| RecordFileError::Record { path: path.clone(), source })?;
    let written = disk::replace(&path, 0o600, text.as_bytes());
    written.map_err(|source| RecordFileError::Io { operation: "write", path: path.clone(), source })
}
