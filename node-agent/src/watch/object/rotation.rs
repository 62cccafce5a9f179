//! What is said of keys: the mesh's epoch, requests, revocations (ringfence.dev/v1alpha1).
use super::findings::Findings;
use super::path::FieldPath;
use crate::model::{MESH, MeshEpoch, Revocation, RotationRequest};
use ringfence_keyring::Epoch;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A UID has at most so many characters (as the store of keys has it).
const UID: usize = 128;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MeshSpec {
    epoch: u64,
    #[serde(default)]
    since: u64,
}

fn spec<T: DeserializeOwned>(object: &Value, f: &mut Findings) -> Option<T> {
    f.decode(&FieldPath::Root.key("spec"), object.get("spec").unwrap_or(&Value::Null))
}

fn number(field: &str, number: u64, f: &mut Findings) -> Option<Epoch> {
    match Epoch::new(number) {
        Ok(epoch) => Some(epoch),
        Err(error) => {
            f.add(&FieldPath::Root.key("spec").key(field), error.to_string());
            None
        }
    }
}

/// Reads the mesh's epoch.
pub(super) fn mesh(name: &str, object: &Value, f: &mut Findings) -> Option<MeshEpoch> {
    if name != MESH {
        let message = format!("there is but one object of this kind, and its name is {MESH}");
        f.add(&FieldPath::Root.key("metadata").key("name"), message);
        return None;
    }
    let MeshSpec { epoch, since } = spec(object, f)?;
    Some(MeshEpoch { epoch: number("epoch", epoch, f)?, since })
}

/// Reads a request.
pub(super) fn request(object: &Value, f: &mut Findings) -> Option<RotationRequest> {
    let request: RotationRequest = spec(object, f)?;
    number("from", request.from, f)?;
    if request.fresh && request.node.is_some() {
        let message = "of one node both keys are made anew anyway: leave it out";
        f.add(&FieldPath::Root.key("spec").key("fresh"), message);
        return None;
    }
    Some(request)
}

/// Reads a revocation.
pub(super) fn revocation(object: &Value, f: &mut Findings) -> Option<Revocation> {
    let revocation: Revocation = spec(object, f)?;
    if revocation.node_uid.is_empty() || revocation.node_uid.len() > UID {
        f.add(&FieldPath::Root.key("spec").key("nodeUID"), "it is no UID of a Node");
        return None;
    }
    Some(revocation)
}
