//! A page of a list, read object by object: no more than one is held as JSON at a time, and none as a whole.
use super::error::ApiError;
use super::keep::Keep;
use super::{event, fields};
use crate::watch::{Batch, Kind, decode};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::fmt;

/// What one page says.
#[derive(Debug, PartialEq, Default)]
pub(super) struct Page {
    /// Its objects, as updates.
    pub(super) batch: Batch,
    /// Where the next page is found; `None`: it is the last.
    pub(super) more: Option<String>,
    /// The state of the cluster that it is of.
    pub(super) version: Option<String>,
}

const META: Keep = Keep::Fields(&[("resourceVersion", Keep::All), ("continue", Keep::All)]);

/// Reads a page of objects of `kind`.
///
/// # Errors
/// [`ApiError::Malformed`] if it is no list.
pub(super) fn read(kind: Kind, text: &[u8], source: &str) -> Result<Page, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let page = List { kind, source }.deserialize(&mut reader).and_then(|page| reader.end().map(|()| page));
    page.map_err(|source| ApiError::Malformed { operation: "list", kind, source })
}

#[derive(Clone, Copy)]
struct List<'a> {
    kind: Kind,
    source: &'a str,
}

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = Page;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Page, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = Page;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of objects of kind {}", self.kind)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Page, A::Error> {
        let mut page = Page::default();
        let mut listed = false;
        while let Some(field) = map.next_key::<String>()? {
            match field.as_str() {
                "metadata" => {
                    let meta = map.next_value_seed(META)?;
                    let text = |field: &str| {
                        let text = meta.get(field).and_then(Value::as_str).unwrap_or_default();
                        (!text.is_empty()).then(|| text.to_owned())
                    };
                    (page.more, page.version) = (text("continue"), text("resourceVersion"));
                }
                "items" => {
                    listed = true;
                    page.batch = map.next_value_seed(Items(self))?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if listed { Ok(page) } else { Err(serde::de::Error::missing_field("items")) }
    }
}

struct Items<'a>(List<'a>);

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = Batch;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Batch, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = Batch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    /// Go writes a list that is empty as null now and then.
    fn visit_unit<E>(self) -> Result<Batch, E> {
        Ok(Batch::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Batch, A::Error> {
        let List { kind, source } = self.0;
        let mut batch = Batch::new();
        while let Some(object) = items.next_element_seed(fields::of(kind))? {
            batch.extend(decode(kind, &event::named(kind, object), source));
        }
        Ok(batch)
    }
}
