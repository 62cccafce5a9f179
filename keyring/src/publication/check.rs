//! The rules a publication keeps, beyond each field being of its type.

use std::net::IpAddr;

use super::{KIND, MAX_ENDPOINTS, Progress, Publication, PublicationError};
use crate::epoch::Epoch;
use crate::plane::Plane;
use crate::store;

/// Checks everything that [`Publication`] promises.
pub(super) fn all(publication: &Publication) -> Result<(), PublicationError> {
    let refuse = |field: &str, reason: String| Err(error(Some(&publication.node), field, reason));
    if !is_object_name(&publication.node) {
        return refuse("metadata.name", format!("{:?} is no name of a node", short(&publication.node)));
    }
    if !store::is_uid(&publication.uid) {
        let reason = format!(
            "{:?} is no Node UID (1 to 128 letters, digits, '-', '.' and '_')",
            short(&publication.uid)
        );
        return refuse("spec.nodeUID", reason);
    }
    if let Some((field, reason)) = planes(publication) {
        return refuse(field, reason);
    }
    if let Some((field, reason)) = endpoints(&publication.endpoints) {
        return refuse(&field, reason);
    }
    if let Some((field, reason)) = progress(&publication.progress) {
        return refuse(field, reason);
    }
    Ok(())
}

/// An error about a field of the object called `name`.
pub(super) fn error(name: Option<&str>, field: &str, reason: String) -> PublicationError {
    let object = match name {
        Some(name) if !name.is_empty() => format!("{KIND} {}", short(name)),
        _ => format!("{KIND} (unnamed)"),
    };
    PublicationError { object, field: field.to_owned(), reason }
}

/// As much of a text from outside as an error message quotes.
pub(super) fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

fn planes(publication: &Publication) -> Option<(&'static str, String)> {
    let planes = &publication.planes;
    for (plane, published) in planes.iter() {
        if published.port == 0 {
            return Some(("spec.planes", format!("the port of {plane} is 0")));
        }
        if published.epoch.plane() != plane {
            let reason = format!("epoch {} cannot be one of {plane}", published.epoch);
            return Some(("spec.planes", reason));
        }
    }
    if planes.zero.public_key == planes.one.public_key {
        let reason = format!("duplicate public key {} on both planes", planes.zero.public_key);
        return Some(("spec.planes", reason));
    }
    if planes.zero.port == planes.one.port {
        return Some(("spec.planes", format!("both planes have port {}", planes.zero.port)));
    }
    let epochs = crate::PerPlane::from_fn(|plane: Plane| planes.get(plane).epoch);
    if !publication.epoch.admits(epochs) {
        let reason = format!(
            "epochs {} and {} of the planes do not fit epoch {}: the active plane must have that one, the idle \
             plane the next or the last",
            epochs.zero, epochs.one, publication.epoch
        );
        return Some(("spec.epoch", reason));
    }
    None
}

/// Whoever reads JSON into doubles would round greater numbers.
fn progress(progress: &Progress) -> Option<(&'static str, String)> {
    let too_great = |number: u64| Epoch::new(number).is_err();
    for (field, number) in [("spec.serial", progress.serial), ("spec.turns", progress.turns)] {
        if too_great(number) {
            return Some((field, format!("{number} is beyond {}", Epoch::MAX)));
        }
    }
    for (node, serial) in &progress.outdated {
        if !is_object_name(node) {
            return Some(("spec.outdated", format!("{:?} is no name of a node", short(node))));
        }
        if too_great(*serial) {
            return Some(("spec.outdated", format!("serial {serial} is beyond {}", Epoch::MAX)));
        }
    }
    let head = progress.head.as_ref()?;
    let digits = head.hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if too_great(head.number) {
        return Some(("spec.audit.number", format!("{} is beyond {}", head.number, Epoch::MAX)));
    }
    (head.hash.len() != 64 || !digits)
        .then(|| ("spec.audit.hash", format!("{:?} is no hash of 64 hexadecimal digits", short(&head.hash))))
}

fn endpoints(endpoints: &[IpAddr]) -> Option<(String, String)> {
    if endpoints.is_empty() {
        return Some(("spec.endpoints".to_owned(), "there is none".to_owned()));
    }
    if endpoints.len() > MAX_ENDPOINTS {
        let reason = format!("{} addresses, and at most {MAX_ENDPOINTS} are allowed", endpoints.len());
        return Some(("spec.endpoints".to_owned(), reason));
    }
    for (index, address) in endpoints.iter().enumerate() {
        let fault =
            if endpoints[..index].contains(address) { Some("is there twice") } else { unusable(*address) };
        if let Some(fault) = fault {
            return Some((format!("spec.endpoints[{index}]"), format!("{address} {fault}")));
        }
    }
    None
}

/// Why packets of another node cannot reach this one at an address.
fn unusable(address: IpAddr) -> Option<&'static str> {
    let (link_local, disguised) = match address {
        IpAddr::V4(v4) => (v4.is_link_local(), false),
        IpAddr::V6(v6) => (v6.is_unicast_link_local(), v6.to_ipv4_mapped().is_some()),
    };
    let broadcast = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    match address {
        _ if address.is_unspecified() => Some("is the unspecified address"),
        _ if address.is_loopback() => Some("is a loopback address"),
        _ if address.is_multicast() || broadcast => Some("is no unicast address"),
        _ if link_local => Some("is a link-local address, which means nothing without a device"),
        _ if disguised => Some("is an IPv4-mapped IPv6 address; write it as IPv4"),
        _ => None,
    }
}

/// RFC 1123 subdomain, as Kubernetes defines the names of Nodes.
fn is_object_name(name: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        match (bytes.first(), bytes.last()) {
            (Some(first), Some(last)) => {
                alphanumeric(*first)
                    && alphanumeric(*last)
                    && bytes.iter().all(|byte| alphanumeric(*byte) || *byte == b'-')
            }
            _ => false,
        }
    };
    name.len() <= 253 && name.split('.').all(is_label)
}
