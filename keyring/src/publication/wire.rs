//! The object as it is written, with fields of plain types; turned into a [`Publication`] field by field so
//! that an error can name the one that is wrong.
//!
//! Fields it does not know are passed over: in a rolling upgrade a newer agent may publish more.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::check::{error, short};
use super::{API_VERSION, KIND, MAX_ENDPOINTS, Progress, Publication, PublicationError, PublishedPlane};
use crate::audit::Head;
use crate::epoch::Epoch;
use crate::key::PublicKey;
use crate::plane::{PerPlane, Plane};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(rename = "nodeUID")]
    node_uid: String,
    epoch: u64,
    endpoints: Vec<String>,
    planes: Vec<WirePlane>,
    #[serde(default, skip_serializing_if = "is_zero")]
    serial: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    turns: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fresh: Option<u64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    outdated: BTreeMap<String, u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audit: Option<Head>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePlane {
    plane: String,
    public_key: String,
    epoch: u64,
    port: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    leaving: bool,
}

// What serde calls takes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

pub(super) fn from_json(text: &str) -> Result<Publication, PublicationError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let object = parse(&mut reader, || serde_json::from_str(text).ok())?;
    let name = object.metadata.name.clone();
    reader.end().map_err(|end| error(Some(&name), ".", format!("more follows it: {end}")))?;
    Publication::try_from(object)
}

pub(super) fn from_value(value: Value) -> Result<Publication, PublicationError> {
    Publication::try_from(parse(&value, || Some(value.clone()))?)
}

pub(super) fn to_value(publication: &Publication) -> Value {
    // Strings, numbers and lists always serialize; were that ever false, null is refused by every reader.
    serde_json::to_value(publication).unwrap_or(Value::Null)
}

fn parse<'de, D: Deserializer<'de>>(
    reader: D,
    whole: impl FnOnce() -> Option<Value>,
) -> Result<Object, PublicationError> {
    serde_path_to_error::deserialize(reader).map_err(|refused| {
        let whole = whole();
        let name = whole.as_ref().and_then(|object| object.pointer("/metadata/name")?.as_str());
        error(name, &refused.path().to_string(), refused.inner().to_string())
    })
}

impl TryFrom<Object> for Publication {
    type Error = PublicationError;

    fn try_from(object: Object) -> Result<Publication, PublicationError> {
        let name = object.metadata.name.as_str();
        let fail = |field: &str, reason: String| error(Some(name), field, reason);
        for (field, found, wanted) in
            [("apiVersion", &object.api_version, API_VERSION), ("kind", &object.kind, KIND)]
        {
            if found != wanted {
                return Err(fail(field, format!("{:?} instead of {wanted:?}", short(found))));
            }
        }
        let spec = &object.spec;
        let epoch = Epoch::new(spec.epoch).map_err(|wrong| fail("spec.epoch", wrong.to_string()))?;
        if spec.endpoints.len() > MAX_ENDPOINTS {
            let reason = format!("{} addresses, at most {MAX_ENDPOINTS} are allowed", spec.endpoints.len());
            return Err(fail("spec.endpoints", reason));
        }
        let addresses = spec.endpoints.iter().enumerate().map(|(index, text)| {
            IpAddr::from_str(text).map_err(|_| {
                fail(&format!("spec.endpoints[{index}]"), format!("{:?} is no IP address", short(text)))
            })
        });
        let addresses = addresses.collect::<Result<Vec<_>, _>>()?;
        let mut planes: PerPlane<Option<PublishedPlane>> = PerPlane::default();
        let mut leaving: PerPlane<bool> = PerPlane::default();
        for (index, wire) in spec.planes.iter().enumerate() {
            let (plane, published) = wire
                .typed()
                .map_err(|(field, reason)| fail(&format!("spec.planes[{index}].{field}"), reason))?;
            *leaving.get_mut(plane) = wire.leaving;
            if planes.get_mut(plane).replace(published).is_some() {
                return Err(fail(&format!("spec.planes[{index}].plane"), format!("{plane} is there twice")));
            }
        }
        let planes = PerPlane::try_from_fn(|plane| {
            planes.get(plane).ok_or_else(|| fail("spec.planes", format!("{plane} is missing")))
        })?;
        let fresh = spec.fresh.map(Epoch::new).transpose();
        let progress = Progress {
            serial: spec.serial,
            leaving,
            turns: spec.turns,
            fresh: fresh.map_err(|wrong| fail("spec.fresh", wrong.to_string()))?,
            outdated: spec.outdated.clone(),
            head: spec.audit.clone(),
        };
        Publication::new(name, &spec.node_uid, epoch, planes, &addresses)?.with(progress)
    }
}

impl WirePlane {
    fn typed(&self) -> Result<(Plane, PublishedPlane), (&'static str, String)> {
        let plane: Plane = self.plane.parse().map_err(|wrong| ("plane", format!("{wrong}")))?;
        let public_key: PublicKey =
            self.public_key.parse().map_err(|wrong| ("publicKey", format!("{wrong}")))?;
        let epoch = Epoch::new(self.epoch).map_err(|wrong| ("epoch", wrong.to_string()))?;
        if epoch.plane() != plane {
            return Err(("epoch", format!("epoch {epoch} cannot be one of {plane}")));
        }
        let port = u16::try_from(self.port).ok().filter(|port| *port != 0);
        let port = port.ok_or_else(|| ("port", format!("{} is no UDP port (1 to 65535)", self.port)))?;
        Ok((plane, PublishedPlane { public_key, epoch, port }))
    }
}

impl From<Publication> for Object {
    fn from(publication: Publication) -> Object {
        let planes = publication.planes.iter().map(|(plane, published)| WirePlane {
            plane: plane.to_string(),
            public_key: published.public_key.to_string(),
            epoch: published.epoch.get(),
            port: published.port.into(),
            leaving: *publication.progress.leaving.get(plane),
        });
        Object {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            spec: Spec {
                node_uid: publication.uid,
                epoch: publication.epoch.get(),
                endpoints: publication.endpoints.iter().map(IpAddr::to_string).collect(),
                planes: planes.collect(),
                serial: publication.progress.serial,
                turns: publication.progress.turns,
                fresh: publication.progress.fresh.map(Epoch::get),
                outdated: publication.progress.outdated,
                audit: publication.progress.head,
            },
            metadata: Metadata { name: publication.node },
        }
    }
}
