//! The forms that Kubernetes allows names, labels and ports to have (apimachinery `util/validation`).
//!
//! Each check gives the rule that was broken, in words.

/// A label of DNS (RFC 1123): names of namespaces, containers and the like.
pub(crate) fn dns_label(text: &str) -> Result<(), &'static str> {
    const RULE: &str =
        "it must be 1 to 63 lower-case letters, digits or '-', with a letter or digit at both ends";
    let fits = text.len() <= 63 && bracketed(text, lower, |b| lower(b) || b == b'-');
    if fits { Ok(()) } else { Err(RULE) }
}

/// A label of DNS that begins with a letter (RFC 1035): names of Services.
pub(crate) fn dns_1035_label(text: &str) -> Result<(), &'static str> {
    const RULE: &str = "it must be 1 to 63 lower-case letters, digits or '-', begin with a letter and end with a letter or digit";
    let letter = text.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
    if letter && dns_label(text).is_ok() { Ok(()) } else { Err(RULE) }
}

/// A subdomain of DNS (RFC 1123): names of most objects.
pub(crate) fn dns_subdomain(text: &str) -> Result<(), &'static str> {
    const RULE: &str = "it must be at most 253 lower-case letters, digits, '-' or '.', with a letter or digit at \
                        both ends and on both sides of each '.'";
    let part = |part: &str| bracketed(part, lower, |b| lower(b) || b == b'-');
    if text.len() <= 253 && text.split('.').all(part) { Ok(()) } else { Err(RULE) }
}

/// The key of a label: a name, perhaps after a DNS subdomain and `/`.
pub(crate) fn label_key(text: &str) -> Result<(), &'static str> {
    const RULE: &str = "a label key must be 1 to 63 letters, digits, '-', '_' or '.', with a letter or digit at \
                        both ends, perhaps after a DNS subdomain and '/'";
    let name = match text.split_once('/') {
        Some((prefix, name)) if dns_subdomain(prefix).is_ok() => name,
        Some(_) => return Err(RULE),
        None => text,
    };
    if name.len() <= 63 && qualified(name) { Ok(()) } else { Err(RULE) }
}

/// The value of a label.
pub(crate) fn label_value(text: &str) -> Result<(), &'static str> {
    const RULE: &str = "a label value must be empty or at most 63 letters, digits, '-', '_' or '.', with a letter \
                        or digit at both ends";
    if text.is_empty() || (text.len() <= 63 && qualified(text)) { Ok(()) } else { Err(RULE) }
}

/// The name of a port (IANA service name, RFC 6335).
pub(crate) fn port_name(text: &str) -> Result<(), &'static str> {
    const RULE: &str = "the name of a port must be 1 to 15 lower-case letters, digits or '-', with at least one \
                        letter, and no '-' at either end or beside another";
    let fits = text.len() <= 15
        && bracketed(text, lower, |b| lower(b) || b == b'-')
        && text.bytes().any(|b| b.is_ascii_lowercase())
        && !text.contains("--");
    if fits { Ok(()) } else { Err(RULE) }
}

fn lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn qualified(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    bracketed(text, |b| b.is_ascii_alphanumeric(), inner)
}

/// Not empty, `ends` at both ends, `inner` everywhere.
fn bracketed(text: &str, ends: impl Fn(u8) -> bool, inner: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    match (bytes.first(), bytes.last()) {
        (Some(first), Some(last)) => ends(*first) && ends(*last) && bytes.iter().all(|b| inner(*b)),
        _ => false,
    }
}
