//! Single files and directories that hold secrets: opened without following links, trusted only after looking
//! at what was opened.

use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use zeroize::Zeroizing;

use super::StoreError;

/// Mode of the directory.
pub(super) const DIRECTORY_MODE: u32 = 0o700;
/// Mode of the files in it.
pub(super) const FILE_MODE: u32 = 0o600;

/// Refuses what somebody other than `owner` owns, or may read, write or search.
pub(super) fn trust(path: &Path, found: &Metadata, owner: u32, wanted: u32) -> Result<(), StoreError> {
    if found.uid() != owner {
        return Err(StoreError::ForeignOwner { path: path.into(), owner: found.uid(), expected: owner });
    }
    // Of an ACL, the group bits are the mask: no entry gives more than they show.
    let mode = found.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(StoreError::Exposed { path: path.into(), mode, wanted });
    }
    Ok(())
}

/// Opens a directory, itself no symbolic link.
pub(super) fn open_directory(path: &Path) -> Result<File, StoreError> {
    let flags = (OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    opened.map_err(|source| {
        if is_wrong_type(&source) {
            StoreError::WrongType { path: path.into(), expected: "directory" }
        } else {
            StoreError::Io { operation: "open", path: path.into(), source }
        }
    })
}

/// What open(2) says of a symbolic link, a directory or a socket where something else was wanted.
fn is_wrong_type(error: &std::io::Error) -> bool {
    let wrong = [Errno::ENOTDIR, Errno::ELOOP, Errno::EISDIR, Errno::ENXIO];
    error.raw_os_error().is_some_and(|number| wrong.contains(&Errno::from_raw(number)))
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let directory = File::open(path).map_err(StoreError::io("open", path))?;
    directory.sync_all().map_err(StoreError::io("sync", path))
}

/// Opens a regular file, itself no symbolic link. None if there is no such name.
pub(super) fn open_regular(path: &Path, write: bool) -> Result<Option<(File, Metadata)>, StoreError> {
    // Without O_NONBLOCK a named pipe put in the place would hold the agent up for ever.
    let flags = (OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits();
    let wrong = || StoreError::WrongType { path: path.into(), expected: "regular file" };
    let file = match OpenOptions::new().read(true).write(write).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if is_wrong_type(&error) => return Err(wrong()),
        Err(source) => return Err(StoreError::Io { operation: "open", path: path.into(), source }),
    };
    let found = file.metadata().map_err(StoreError::io("inspect", path))?;
    if found.is_file() { Ok(Some((file, found))) } else { Err(wrong()) }
}

/// Reads up to `limit` bytes into a buffer that wipes itself and that never grows.
pub(super) fn read_up_to(
    mut file: &File,
    path: &Path,
    limit: usize,
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let mut text = Zeroizing::new(vec![0; limit]);
    let mut filled = 0;
    while filled < limit {
        match file.read(&mut text[filled..]) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(source) => return Err(StoreError::Io { operation: "read", path: path.into(), source }),
        }
    }
    text.truncate(filled);
    Ok(text)
}

/// Makes a file that was not there, writes and syncs it.
pub(super) fn write_new(path: &Path, text: &[u8]) -> Result<(), StoreError> {
    let created = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path);
    let mut file = created.map_err(StoreError::io("create", path))?;
    // The umask may have taken more than group and others.
    file.set_permissions(Permissions::from_mode(FILE_MODE))
        .map_err(StoreError::io("set the mode of", path))?;
    file.write_all(text).map_err(StoreError::io("write", path))?;
    file.sync_all().map_err(StoreError::io("sync", path))
}

/// Overwrites a file with zeros, syncs and unlinks it. Returns whether it was there.
///
/// A file with a second name is only unlinked: that name is a key in use, whose bytes are these.
pub(super) fn shred(path: &Path) -> Result<bool, StoreError> {
    let Some((mut file, found)) = open_regular(path, true)? else { return Ok(false) };
    if found.nlink() == 1 {
        let failed = || StoreError::io("overwrite", path);
        file.seek(SeekFrom::Start(0)).map_err(failed())?;
        let zeros = [0; 4096];
        let mut left = found.len();
        while left > 0 {
            let chunk = left.min(zeros.len() as u64);
            file.write_all(&zeros[..chunk as usize]).map_err(failed())?;
            left -= chunk;
        }
        file.sync_all().map_err(StoreError::io("sync", path))?;
    }
    std::fs::remove_file(path).map_err(StoreError::io("remove", path))?;
    Ok(true)
}
