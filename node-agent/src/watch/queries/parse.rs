//! Query files.
use super::{Family, Query};
use crate::model::Protocol;
use crate::watch::object::address;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::Path;
use std::{fmt, fs};

/// A query that cannot be asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, thiserror::Error)]
#[error("{}{field}: {message}", place(file, *line))]
pub struct QueryError {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// The field; `.` for the line (or the file) as a whole.
    pub field: String,
    /// What is wrong with it and how to mend it.
    pub message: String,
}

fn place(file: &str, line: usize) -> String {
    if line == 0 { format!("{file}: ") } else { format!("{file}:{line}: ") }
}

/// All of them, one a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueryErrors(pub Vec<QueryError>);

impl fmt::Display for QueryErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for QueryErrors {}

#[derive(Deserialize)]
struct Wire {
    from: String,
    to: String,
    port: i64,
    protocol: Option<Protocol>,
    family: Option<Family>,
}

/// Reads a file of queries.
///
/// # Errors
/// As [`parse`], and if the file cannot be read.
pub fn read(file: &Path) -> Result<Vec<Query>, QueryErrors> {
    let name = file.display().to_string();
    match fs::read_to_string(file) {
        Ok(text) => parse(&name, &text),
        Err(error) => {
            let message = format!("it cannot be read: {error}");
            Err(QueryErrors(vec![QueryError { file: name, line: 0, field: ".".to_owned(), message }]))
        }
    }
}

/// Parses queries, one a line; empty lines are skipped. `file` is for errors.
///
/// # Errors
/// Every line that is not valid, with its number and the field.
pub fn parse(file: &str, text: &str) -> Result<Vec<Query>, QueryErrors> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut queries, mut errors) = (Vec::new(), Vec::new());
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match query(file, i + 1, line) {
            Ok(query) => queries.push(query),
            Err((field, message)) => {
                errors.push(QueryError { file: file.to_owned(), line: i + 1, field, message })
            }
        }
    }
    if errors.is_empty() { Ok(queries) } else { Err(QueryErrors(errors)) }
}

fn query(file: &str, line: usize, text: &str) -> Result<Query, (String, String)> {
    let whole = |e: serde_json::Error| (".".to_owned(), format!("it is no JSON object: {e}"));
    let fields: Map<String, Value> = serde_json::from_str(text).map_err(whole)?;
    for field in ["from", "to", "port"] {
        if !fields.contains_key(field) {
            return Err((field.to_owned(), "it is missing".to_owned()));
        }
    }
    let wire: Wire = serde_path_to_error::deserialize(&Value::Object(fields.clone()))
        .map_err(|e| (e.path().to_string(), e.inner().to_string()))?;
    let port = match u16::try_from(wire.port) {
        Ok(port) if port != 0 => port,
        _ => return Err(("port".to_owned(), format!("{} is no port: ports are 1 to 65535", wire.port))),
    };
    for (field, end, forms) in
        [("from", &wire.from, "ns/pod or an address"), ("to", &wire.to, "ns/pod, an address or svc/ns/name")]
    {
        if !well_formed(end, field == "to") {
            return Err((field.to_owned(), format!("{end:?} is neither: write {forms}")));
        }
    }
    let (from, to, family) = (wire.from, wire.to, wire.family);
    let protocol = wire.protocol.unwrap_or(Protocol::Tcp);
    Ok(Query { file: file.to_owned(), line, from, to, port, protocol, family, fields })
}

fn well_formed(end: &str, service: bool) -> bool {
    let parts: Vec<&str> = end.split('/').collect();
    match parts[..] {
        [text] => address(text).is_ok(),
        [namespace, pod] => !namespace.is_empty() && !pod.is_empty(),
        ["svc", namespace, name] => service && !namespace.is_empty() && !name.is_empty(),
        _ => false,
    }
}
