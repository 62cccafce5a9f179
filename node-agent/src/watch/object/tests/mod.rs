//! Objects as the API server would take or refuse them.
mod cluster;
mod network_policy;
mod network_policy_values;
mod service;
mod syntax;
mod workload;

use super::{Concern, Reading, concern, read};
use serde_json::Value;

/// Reads an object written as YAML.
fn reading(yaml: &str) -> Reading {
    let value: Value = serde_yaml_ng::from_str(yaml).unwrap();
    let kind = value["kind"].as_str().unwrap();
    let concern = concern(value["apiVersion"].as_str().unwrap(), kind);
    assert_ne!(concern, Concern::Other, "{yaml}");
    read(concern, kind, &value)
}

/// Each finding as `field: message`.
fn findings(yaml: &str) -> Vec<String> {
    reading(yaml).findings.iter().map(|f| format!("{}: {}", f.field, f.message)).collect()
}

/// Asserts that an object has exactly one finding, which begins so.
fn assert_finding(yaml: &str, expected: &str) {
    let found = findings(yaml);
    assert!(
        found.len() == 1 && found[0].starts_with(expected),
        "{yaml}\n  gave     {found:#?}\n  expected {expected}"
    );
}
