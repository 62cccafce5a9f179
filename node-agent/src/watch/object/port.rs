//! Ports, port names and protocols.
use super::findings::{Findings, quoted};
use super::path::FieldPath;
use super::syntax;
use crate::model::Protocol;
use serde::Deserialize;

/// A port by number or by name (`IntOrString`). A string of digits is a name, and never a valid one.
#[derive(Deserialize, Clone, Debug)]
#[serde(untagged, expecting = "expected a port number or the name of a port")]
pub(crate) enum NumberOrName {
    Number(i64),
    Name(String),
}

/// Checks the name of a port.
pub(crate) fn name(at: &FieldPath<'_>, name: &str, f: &mut Findings) {
    match syntax::port_name(name) {
        Err(_) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) => {
            f.add(at, format!("{} is a string: write the number without quotes", quoted(name)));
        }
        _ => f.syntax(at, name, syntax::port_name),
    }
}

/// A port number, 1 to 65535.
pub(crate) fn number(at: &FieldPath<'_>, number: i64, f: &mut Findings) -> Option<u16> {
    match u16::try_from(number) {
        Ok(port) if port != 0 => Some(port),
        _ => {
            f.add(at, format!("{number} is no port: ports are 1 to 65535"));
            None
        }
    }
}

/// A protocol; TCP if absent.
pub(crate) fn protocol(at: &FieldPath<'_>, text: Option<&str>, f: &mut Findings) -> Option<Protocol> {
    match text {
        None | Some("TCP") => Some(Protocol::Tcp),
        Some("UDP") => Some(Protocol::Udp),
        Some("SCTP") => Some(Protocol::Sctp),
        Some(other) => {
            f.add(at, format!("{} is no protocol: write TCP, UDP or SCTP", quoted(other)));
            None
        }
    }
}
