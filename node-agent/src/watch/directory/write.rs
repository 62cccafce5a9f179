//! Objects into a directory, a file each, so that whoever reads it sees each whole or not at all.
use crate::model::ObjectName;
use crate::watch::object::Kind;
use ringfence_keyring::Publication;
use serde_json::Value;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A directory that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {operation}: {source}", path.display())]
pub struct WriteError {
    /// What was attempted.
    pub operation: &'static str,
    /// The file.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

/// The file that [`write`] puts an object into, e.g. `pod.shop.web-0.json`.
pub fn file_name(kind: Kind, name: &ObjectName) -> String {
    let kind = kind.to_string().to_ascii_lowercase();
    // Neither part of a valid name has a slash; of others, none may get into a path.
    let safe = |text: &str| text.replace(['/', '\0'], "_");
    let namespace =
        if name.namespace.is_empty() { String::new() } else { format!("{}.", safe(&name.namespace)) };
    format!("{kind}.{namespace}{}.json", safe(&name.name))
}

/// Publishes for this node: writes its RingfenceNode, unless exactly that is there already.
///
/// # Errors
/// [`WriteError`] if the file system refuses.
pub fn publish(directory: &Path, publication: &Publication) -> Result<(), WriteError> {
    let name = ObjectName::new("", publication.node());
    write_text(&directory.join(file_name(Kind::RingfenceNode, &name)), &publication.to_json())
}

/// Writes an object (complete JSON, as [`super::Loaded::objects`] gives it) into its own file, atomically and synced,
/// unless exactly that is there already.
///
/// # Errors
/// [`WriteError`] if the file system refuses.
pub fn write(directory: &Path, kind: Kind, name: &ObjectName, object: &Value) -> Result<(), WriteError> {
    write_text(&directory.join(file_name(kind, name)), &format!("{object:#}\n"))
}

/// Removes the file that [`write`] put an object into; it may be gone already.
///
/// # Errors
/// [`WriteError`] if the file system refuses.
pub fn remove(directory: &Path, kind: Kind, name: &ObjectName) -> Result<(), WriteError> {
    let path = directory.join(file_name(kind, name));
    match fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(WriteError { operation: "remove it", path, source })
        }
        _ => Ok(()),
    }
}

fn write_text(path: &Path, text: &str) -> Result<(), WriteError> {
    if fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    // Hidden, so that no reader takes it for a manifest; unlike that of any other process that writes the same.
    let name = path.file_name().unwrap_or(OsStr::new("object")).to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&temporary, path));
    renamed.map_err(|source| {
        // What is left of it is hidden, and overwritten next time.
        let _ = fs::remove_file(&temporary);
        WriteError { operation: "write it", path: path.to_owned(), source }
    })
}
