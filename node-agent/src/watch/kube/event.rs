//! Events of a watch: a line of JSON each.
use super::error::ApiError;
use super::{fields, keep::Keep};
use crate::watch::{Kind, Update, decode};
use kube::core::Status;
use serde::Deserialize;
use serde::de::DeserializeSeed;
use serde_json::Value;
use serde_json::value::RawValue;

/// What one event says.
#[derive(Debug, PartialEq)]
pub(super) enum Event {
    /// Something about an object; from here on the watch can be taken up again.
    Said(Box<Update>, Option<String>),
    /// Nothing, but the watch can be taken up again from here.
    Bookmark(String),
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    what: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// Bookmarks are objects of the watched kind that have nothing but this.
const VERSION: Keep = Keep::Fields(&[("metadata", Keep::Fields(&[("resourceVersion", Keep::All)]))]);

/// Reads an event of a watch of `kind`. `None`: it says nothing that concerns us.
///
/// # Errors
/// [`ApiError`]: it is no event, or the API server says that something is wrong.
pub(super) fn read(kind: Kind, line: &[u8], source: &str) -> Result<Option<Event>, ApiError> {
    let broken = |source| ApiError::Malformed { operation: "watch", kind, source };
    let Line { what, object } = serde_json::from_slice(line).map_err(broken)?;
    let keep = |keep: Keep| {
        let mut reader = serde_json::Deserializer::from_str(object.get());
        keep.deserialize(&mut reader).map_err(broken)
    };
    Ok(match what {
        "ADDED" | "MODIFIED" => {
            let object = named(kind, keep(fields::of(kind))?);
            let version = version(&object);
            decode(kind, &object, source).map(|update| Event::Said(Box::new(update), version))
        }
        "DELETED" => {
            let object = named(kind, keep(fields::of(kind))?);
            let version = version(&object);
            name(kind, &object).map(|name| Event::Said(Box::new(Update::Deleted { kind, name }), version))
        }
        "BOOKMARK" => version(&keep(VERSION)?).map(Event::Bookmark),
        "ERROR" => {
            let status: Status = serde_json::from_str(object.get()).map_err(broken)?;
            return Err(ApiError::refused("watch", kind, status));
        }
        _ => None,
    })
}

/// `metadata.resourceVersion`.
pub(super) fn version(object: &Value) -> Option<String> {
    let version = object.pointer("/metadata/resourceVersion")?.as_str()?;
    (!version.is_empty()).then(|| version.to_owned())
}

/// Objects in lists do not say what they are; decoders of our own kinds want to know.
pub(super) fn named(kind: Kind, mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut().filter(|_| kind.is_ours()) {
        fields.entry("apiVersion").or_insert_with(|| kind.api_version().into());
        fields.entry("kind").or_insert_with(|| kind.to_string().into());
    }
    object
}

fn name(kind: Kind, object: &Value) -> Option<crate::model::ObjectName> {
    let field = |field: &str| object.get("metadata")?.get(field)?.as_str();
    let namespace = if kind.namespaced() { field("namespace").unwrap_or("default") } else { "" };
    Some(crate::model::ObjectName::new(namespace, field("name")?))
}
