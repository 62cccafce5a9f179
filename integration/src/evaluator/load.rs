//! Manifests of a directory as JSON values.
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

/// Every object in the directory's `.yaml`, `.yml` and `.json` files, by file name; several documents a file and
/// `kind: List` are taken apart. Directories inside are not entered.
pub fn load_directory(directory: &Path) -> Result<Vec<Value>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))? {
        let path = entry?.path();
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if path.is_file() && ["yaml", "yml", "json"].contains(&extension) {
            paths.push(path);
        }
    }
    paths.sort();
    let mut objects = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        objects.extend(parse_documents(&text).with_context(|| format!("in {}", path.display()))?);
    }
    Ok(objects)
}

/// The objects of a YAML stream (JSON is YAML). Empty documents are passed over.
pub fn parse_documents(text: &str) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for document in serde_yaml_ng::Deserializer::from_str(text) {
        let value = Value::deserialize(document)?;
        flatten(value, &mut objects);
    }
    Ok(objects)
}

fn flatten(value: Value, objects: &mut Vec<Value>) {
    let is_list = value.get("kind").and_then(Value::as_str).is_some_and(|k| k.ends_with("List"));
    match value.get("items").and_then(Value::as_array) {
        Some(items) if is_list => items.iter().for_each(|item| flatten(item.clone(), objects)),
        _ if value.is_null() => {}
        _ => objects.push(value),
    }
}
