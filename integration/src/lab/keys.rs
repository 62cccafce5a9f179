//! Keys of a lab's nodes, asked for as people do: through `ringfence keys` and `ringfence audit`.
use super::{Lab, said};
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

impl Lab {
    fn keys_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("keys").args(arguments).args(["--lab", self.name()]).stdin(Stdio::null());
        command
    }

    /// `ringfence keys ARGUMENTS --lab THIS`; what it printed, or an error if it failed.
    pub fn keys(&self, arguments: &[&str]) -> Result<String> {
        said(self.keys_command(arguments).output()?, arguments)
    }

    /// The same, however it ends.
    pub fn try_keys(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self.keys_command(arguments).output()?)
    }

    /// Rotates keys and waits for the end; `arguments` say whose.
    pub fn rotate(&self, arguments: &[&str]) -> Result<()> {
        let patience = (120 * ringfence::lab::patience_factor()).to_string();
        let all = [&["rotate", "--wait", "--timeout", &patience], arguments].concat();
        self.keys(&all).map(drop)
    }

    /// `ringfence keys status`, as data.
    pub fn keys_status(&self) -> Result<Value> {
        serde_json::from_str(&self.keys(&["status", "-o", "json"])?).context("keys status")
    }

    /// `ringfence audit verify`, as data, and its exit code.
    pub fn audit(&self) -> Result<(Value, Option<i32>)> {
        let mut command = Command::new(&self.binary);
        let output = command.args(["audit", "verify", "-o", "json", "--lab", self.name()]).output()?;
        Ok((serde_json::from_slice(&output.stdout)?, output.status.code()))
    }

    /// What belongs to a node and outlives its reboot.
    pub fn node_dir(&self, node: &str) -> Result<PathBuf> {
        let source = self.state()?.source;
        Ok(source.parent().context("the source is in the lab's directory")?.join("nodes").join(node))
    }
}
