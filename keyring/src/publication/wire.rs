//! The object as it is written, with fields of plain types; turned into a [`Publication`] field by field so
//! that an error can name the one that is wrong.
//!
//! Fields it does not know are passed over: in a rolling upgrade a newer agent may publish more.

use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::check::{error, short};
use super::{API_VERSION, KIND, MAX_ENDPOINTS, Publication, PublicationError, PublishedPlane};
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
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WirePlane {
    plane: String,
    public_key: String,
    epoch: u64,
    port: u64,
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
        for (index, wire) in spec.planes.iter().enumerate() {
            let (plane, published) = wire
                .typed()
                .map_err(|(field, reason)| fail(&format!("spec.planes[{index}].{field}"), reason))?;
            if planes.get_mut(plane).replace(published).is_some() {
                return Err(fail(&format!("spec.planes[{index}].plane"), format!("{plane} is there twice")));
            }
        }
        let planes = PerPlane::try_from_fn(|plane| {
            planes.get(plane).ok_or_else(|| fail("spec.planes", format!("{plane} is missing")))
        })?;
        Publication::new(name, &spec.node_uid, epoch, planes, &addresses)
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
        });
        Object {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            spec: Spec {
                node_uid: publication.uid,
                epoch: publication.epoch.get(),
                endpoints: publication.endpoints.iter().map(IpAddr::to_string).collect(),
                planes: planes.collect(),
            },
            metadata: Metadata { name: publication.node },
        }
    }
}
