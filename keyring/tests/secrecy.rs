//! Nothing that holds a private key, or an error about one, shows any part of it.

#![expect(clippy::unwrap_used, reason = "a test tool: what cannot be unwrapped fails the test")]

use std::fmt::{Debug, Write as _};
use std::fs;
use std::path::Path;

use ringfence_keyring::{Epoch, KeyStore, PerPlane, PresharedKey, PrivateKey, Publication, StoreError};

const UID: &str = "6f0c1d8e";

/// The ways in which 32 bytes end up in text.
fn spellings(bytes: &[u8; 32], base64: &str) -> Vec<String> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let decimal: Vec<_> = bytes.iter().map(u8::to_string).collect();
    // Any part long enough not to be there by chance counts.
    let mut parts: Vec<_> = (0..=32).step_by(8).map(|at| base64[at..at + 12].to_owned()).collect();
    for at in (0..=48).step_by(16) {
        parts.push(hex[at..at + 16].to_owned());
        parts.push(hex[at..at + 16].to_uppercase());
    }
    for at in (0..=24).step_by(8) {
        parts.push(decimal[at..at + 8].join(", "));
        parts.push(decimal[at..at + 8].join(","));
    }
    parts
}

fn assert_hidden(secrets: &[String], shown: &str) {
    for secret in secrets {
        assert!(!shown.contains(secret.as_str()), "{secret} is in {shown}");
    }
}

fn debug(value: &impl Debug) -> String {
    format!("{value:?} {value:#?}")
}

#[test]
fn debug_of_secret_keys_shows_nothing_of_them() {
    let private = PrivateKey::generate().unwrap();
    let secrets = spellings(private.expose_bytes(), &private.expose_base64());
    assert_hidden(&secrets, &debug(&private));
    assert_eq!(format!("{private:?}"), "PrivateKey(..)");

    let preshared = PresharedKey::generate().unwrap();
    assert_hidden(&spellings(preshared.expose_bytes(), &preshared.expose_base64()), &debug(&preshared));
    assert_eq!(format!("{preshared:?}"), "PresharedKey(..)");
}

#[test]
fn the_search_finds_a_key_that_is_shown() {
    let private = PrivateKey::generate().unwrap();
    let secrets = spellings(private.expose_bytes(), &private.expose_base64());
    let mut hex = String::new();
    for byte in private.expose_bytes() {
        write!(hex, "{byte:02X}").unwrap();
    }
    for shown in [private.expose_base64().to_string(), hex, debug(private.expose_bytes())] {
        assert!(secrets.iter().any(|secret| shown.contains(secret.as_str())), "{shown}");
    }
}

#[test]
fn debug_and_publication_of_a_store_and_its_keys_show_nothing_of_them() {
    let parent = tempfile::tempdir().unwrap();
    let mut store = KeyStore::open(&parent.path().join("keys"), UID).unwrap();
    let keys = store.load_or_create(Epoch::ZERO).unwrap();
    let planes = keys.published(PerPlane::DEFAULT_PORTS);
    let address = ["192.0.2.1".parse().unwrap()];
    let publication = Publication::new("n1", UID, Epoch::ZERO, planes, &address).unwrap();
    for (_, key) in keys.iter() {
        let secrets = spellings(key.private().expose_bytes(), &key.private().expose_base64());
        assert_hidden(&secrets, &debug(&store));
        assert_hidden(&secrets, &debug(&store.load().unwrap()));
        assert_hidden(&secrets, &debug(&keys));
        assert_hidden(&secrets, &debug(&publication));
        assert_hidden(&secrets, &publication.to_json());
        assert_hidden(&secrets, &serde_json::to_string(&planes.zero.public_key).unwrap());
        assert!(debug(&keys).contains(&key.public().to_base64()), "the public key is shown");
    }
}

/// Every text of the error and of its sources.
fn told(error: &StoreError) -> String {
    let mut text = format!("{error} {}", debug(error));
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        write!(text, " {cause} {cause:?}").unwrap();
        source = cause.source();
    }
    text
}

fn write_and_open(dir: &Path, text: &str) -> StoreError {
    fs::write(dir.join("rf-wg0.key"), text).unwrap();
    KeyStore::open(dir, UID).unwrap_err()
}

#[test]
fn errors_about_a_damaged_store_quote_nothing_of_a_key_wherever_it_was_misplaced() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("keys");
    let keys = KeyStore::open(&dir, UID).unwrap().load_or_create(Epoch::ZERO).unwrap();
    let private = keys.get(Epoch::ZERO.plane()).private();
    let base64 = private.expose_base64();
    let secrets = spellings(private.expose_bytes(), &base64);
    let good = fs::read_to_string(dir.join("rf-wg0.key")).unwrap();

    let value: serde_json::Value = serde_json::from_str(&good).unwrap();
    for field in value.as_object().unwrap().keys().filter(|field| *field != "privateKey") {
        let mut changed = value.clone();
        changed[field] = base64.as_str().into();
        assert_hidden(&secrets, &told(&write_and_open(&dir, &changed.to_string())));
    }
    let mut as_field = value.clone();
    as_field[base64.as_str()] = 1.into();
    let cases = [
        as_field.to_string(),
        base64.to_string(),
        format!("\"{}\"", *base64),
        good[..good.len() / 2].to_owned(),
        good.replace(base64.as_str(), &base64[..43]),
        good.replace(base64.as_str(), &format!("{}!", *base64)),
        good.replace(base64.as_str(), &format!("\\u0041{}", &base64[1..])),
    ];
    for text in cases {
        assert_hidden(&secrets, &told(&write_and_open(&dir, &text)));
    }
    assert_hidden(&secrets, &debug(&PrivateKey::from_base64(&format!("{}!", *base64)).unwrap_err()));
}
