//! One file's objects, read: what can be kept as long as the file does not change.
use super::documents::{self, Document};
use super::error::LoadError;
use super::origin::Origin;
use crate::watch::object::{self, Concern, Reading};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// An object that concerns us.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) origin: Origin,
    /// As it was written; null if that was not to be kept.
    pub(super) value: Arc<Value>,
    pub(super) reading: Reading,
}

/// The contents of one file.
#[derive(Clone, Debug, Default)]
pub(super) struct Items {
    pub(super) items: Vec<Item>,
    /// How many documents of which kind do not concern us.
    pub(super) passed_over: BTreeMap<String, usize>,
}

/// What of an object is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Keep {
    /// Its value, and the JSON to write it back from.
    All,
    /// Its value.
    Values,
}

/// Documents that are data, but no Kubernetes objects.
const NO_OBJECT: &str = "no Kubernetes object";

/// Reads the objects in the text of a file.
///
/// # Errors
/// [`LoadError::Syntax`] if it cannot be parsed, or a document is neither an object nor other data: it may be
/// half written.
pub(super) fn read(file: &Arc<Path>, text: &str, keep: Keep) -> Result<Items, LoadError> {
    let nothing = Arc::new(Value::Null);
    let mut items = Items::default();
    for Document { origin, value } in documents::parse(file, text)? {
        let (api_version, kind) = match header(&value) {
            Ok(header) => header,
            Err(message) => return Err(LoadError::Syntax { origin, message }),
        };
        match object::concern(&api_version, &kind) {
            Concern::Other => {
                let kind = if kind.is_empty() { NO_OBJECT.to_owned() } else { kind };
                *items.passed_over.entry(kind).or_default() += 1;
            }
            concern => {
                let reading = object::read(concern, &kind, &value);
                let value = if keep == Keep::All { Arc::new(value) } else { nothing.clone() };
                items.items.push(Item { origin, value, reading });
            }
        }
    }
    Ok(items)
}

/// `apiVersion` and `kind`; both empty for data that is no object.
fn header(value: &Value) -> Result<(String, String), String> {
    let map = match value {
        Value::Object(map) => map,
        Value::Array(_) => return Ok(Default::default()),
        _ => return Err("there is only a bare word here, no object: is the file half written?".to_owned()),
    };
    let text = |field: &str| match map.get(field) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(_) => Err(format!("{field}: expected a text that is not empty")),
    };
    match (map.get("apiVersion"), map.get("kind")) {
        (None, None) => Ok(Default::default()),
        (Some(_), None) => Err("kind: it is missing: is the file half written?".to_owned()),
        (None, Some(_)) => Err("apiVersion: it is missing: write e.g. v1 or networking.k8s.io/v1".to_owned()),
        _ => match (text("apiVersion")?, text("kind")?) {
            (Some(version), Some(kind)) => Ok((version, kind)),
            _ => Ok(Default::default()),
        },
    }
}
