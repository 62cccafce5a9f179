//! Errors as the spec wants them: a code, a message, details; on standard output, with a non-zero exit.
use serde_json::{Value, json};

/// Why the plugin failed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}: {details}")]
pub struct CniError {
    /// CNI's code.
    pub code: u32,
    /// What failed.
    pub message: String,
    /// What to look at.
    pub details: String,
}

impl CniError {
    /// The version of the configuration is not spoken.
    pub const VERSION: u32 = 1;
    /// The container is unknown.
    pub const UNKNOWN_CONTAINER: u32 = 3;
    /// An environment variable is missing or malformed.
    pub const ENVIRONMENT: u32 = 4;
    /// Input or output failed.
    pub const IO: u32 = 5;
    /// The configuration cannot be decoded.
    pub const DECODE: u32 = 6;
    /// The configuration makes no sense.
    pub const CONFIG: u32 = 7;
    /// Not now; the runtime should try again.
    pub const TRY_LATER: u32 = 11;
    /// STATUS: ADD cannot be served.
    pub const UNAVAILABLE: u32 = 50;
    /// Ours: the agent could not do it.
    pub const AGENT: u32 = 100;

    /// From its parts.
    pub fn new(code: u32, message: impl Into<String>, details: impl ToString) -> Self {
        Self { code, message: message.into(), details: details.to_string() }
    }

    /// The error as printed.
    pub fn to_json(&self, version: &str) -> Value {
        json!({"cniVersion": version, "code": self.code, "msg": self.message, "details": self.details})
    }
}
