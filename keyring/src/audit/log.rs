//! The file: appended to, each line synced before anything rests on it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use sha2::{Digest, Sha256};

use super::entry::{Entry, Head, KeyEvent, hex, read, write};
use super::segments::{self, Size};

/// A log that is open for appending.
#[derive(Debug)]
pub struct AuditLog {
    file: File,
    path: PathBuf,
    size: Size,
    /// How many files came before this one.
    before: u64,
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
    pub fn open(path: &Path, size: Size, node: &str, now: &str) -> Result<AuditLog, AuditError> {
        let failed = |operation: &'static str| {
            move |source| AuditError::Io { operation, path: path.to_owned(), source }
        };
        let mut file = open(path)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed("read"))?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let (lines, rest) = text.split_at(whole);
        let full = segments::full(path).map_err(failed("find the files before"))?;
        let before = full.last().map_or(0, |(number, _)| *number);
        let (head, begins) = match (last(lines, path)?, full.last()) {
            (Some(head), _) => (head, false),
            // A crash came before the first line of a file that goes on.
            (None, Some((_, full))) => {
                let text = fs::read(full).map_err(failed("read the file before"))?;
                (last(&text, full)?.ok_or(AuditError::Damaged { path: full.clone() })?, true)
            }
            (None, None) => (Head::empty(), false),
        };
        let directory = File::open(segments::directory(path)).map_err(failed("open the directory of"))?;
        directory.sync_all().map_err(failed("sync the directory of"))?;
        let mut log = AuditLog { file, path: path.to_owned(), size, before, head, length: whole as u64 };
        let entry = |event| Entry { at: now.to_owned(), node: node.to_owned(), event };
        if !rest.is_empty() {
            log.take_back()?;
        }
        if begins {
            log.write(&entry(KeyEvent::Continued { before }))?;
        }
        if !rest.is_empty() {
            let (bytes, digest) = (rest.len() as u64, hex(&Sha256::digest(rest)));
            log.append(&entry(KeyEvent::Torn { bytes, digest }))?;
        }
        Ok(log)
    }

    /// Appends a line; it is on disk when this returns. If that fails, the file ends where it ended before. A file that is
    /// full is set aside before, and another begun.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn append(&mut self, entry: &Entry) -> Result<&Head, AuditError> {
        if self.length >= self.size.bytes {
            let set_aside = segments::set_aside(&self.path, self.before + 1, self.size);
            set_aside.map_err(|source| AuditError::Io {
                operation: "begin another file after",
                path: self.path.clone(),
                source,
            })?;
            (self.file, self.length, self.before) = (open(&self.path)?, 0, self.before + 1);
        }
        // Also where that failed when the file was begun.
        if self.length == 0 && self.before > 0 {
            let event = KeyEvent::Continued { before: self.before };
            self.write(&Entry { event, ..entry.clone() })?;
        }
        self.write(entry)
    }

    fn write(&mut self, entry: &Entry) -> Result<&Head, AuditError> {
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

fn open(path: &Path) -> Result<File, AuditError> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    options.custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
    options.open(path).map_err(|source| AuditError::Io { operation: "open", path: path.to_owned(), source })
}

/// The head that whole lines end in; `None` if there are none.
fn last(lines: &[u8], path: &Path) -> Result<Option<Head>, AuditError> {
    let last = lines.strip_suffix(b"\n").and_then(|lines| lines.rsplit(|byte| *byte == b'\n').next());
    match last.map(read) {
        None => Ok(None),
        Some(Some((line, hash, true))) => Ok(Some(Head { number: line.number, hash })),
        Some(_) => Err(AuditError::Damaged { path: path.to_owned() }),
    }
}
