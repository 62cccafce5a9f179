//! Formats.
use super::arguments::{Format, OutputArguments};
use anyhow::Context;
use serde::Serialize;
use std::io::Write;

impl OutputArguments {
    /// Prints `value` in the format asked for, by default as a table.
    pub(super) fn print<T: Serialize>(
        self,
        value: &T,
        table: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        let text = match self.output.unwrap_or(Format::Table) {
            Format::Table => table(value),
            Format::Json => serde_json::to_string_pretty(value)? + "\n",
            Format::Yaml => serde_yaml_ng::to_string(value)?,
        };
        write_all(&text)
    }
}

/// Writes to standard output. A reader that has seen enough (`head`) is no error.
pub(super) fn write_all(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(e).context("cannot write to standard output")
        }
        _ => Ok(()),
    }
}
