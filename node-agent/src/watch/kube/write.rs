//! What an agent writes: its own publication, and the mesh's epoch by compare and swap.
use super::error::ApiError;
use super::server::Server;
use crate::model::{MESH, MeshEpoch, ObjectName};
use crate::watch::Kind;
use crate::watch::directory::Raised;
use ringfence_keyring::{Epoch, Publication};
use serde_json::{Value, json};

/// Publishes for this node: makes or changes its RingfenceNode, unless exactly that is there already. The object belongs to
/// the Node, so it goes with it; one of an earlier Node of this name is deleted first, for what says which Node it is of
/// never changes.
///
/// # Errors
/// [`ApiError`]. A conflict means that somebody else has written it meanwhile: it is to be tried again.
pub async fn publish(server: &Server, publication: &Publication) -> Result<(), ApiError> {
    let (kind, name) = (Kind::RingfenceNode, publication.node());
    let mut wanted = publication.to_value();
    let owner = json!({"apiVersion": "v1", "kind": "Node", "name": name, "uid": publication.uid()});
    wanted["metadata"]["ownerReferences"] = json!([owner]);
    let Some(mut there) = server.get(kind, name).await? else {
        return server.create(kind, name, &wanted).await;
    };
    let of_node = there.pointer("/spec/nodeUID").and_then(Value::as_str);
    if of_node != Some(publication.uid()) {
        let uid = there.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default();
        server.delete(kind, name, uid).await?;
        return server.create(kind, name, &wanted).await;
    }
    if there["spec"] == wanted["spec"]
        && there["metadata"]["ownerReferences"] == wanted["metadata"]["ownerReferences"]
    {
        return Ok(());
    }
    there["spec"] = wanted["spec"].take();
    there["metadata"]["ownerReferences"] = wanted["metadata"]["ownerReferences"].take();
    server.replace(kind, name, &there).await
}

/// Writes the status of this node's RingfenceNode, unless exactly that is there already.
///
/// # Errors
/// [`ApiError`], also while nothing is published: there is nothing yet that has a status.
pub async fn report(server: &Server, node: &str, status: &Value) -> Result<(), ApiError> {
    let kind = Kind::RingfenceNode;
    let unpublished = || ApiError::Object {
        kind,
        object: ObjectName::new("", node),
        reason: "it has no status before it is published".to_owned(),
    };
    let mut there = server.get(kind, node).await?.ok_or_else(unpublished)?;
    if there["status"] == *status {
        return Ok(());
    }
    there["status"] = status.clone();
    server.replace_status(kind, node, &there).await
}

/// Raises the mesh's epoch to `to`, if its object still names `from` (no object: epoch 0).
///
/// # Errors
/// [`ApiError`], also if what is there cannot be understood.
pub async fn raise(server: &Server, from: Epoch, to: MeshEpoch) -> Result<Raised, ApiError> {
    let kind = Kind::RingfenceMesh;
    let spec = json!({"epoch": to.epoch.get(), "since": to.since});
    let there = server.get(kind, MESH).await?;
    let named = there.as_ref().map_or(Ok(Epoch::ZERO), epoch_of)?;
    if named != from {
        return Ok(Raised::Names(named));
    }
    let written = match there {
        None => {
            let (version, kind_name) = (kind.api_version(), kind.to_string());
            let object =
                json!({"apiVersion": version, "kind": kind_name, "metadata": {"name": MESH}, "spec": spec});
            server.create(kind, MESH, &object).await
        }
        // It names the version that was read, so nothing else is written over.
        Some(mut there) => {
            there["spec"] = spec;
            server.replace(kind, MESH, &there).await
        }
    };
    match written {
        Ok(()) => Ok(Raised::Done),
        Err(error) if error.code() == Some(409) => {
            let there = server.get(kind, MESH).await?;
            let named = there.as_ref().map_or(Ok(Epoch::ZERO), epoch_of)?;
            if named == from { Err(error) } else { Ok(Raised::Names(named)) }
        }
        Err(error) => Err(error),
    }
}

fn epoch_of(object: &Value) -> Result<Epoch, ApiError> {
    let refused =
        |reason| ApiError::Object { kind: Kind::RingfenceMesh, object: ObjectName::new("", MESH), reason };
    let number = object.pointer("/spec/epoch").and_then(Value::as_u64);
    let number = number.ok_or_else(|| refused("spec.epoch is no number: delete the object".to_owned()))?;
    Epoch::new(number).map_err(|error| refused(error.to_string()))
}
