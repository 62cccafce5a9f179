//! The file: lines of JSON, of which the first says what it is; replaced as a whole and synced.
use crate::desired::Snapshot;
use crate::watch::Object;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Its name in the state directory.
const NAME: &str = "objects.jsonl";
/// The form of what follows.
const FORM: u32 = 1;
/// Another after each boot.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    /// The operating system refused something.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    /// It is damaged, or of another form.
    #[error("{}, line {line}: {source}", path.display())]
    Line { path: PathBuf, line: usize, source: serde_json::Error },
    /// It is of another form, or was cut.
    #[error("{}: {reason}", path.display())]
    Form { path: PathBuf, reason: &'static str },
}

#[derive(Serialize, Deserialize)]
struct Head {
    form: u32,
    /// During which boot it was written.
    boot: String,
    /// Lines that follow.
    objects: usize,
}

/// What was known last, of one node.
#[derive(Debug)]
pub(in crate::app) struct Archive {
    path: PathBuf,
    node: String,
    boot: String,
}

impl Archive {
    /// That in a state directory.
    ///
    /// # Errors
    /// If the kernel does not say which boot this is.
    pub(in crate::app) fn of(state_dir: &Path, node: &str) -> io::Result<Self> {
        Ok(Self::during(std::fs::read_to_string(BOOT)?.trim(), state_dir, node))
    }

    pub(super) fn during(boot: &str, state_dir: &Path, node: &str) -> Self {
        Self { path: state_dir.join(NAME), node: node.to_owned(), boot: boot.to_owned() }
    }

    /// What was known when this machine ran last; `None` if nothing ever was, or if it still is the same boot.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub(super) fn read(&self) -> Result<Option<Vec<Object>>, ArchiveError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(self.io("read")(source)),
        };
        let form = |reason| ArchiveError::Form { path: self.path.clone(), reason };
        let mut lines = BufReader::new(file).lines().enumerate();
        let mut next = || -> Result<Option<(usize, String)>, ArchiveError> {
            let Some((number, text)) = lines.next() else { return Ok(None) };
            Ok(Some((number + 1, text.map_err(self.io("read"))?)))
        };
        let bad = |line| move |source| ArchiveError::Line { path: self.path.clone(), line, source };
        let (_, head) = next()?.ok_or_else(|| form("it is empty"))?;
        let head: Head = serde_json::from_str(&head).map_err(bad(1))?;
        if head.form != FORM {
            return Err(form("it is of another form than this version's"));
        }
        if head.boot == self.boot {
            return Ok(None);
        }
        let mut objects = Vec::new();
        while let Some((number, text)) = next()? {
            objects.push(serde_json::from_str(&text).map_err(bad(number))?);
        }
        if objects.len() != head.objects {
            return Err(form("its end is missing"));
        }
        Ok(Some(objects))
    }

    /// Puts what is known in the place of what was there. It is on disk when this returns.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub(super) fn write(&self, snapshot: &Snapshot) -> Result<(), ArchiveError> {
        let objects = objects(snapshot, &self.node);
        let next = self.path.with_extension("new");
        let written = || -> io::Result<()> {
            let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
            let mut out = BufWriter::new(file);
            let head = Head { form: FORM, boot: self.boot.clone(), objects: objects.len() };
            serde_json::to_writer(&mut out, &head)?;
            out.write_all(b"\n")?;
            for object in &objects {
                serde_json::to_writer(&mut out, object)?;
                out.write_all(b"\n")?;
            }
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
            std::fs::rename(&next, &self.path)
        };
        written().map_err(self.io("write"))
    }

    fn io(&self, operation: &'static str) -> impl Fn(io::Error) -> ArchiveError {
        let path = self.path.clone();
        move |source| ArchiveError::Io { operation, path: path.clone(), source }
    }
}

/// What is kept: not the pods of other nodes, save those that are their nodes, and no address of the pods here, which get
/// theirs anew from CNI.
fn objects(snapshot: &Snapshot, node: &str) -> Vec<Object> {
    let mut all: Vec<Object> = Vec::new();
    all.extend(snapshot.namespaces.values().cloned().map(Object::Namespace));
    all.extend(snapshot.nodes.values().cloned().map(Object::Node));
    for pod in snapshot.pods.values() {
        if pod.host_network {
            all.push(Object::Pod(pod.clone()));
        } else if pod.node.as_deref() == Some(node) {
            let mut pod = (**pod).clone();
            pod.addresses.clear();
            all.push(Object::Pod(Arc::new(pod)));
        }
    }
    all.extend(snapshot.services.values().cloned().map(Object::Service));
    all.extend(snapshot.slices.values().cloned().map(Object::EndpointSlice));
    all.extend(snapshot.policies.values().cloned().map(Object::NetworkPolicy));
    all.extend(snapshot.publications.values().cloned().map(Object::RingfenceNode));
    all.extend(snapshot.mesh.values().cloned().map(Object::RingfenceMesh));
    let named = |name: &String| Arc::from(name.as_str());
    all.extend(snapshot.rotations.iter().map(|(n, r)| Object::RingfenceRotation(named(n), r.clone())));
    all.extend(snapshot.revocations.iter().map(|(n, r)| Object::RingfenceRevocation(named(n), r.clone())));
    all
}
