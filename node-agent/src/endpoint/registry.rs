//! All attachments, in memory and on disk.
use super::Record;
use crate::control::{AddRequest, Sandbox};
use crate::disk;
use crate::policy::tables::LocalEndpoint;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Numbers are reserved on disk this many at a time: no number is used again after a crash, at one write per so many pods.
const RESERVE: u32 = 64;

/// A file of the registry cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// It cannot be read, written or removed.
    #[error("cannot {operation} {}: {source}", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds something else. Its pod stays cut off until it is deleted.
    #[error("{} cannot be understood ({message}); delete the pod it was for, then the file", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// Every number has been used: four billion pods.
    #[error("no endpoint number is left; remove the agent's state directory and reboot")]
    NoNumbers,
}

/// The attachments of this node.
#[derive(Debug)]
pub struct Registry {
    dir: PathBuf,
    records: BTreeMap<Sandbox, Record>,
    next: u32,
    reserved: u32,
}

impl Registry {
    /// Reads what is kept in `state_dir`. Damaged files are left alone and returned: a registry without them is better
    /// than an agent that does not start.
    ///
    /// # Errors
    /// [`RegistryError::File`] for the directory itself.
    pub fn open(state_dir: &Path) -> Result<(Self, Vec<RegistryError>), RegistryError> {
        let dir = state_dir.join("endpoints");
        fs::create_dir_all(&dir).map_err(|e| failed("make", &dir, e))?;
        let mut registry = Self { records: BTreeMap::new(), next: 1, reserved: 1, dir };
        let mut damaged = Vec::new();
        for entry in fs::read_dir(&registry.dir).map_err(|e| failed("list", &registry.dir, e))? {
            let path = entry.map_err(|e| failed("list", &registry.dir, e))?.path();
            if path.extension().is_some_and(|e| e == "json") {
                match read(&path) {
                    Ok(record) => {
                        registry.records.insert(record.sandbox.clone(), record);
                    }
                    Err(e) => damaged.push(e),
                }
            }
        }
        let counter = registry.counter();
        match fs::read_to_string(&counter) {
            Ok(text) => match text.trim().parse() {
                Ok(next) => registry.next = next,
                Err(e) => damaged.push(RegistryError::Damaged { path: counter, message: format!("{e}") }),
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(failed("read", &counter, e)),
        }
        registry.reserved = registry.next;
        let highest = registry.records.values().map(|r| r.id).max().unwrap_or(0);
        registry.skip_to(highest);
        Ok((registry, damaged))
    }

    /// No number up to and including `id` is given out from now on: one that the kernel still knows.
    pub fn skip_to(&mut self, id: u32) {
        self.next = self.next.max(id.saturating_add(1));
        self.reserved = self.reserved.max(self.next);
    }

    /// Registers an attachment, on disk before this returns. The same request again gives the same record; another
    /// request for the same sandbox a new one.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn add(&mut self, request: &AddRequest, ifindex: u32) -> Result<Record, RegistryError> {
        if let Some(record) = self.records.get(&request.sandbox)
            && record.fits(request, ifindex)
        {
            return Ok(record.clone());
        }
        let record = Record::new(self.number()?, ifindex, request);
        self.put(record.clone())?;
        Ok(record)
    }

    /// Notes that CNI DEL has begun for a sandbox; whether it is known.
    ///
    /// # Errors
    /// [`RegistryError::File`].
    pub fn close(&mut self, sandbox: &Sandbox) -> Result<bool, RegistryError> {
        match self.records.get(sandbox).cloned() {
            Some(record) if !record.closing => self.put(Record { closing: true, ..record }).map(|()| true),
            known => Ok(known.is_some()),
        }
    }

    /// Forgets the attachments whose device is gone: a veth goes with its pod. `devices` is every device's name by its
    /// index. Returns what was forgotten.
    ///
    /// # Errors
    /// [`RegistryError::File`].
    pub fn forget_gone(&mut self, devices: &HashMap<u32, String>) -> Result<Vec<Record>, RegistryError> {
        let gone = |r: &&Record| devices.get(&r.ifindex) != Some(&r.host_device);
        let gone: Vec<Record> = self.records.values().filter(gone).cloned().collect();
        for record in &gone {
            let path = self.path(&record.sandbox);
            match fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &path, e)),
                _ => self.records.remove(&record.sandbox),
            };
        }
        Ok(gone)
    }

    /// One attachment.
    pub fn get(&self, sandbox: &Sandbox) -> Option<&Record> {
        self.records.get(sandbox)
    }

    /// All attachments.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    /// All attachments as the compiler wants them, by number.
    pub fn local(&self) -> Vec<LocalEndpoint> {
        let mut local: Vec<LocalEndpoint> = self.records.values().map(Record::to_local).collect();
        local.sort_by_key(|endpoint| endpoint.id);
        local
    }

    fn number(&mut self) -> Result<u32, RegistryError> {
        if self.next >= self.reserved {
            let reserved = self.next.checked_add(RESERVE).ok_or(RegistryError::NoNumbers)?;
            write(&self.counter(), reserved.to_string().as_bytes())?;
            self.reserved = reserved;
        }
        self.next += 1;
        Ok(self.next - 1)
    }

    fn put(&mut self, record: Record) -> Result<(), RegistryError> {
        let path = self.path(&record.sandbox);
        let text = serde_json::to_vec_pretty(&record).map_err(|e| failed("write", &path, e.into()))?;
        write(&path, &text)?;
        self.records.insert(record.sandbox.clone(), record);
        Ok(())
    }

    fn path(&self, sandbox: &Sandbox) -> PathBuf {
        self.dir.join(format!("{}@{}.json", sandbox.container_id, sandbox.ifname))
    }

    fn counter(&self) -> PathBuf {
        self.dir.join("next-number")
    }
}

fn read(path: &Path) -> Result<Record, RegistryError> {
    let text = fs::read(path).map_err(|e| failed("read", path, e))?;
    let damaged = |message: String| RegistryError::Damaged { path: path.to_path_buf(), message };
    let record: Record = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
    record.sandbox.check().map_err(|what| damaged(format!("{what} is malformed")))?;
    Ok(record)
}

/// Writes a file whole or not at all. It is not synced: after a crash of the machine no sandbox is left to speak of.
fn write(path: &Path, text: &[u8]) -> Result<(), RegistryError> {
    disk::replace_soon(path, 0o644, text).map_err(|e| failed("write", path, e))
}

fn failed(operation: &'static str, path: &Path, source: io::Error) -> RegistryError {
    RegistryError::File { operation, path: path.to_path_buf(), source }
}
