//! The documents of one file: splits its text, parses it, takes lists apart.
use super::error::LoadError;
use super::origin::Origin;
use super::value::Strict;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

/// One object as written.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Document {
    pub(super) origin: Origin,
    pub(super) value: Value,
}

/// Parses the text of a file. Empty documents are left out, lists replaced by their items.
///
/// # Errors
/// [`LoadError::Syntax`] with the line, for the first document that cannot be parsed.
pub(super) fn parse(file: &Arc<Path>, text: &str) -> Result<Vec<Document>, LoadError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let json = file.extension().is_some_and(|e| e == "json");
    let documents = match json_stream(file, text) {
        Ok(documents) => documents,
        Err(error) if json => return Err(error),
        // Not JSON: YAML, whose flow style can look like it.
        Err(_) => yaml_stream(file, text)?,
    };
    let mut items = Vec::with_capacity(documents.len());
    for document in documents {
        flatten(document, &mut items, 0)?;
    }
    Ok(items)
}

fn json_stream(file: &Arc<Path>, text: &str) -> Result<Vec<Document>, LoadError> {
    let mut documents = Vec::new();
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Strict>();
    let (mut counted, mut line) = (0, 1);
    loop {
        let start = stream.byte_offset();
        let begins = start + text[start..].len() - text[start..].trim_start().len();
        line += text[counted..begins].matches('\n').count();
        counted = begins;
        let Some(item) = stream.next() else { return Ok(documents) };
        let origin = Origin { file: file.clone(), document: documents.len() + 1, line };
        match item {
            Ok(Strict(value)) => documents.push(Document { origin, value }),
            Err(error) => {
                let origin = Origin { line: error.line(), ..origin };
                return Err(LoadError::Syntax { origin, message: error.to_string() });
            }
        }
    }
}

fn yaml_stream(file: &Arc<Path>, text: &str) -> Result<Vec<Document>, LoadError> {
    let mut documents = Vec::new();
    for (line, chunk) in chunks(text) {
        let origin = Origin { file: file.clone(), document: documents.len() + 1, line };
        match serde_yaml_ng::from_str::<Strict>(chunk) {
            Ok(Strict(Value::Null)) => {}
            Ok(Strict(value)) => documents.push(Document { origin, value }),
            Err(error) => {
                let line = error.location().map_or(line, |l| line + l.line().saturating_sub(1));
                return Err(LoadError::Syntax {
                    origin: Origin { line, ..origin },
                    message: error.to_string(),
                });
            }
        }
    }
    Ok(documents)
}

/// Splits at lines that begin with `---`, as kubectl does, with the line number of each part's first content.
fn chunks(text: &str) -> Vec<(usize, &str)> {
    let mut chunks = Vec::new();
    let (mut start, mut start_line, mut offset) = (0, 1, 0);
    for (i, line) in text.split_inclusive('\n').enumerate() {
        let marker = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        if marker && offset > start {
            chunks.push((start_line, &text[start..offset]));
            (start, start_line) = (offset, i + 1);
        }
        offset += line.len();
    }
    chunks.push((start_line, &text[start..]));
    chunks.retain(|(_, chunk)| {
        chunk.lines().any(|l| !matches!(l.trim(), "" | "---") && !l.trim().starts_with('#'))
    });
    chunks
}

/// Takes `kind: List` and typed lists (`PodList`) apart, nested ones too.
fn flatten(document: Document, items: &mut Vec<Document>, depth: usize) -> Result<(), LoadError> {
    let kind = document.value.get("kind").and_then(Value::as_str).unwrap_or_default();
    let is_list = kind == "List" || (kind.ends_with("List") && document.value.get("items").is_some());
    if !is_list {
        items.push(document);
        return Ok(());
    }
    let element = kind.trim_end_matches("List").to_owned();
    let Document { origin, mut value } = document;
    let syntax =
        |message: &str| Err(LoadError::Syntax { origin: origin.clone(), message: message.to_owned() });
    if depth > 8 {
        return syntax("lists within lists within lists");
    }
    let version = value.get("apiVersion").cloned();
    let list = match value.get_mut("items").map(Value::take) {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(list)) => list,
        Some(_) => return syntax("items: expected a list"),
    };
    for mut item in list {
        // Items of a typed list need not say what they are.
        if let (Value::Object(map), false) = (&mut item, element.is_empty()) {
            map.entry("kind").or_insert_with(|| element.clone().into());
            if let Some(version) = &version {
                map.entry("apiVersion").or_insert_with(|| version.clone());
            }
        }
        flatten(Document { origin: origin.clone(), value: item }, items, depth + 1)?;
    }
    Ok(())
}
