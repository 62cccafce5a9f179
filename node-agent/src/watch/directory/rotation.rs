//! What is said of keys, written: the mesh's epoch by compare and swap, requests and revocations.
//!
//! The API server does the first by `resourceVersion`; here a lock on a hidden file of the directory does.
use super::write::{WriteError, file_name, write};
use crate::model::{MESH, MeshEpoch, ObjectName, Revocation, RotationRequest};
use crate::watch::Kind;
use nix::fcntl::{Flock, FlockArg};
use ringfence_keyring::Epoch;
use serde_json::{Value, json};
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// What came of raising the epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Raised {
    /// It is raised.
    Done,
    /// The object names another epoch than it was to be raised from: somebody was first.
    Names(Epoch),
}

/// The mesh's epoch as an object.
pub(super) fn mesh(mesh: &MeshEpoch) -> Value {
    object(Kind::RingfenceMesh, MESH, json!({"epoch": mesh.epoch.get(), "since": mesh.since}))
}

/// A request as an object.
pub(super) fn request_object(name: &str, request: &RotationRequest) -> Value {
    object(Kind::RingfenceRotation, name, json!(request))
}

/// What is said of a node as an object.
pub(super) fn revocation_object(node: &str, revocation: &Revocation) -> Value {
    object(Kind::RingfenceRevocation, node, json!(revocation))
}

fn object(kind: Kind, name: &str, spec: Value) -> Value {
    let (api_version, kind) = (kind.api_version(), kind.to_string());
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// Raises the mesh's epoch to `to`, if its object still names `from` (no object: epoch 0). `now`: Unix seconds.
///
/// # Errors
/// [`WriteError`] if the file system refuses, or what is there cannot be read.
pub fn raise(directory: &Path, from: Epoch, to: MeshEpoch) -> Result<Raised, WriteError> {
    let path = directory.join(".ringfencemesh.lock");
    let failed = |operation| {
        let path = path.clone();
        move |source| WriteError { operation, path, source }
    };
    let lock = File::options().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let lock = lock.map_err(failed("open it"))?;
    let _held = Flock::lock(lock, FlockArg::LockExclusive)
        .map_err(|(_, errno)| failed("lock it")(io::Error::from(errno)))?;
    let name = ObjectName::new("", MESH);
    let path = directory.join(file_name(Kind::RingfenceMesh, &name));
    let named = match std::fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Epoch::ZERO),
        Err(error) => Err(error),
        Ok(text) => epoch_of(&text),
    };
    let named = named.map_err(|source| WriteError { operation: "read it", path, source })?;
    if named != from {
        return Ok(Raised::Names(named));
    }
    write(directory, Kind::RingfenceMesh, &name, &mesh(&to))?;
    Ok(Raised::Done)
}

fn epoch_of(text: &[u8]) -> io::Result<Epoch> {
    let value: Value = serde_json::from_slice(text)?;
    let number = value.pointer("/spec/epoch").and_then(Value::as_u64);
    let number = number.ok_or_else(|| io::Error::other("spec.epoch is missing: remove the file"))?;
    Epoch::new(number).map_err(io::Error::other)
}

/// Asks for a rotation, under a name that replaces an earlier request of the same.
///
/// # Errors
/// [`WriteError`] if the file system refuses.
pub fn request(directory: &Path, name: &str, request: &RotationRequest) -> Result<(), WriteError> {
    let object = request_object(name, request);
    write(directory, Kind::RingfenceRotation, &ObjectName::new("", name), &object)
}

/// Says that a node is revoked or admitted.
///
/// # Errors
/// [`WriteError`] if the file system refuses.
pub fn judge(directory: &Path, node: &str, revocation: &Revocation) -> Result<(), WriteError> {
    let object = revocation_object(node, revocation);
    write(directory, Kind::RingfenceRevocation, &ObjectName::new("", node), &object)
}
