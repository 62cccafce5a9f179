//! Which files of a directory are manifests, and their text.
use super::error::LoadError;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Directories nested deeper than this are not a repository of manifests.
const DEEPEST: usize = 64;

/// All manifests below `directory`, sorted: files named `*.yaml`, `*.yml` or `*.json`. Hidden files and directories are
/// passed over. A link to a file is followed (mounted ConfigMaps are made of them), a link to a directory is not. If
/// `directory` is a file, it alone.
///
/// # Errors
/// [`LoadError::Unreadable`] for each directory that cannot be listed.
pub(super) fn list(directory: &Path) -> Result<Vec<PathBuf>, Vec<LoadError>> {
    let (mut files, mut errors) = (Vec::new(), Vec::new());
    match fs::metadata(directory) {
        Ok(metadata) if metadata.is_file() => return Ok(vec![directory.to_owned()]),
        Ok(_) => walk(directory, 0, &mut files, &mut errors),
        Err(source) => errors.push(unreadable("open it", directory, source)),
    }
    files.sort();
    if errors.is_empty() { Ok(files) } else { Err(errors) }
}

/// The text of a manifest.
///
/// # Errors
/// [`LoadError::Unreadable`], also for what is not UTF-8.
pub(super) fn text(file: &Path) -> Result<String, LoadError> {
    fs::read_to_string(file).map_err(|source| unreadable("read it", file, source))
}

/// Whether a file is a manifest by its name.
pub(super) fn is_manifest(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json")
}

fn walk(directory: &Path, depth: usize, files: &mut Vec<PathBuf>, errors: &mut Vec<LoadError>) {
    let entries = match fs::read_dir(directory) {
        Ok(entries) if depth < DEEPEST => entries,
        Ok(_) => return errors.push(unreadable("list it", directory, io::Error::other("nested too deeply"))),
        Err(source) => return errors.push(unreadable("list it", directory, source)),
    };
    for entry in entries {
        let entry = match entry.and_then(|e| Ok((e.file_type()?, e))) {
            Ok(entry) => entry,
            Err(source) => return errors.push(unreadable("list it", directory, source)),
        };
        let (kind, path) = (entry.0, entry.1.path());
        if entry.1.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if kind.is_dir() {
            walk(&path, depth + 1, files, errors);
        } else if is_manifest(&path) && (!kind.is_symlink() || !path.is_dir()) {
            files.push(path);
        }
    }
}

fn unreadable(operation: &'static str, path: &Path, source: io::Error) -> LoadError {
    LoadError::Unreadable { operation, path: path.to_owned(), source }
}

/// What tells whether a file is still the one that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    identity: (u64, u64, u64),
    changed: SystemTime,
    taken: SystemTime,
}

/// Times of files are only as fine as the kernel's tick, 1 to 10 ms.
const TICK: Duration = Duration::from_millis(50);

impl Stamp {
    /// A file's, before it is read.
    ///
    /// # Errors
    /// [`LoadError::Unreadable`].
    pub(super) fn of(path: &Path) -> Result<Self, LoadError> {
        let metadata = fs::metadata(path).map_err(|source| unreadable("look at it", path, source))?;
        let seconds = u64::try_from(metadata.ctime()).unwrap_or(0);
        let nanoseconds = u32::try_from(metadata.ctime_nsec()).unwrap_or(0);
        Ok(Self {
            identity: (metadata.dev(), metadata.ino(), metadata.len()),
            changed: SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds),
            taken: SystemTime::now(),
        })
    }

    /// Whether the file that this was taken of, before it was read, is still the same now, when `now` is taken. A change
    /// within the tick of the one before would not show: such a file counts as changed.
    pub(super) fn still(&self, now: &Self) -> bool {
        let settled = self.taken.duration_since(self.changed).is_ok_and(|age| age > TICK);
        settled && self.identity == now.identity && self.changed == now.changed
    }
}
