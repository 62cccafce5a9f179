//! Questions to any engine: a JSON line each, answered by the same line with the verdict.
//!
//! ```json
//! {"from": "ns/pod" | "ADDR", "to": "ns/pod" | "ADDR" | "svc/ns/name", "port": 80, "protocol": "TCP", "family": "IPv6"}
//! ```
//!
//! `protocol` is TCP, UDP or SCTP, and TCP if absent; `family` is optional. Other fields are carried along.

mod answer;
mod parse;
mod resolve;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Decider, Direction, Verdict};
pub use parse::{QueryError, QueryErrors, parse, read};
pub use resolve::{Party, Resolved, Resolver};

use crate::model::Protocol;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::net::IpAddr;

/// May `from` open a connection to `to`?
#[derive(Clone, PartialEq, Debug)]
pub struct Query {
    /// The file it is from, for errors.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// `ns/pod` or an address.
    pub from: String,
    /// `ns/pod`, an address, or `svc/ns/name`.
    pub to: String,
    /// The destination's own, 1 to 65535.
    pub port: u16,
    /// The transport protocol.
    pub protocol: Protocol,
    /// The family asked for, if any.
    pub family: Option<Family>,
    /// The line as written, fields we do not know included.
    pub fields: Map<String, Value>,
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Family {
    /// 32 bits.
    IPv4,
    /// 128 bits.
    IPv6,
}

impl Family {
    /// An address's.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::IPv4 } else { Self::IPv6 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
