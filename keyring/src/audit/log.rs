//! The file: appended to, each line synced before anything rests on it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use sha2::{Digest, Sha256};

use super::entry::{Entry, Head, KeyEvent, hex, read, write};

/// A log that is open for appending.
#[derive(Debug)]
pub struct AuditLog {
    file: File,
    path: PathBuf,
    head: Head,
    /// Bytes of whole lines in the file.
    length: u64,
}

/// Why the log cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The operating system refused something.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// As in "cannot {operation} PATH".
        operation: &'static str,
        /// Of what.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Its last whole line cannot be continued: it is no line, or was edited.
    #[error(
        "the last line of {} is damaged, so nothing can follow it; remedy: keep that file as evidence, move it away, and the agent begins another",
        path.display()
    )]
    Damaged {
        /// Of the file.
        path: PathBuf,
    },
    /// An entry has no JSON form.
    #[error("an audit entry cannot be written: {0}")]
    Entry(#[from] serde_json::Error),
}

impl AuditLog {
    /// Opens the log at `path`, or begins one (mode 0600). If a crash tore its last line, the rest is taken off and the
    /// log says so in a line of its own, dated `now` (RFC 3339) and of node `node`.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn open(path: &Path, node: &str, now: &str) -> Result<AuditLog, AuditError> {
        let failed = |operation: &'static str| {
            move |source| AuditError::Io { operation, path: path.to_owned(), source }
        };
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        options.custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
        let mut file = options.open(path).map_err(failed("open"))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed("read"))?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let (lines, rest) = text.split_at(whole);
        let last = lines.strip_suffix(b"\n").and_then(|lines| lines.rsplit(|byte| *byte == b'\n').next());
        let head = match last.map(read) {
            None => Head::empty(),
            Some(Some((line, hash, true))) => Head { number: line.number, hash },
            Some(_) => return Err(AuditError::Damaged { path: path.to_owned() }),
        };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            let directory = File::open(parent).map_err(failed("open the directory of"))?;
            directory.sync_all().map_err(failed("sync the directory of"))?;
        }
        let mut log = AuditLog { file, path: path.to_owned(), head, length: whole as u64 };
        if !rest.is_empty() {
            log.take_back()?;
            let event = KeyEvent::Torn { bytes: rest.len() as u64, digest: hex(&Sha256::digest(rest)) };
            log.append(&Entry { at: now.to_owned(), node: node.to_owned(), event })?;
        }
        Ok(log)
    }

    /// Appends a line; it is on disk when this returns. If that fails, the file ends where it ended before.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn append(&mut self, entry: &Entry) -> Result<&Head, AuditError> {
        let (line, head) = write(&self.head, entry)?;
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            self.take_back()?;
            return Err(AuditError::Io { operation: "append to", path: self.path.clone(), source });
        }
        self.length += line.len() as u64;
        self.head = head;
        Ok(&self.head)
    }

    /// What the next publication carries.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn take_back(&mut self) -> Result<(), AuditError> {
        let shortened = self.file.set_len(self.length).and_then(|()| self.file.seek(SeekFrom::End(0)));
        let synced = shortened.and_then(|_| self.file.sync_all());
        synced.map_err(|source| AuditError::Io { operation: "shorten", path: self.path.clone(), source })
    }
}
