//! One question, as a JSON line.
use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cluster::Family;

/// May `from` open a connection to `to`?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// `ns/pod` or an address.
    pub from: String,
    /// `ns/pod`, an address or `svc/ns/name`.
    pub to: String,
    /// The destination's own port, a Service's where `to` is one; host order.
    pub port: u16,
    /// `TCP`, `UDP` or `SCTP`. Tests may ask about any other name (`ICMP`): only rules without ports cover it.
    pub protocol: String,
    /// Fixed by an address literal; else the pods' first address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// Whatever else the line holds (`expect`, `why`, ...): carried along, not looked at.
    #[serde(flatten)]
    pub extra: BTreeMap<String, Value>,
}

impl Query {
    /// Reads one JSON line.
    pub fn parse(line: &str) -> Result<Self> {
        serde_json::from_str(line).with_context(|| format!("no query: {line}"))
    }

    /// What the line says the verdict should be: `Some(true)` for allow. `None` if it says nothing.
    pub fn expected(&self) -> Option<bool> {
        match self.extra.get("expect")?.as_str()? {
            "allow" => Some(true),
            "deny" => Some(false),
            _ => None,
        }
    }
}
