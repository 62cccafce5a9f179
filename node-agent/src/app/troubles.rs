//! What is wrong right now, by concern: shown in `status`, logged when it begins, changes and ends.
use std::collections::BTreeMap;
use std::fmt::Display;

/// Open troubles.
#[derive(Debug, Default)]
pub(super) struct Troubles(BTreeMap<&'static str, String>);

impl Troubles {
    /// Notes how a concern fares.
    pub(super) fn note<T>(&mut self, concern: &'static str, result: Result<T, impl Display>) -> Option<T> {
        match result {
            Ok(value) => {
                if let Some(was) = self.0.remove(concern) {
                    tracing::info!(concern, was, "came right");
                }
                Some(value)
            }
            Err(error) => {
                let error = error.to_string();
                if self.0.get(concern) != Some(&error) {
                    tracing::error!(concern, error, "something is wrong");
                }
                self.0.insert(concern, error);
                None
            }
        }
    }

    /// What is wrong with a concern.
    pub(super) fn of(&self, concern: &str) -> Option<&str> {
        self.0.get(concern).map(String::as_str)
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<String> {
        self.0.iter().map(|(concern, error)| format!("{concern}: {error}")).collect()
    }
}
