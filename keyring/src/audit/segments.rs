//! The files of one log: `audit.jsonl`, and before it `audit.jsonl.000001`, `audit.jsonl.000002`, ..., as they were filled.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// How much of a log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// A file that has so many bytes is followed by another.
    pub bytes: u64,
    /// So many full files are kept.
    pub files: usize,
}

impl Size {
    /// Of agents: 64 MiB in all. A node with a thousand peers writes some thousand lines of 300 bytes a rotation.
    pub const AGENT: Size = Size { bytes: 4 << 20, files: 15 };
}

/// The whole text of the log at `path`, as far as it is kept, in order.
///
/// # Errors
/// When a file cannot be read; `path` itself may be missing if a crash came between two files.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let full = full(path)?;
    let mut text = Vec::new();
    for (_, file) in &full {
        text.extend(fs::read(file)?);
    }
    match fs::read(path) {
        Ok(last) => text.extend(last),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !full.is_empty() => {}
        Err(error) => return Err(error),
    }
    Ok(text)
}

/// The full files of the log at `path` with their numbers, the oldest first.
pub(super) fn full(path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(Vec::new()) };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory(path))? {
        let file = entry?.path();
        let rest = file.file_name().and_then(|file| file.to_str()?.strip_prefix(name)?.strip_prefix('.'));
        let digits = rest.filter(|rest| rest.len() >= 6 && rest.bytes().all(|byte| byte.is_ascii_digit()));
        files.extend(digits.and_then(|digits| digits.parse().ok()).map(|number| (number, file.clone())));
    }
    files.sort();
    Ok(files)
}

/// Makes the file at `path` the full one of this number, and removes those that are too many. What failed half-way is gone on
/// with when it is called again.
pub(super) fn set_aside(path: &Path, number: u64, size: Size) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number:06}"));
    match fs::rename(path, &name) {
        // It was done before, and what follows failed: the disk was full, say.
        Err(error) if error.kind() == io::ErrorKind::NotFound && Path::new(&name).is_file() => {}
        renamed => renamed?,
    }
    let full = full(path)?;
    for (_, file) in full.iter().take(full.len().saturating_sub(size.files)) {
        fs::remove_file(file)?;
    }
    File::open(directory(path))?.sync_all()
}

pub(super) fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
