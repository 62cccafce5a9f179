//! What was found wrong with an object while it was read.
use super::path::FieldPath;
use super::shape::Shaped;
use crate::model::{ObjectName, Problem};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;

/// One thing that the API server would refuse.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Path of the field; empty for the object as a whole.
    pub field: String,
    /// What is wrong and how to mend it.
    pub message: String,
    /// What stands in for it where the object has to be enforced all the same (from a watch).
    pub instead: Option<&'static str>,
}

impl Finding {
    /// The finding with the object it is about. With `enforced`, says what is done instead.
    pub fn problem(&self, source: String, kind: &str, object: ObjectName, enforced: bool) -> Problem {
        let message = match self.instead {
            Some(instead) if enforced => format!("{}; until then {instead}", self.message),
            _ => self.message.clone(),
        };
        let field = if self.field.is_empty() { ".".to_owned() } else { self.field.clone() };
        Problem { source, kind: kind.to_owned(), object, field, message }
    }
}

/// Everything found wrong with one object, in the order of reading.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Findings(pub(crate) Vec<Finding>);

impl Findings {
    /// Records a fault of the field at `at`.
    pub(crate) fn add(&mut self, at: &FieldPath<'_>, message: impl Into<String>) {
        self.0.push(Finding { field: at.to_string(), message: message.into(), instead: None });
    }

    /// Runs `read`, and says of whatever it found what is done instead. The second result: nothing was found.
    pub(crate) fn instead<T>(&mut self, what: &'static str, read: impl FnOnce(&mut Self) -> T) -> (T, bool) {
        let before = self.0.len();
        let value = read(self);
        for finding in &mut self.0[before..] {
            finding.instead.get_or_insert(what);
        }
        (value, self.0.len() == before)
    }

    /// Records a fault unless `check` is fine with `text`.
    pub(crate) fn syntax(
        &mut self,
        at: &FieldPath<'_>,
        text: &str,
        check: fn(&str) -> Result<(), &'static str>,
    ) {
        if let Err(rule) = check(text) {
            self.add(at, format!("{} is not allowed: {rule}", quoted(text)));
        }
    }

    /// Decodes `value`, or records which field below `at` does not fit and gives `None`.
    pub(crate) fn decode<T: DeserializeOwned>(&mut self, at: &FieldPath<'_>, value: &Value) -> Option<T> {
        match serde_path_to_error::deserialize::<_, T>(Shaped(value)) {
            Ok(decoded) => Some(decoded),
            Err(error) => {
                let field = at.join(error.path());
                self.0.push(Finding { field, message: error.inner().to_string(), instead: None });
                None
            }
        }
    }

    /// As [`Self::decode`]; absent and null are the default.
    pub(crate) fn decode_or_default<T: DeserializeOwned + Default>(
        &mut self,
        at: &FieldPath<'_>,
        value: Option<&Value>,
    ) -> Option<T> {
        match value {
            None | Some(Value::Null) => Some(T::default()),
            Some(value) => self.decode(at, value),
        }
    }
}

/// Text from outside as an error message quotes it: escaped, and not more than 80 characters of it.
pub(crate) fn quoted(text: &str) -> impl fmt::Display {
    let short: String = text.chars().take(80).collect();
    let more = if short.len() < text.len() { "..." } else { "" };
    format!("{short:?}{more}")
}
