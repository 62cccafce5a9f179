//! Files that are replaced as a whole: whoever reads one finds what was there before or what is there now, also if the
//! process or the machine stops in between.
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Puts `text` in the place of what is at `path`, in a file of this mode (less the umask). It is on disk when this returns: the
/// file's contents, and its name in the directory.
///
/// # Errors
/// Those of the operating system; then what was at `path` is still there.
pub fn replace(path: &Path, mode: u32, text: &[u8]) -> io::Result<()> {
    let next = written(path, mode, text)?;
    File::open(&next)?.sync_all()?;
    fs::rename(&next, path)?;
    File::open(directory(path))?.sync_all()
}

/// The same for what a crash of the machine may undo, but not tear: nothing is waited for.
///
/// # Errors
/// As [`replace`].
pub fn replace_soon(path: &Path, mode: u32, text: &[u8]) -> io::Result<()> {
    fs::rename(written(path, mode, text)?, path)
}

/// A file beside `path` that holds `text`. Its name ends in nothing that anybody looks for.
fn written(path: &Path, mode: u32, text: &[u8]) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let next = directory(path).join(format!(".{}.new", name.to_string_lossy()));
    // One that was left behind may have another mode.
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    File::options().write(true).create_new(true).mode(mode).open(&next)?.write_all(text)?;
    Ok(next)
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_replaced_is_whole_has_its_mode_and_leaves_nothing_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.json");
        fs::write(directory.path().join(".a.json.new"), "torn").unwrap();
        for (text, replace) in [("one", replace as fn(&Path, u32, &[u8]) -> _), ("two", replace_soon)] {
            replace(&path, 0o600, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn what_cannot_be_replaced_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs::create_dir(&path).unwrap();
        assert!(replace(&path, 0o600, b"text").is_err());
        assert!(path.is_dir());
    }
}
