//! What is asked of a lab by packets.
use super::{Lab, Tap, said};
use anyhow::{Context, Result, bail};
use ringfence::lab::status::LabStatus;
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

impl Lab {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name with which `to` answers an HTTP request from inside, if it answers within `seconds`.
    pub fn http(&self, from: &str, to: SocketAddr, seconds: u32) -> Result<Option<String>> {
        let (url, seconds) = (format!("http://{to}/"), seconds.to_string());
        let curl = ["curl", "--silent", "--globoff", "--max-time", &seconds, &url];
        let output = self.exec(from, &curl).output()?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        // 7: no connection; 28: too late (curl(1)). Everything else says nothing about the network.
        match output.status.code() {
            Some(0) => Ok(Some(said)),
            Some(7 | 28) => Ok(None),
            code => bail!("curl on {from}: {code:?} {}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    /// How the whole lab is.
    pub fn state(&self) -> Result<LabStatus> {
        let mut status = Command::new(&self.binary);
        status.args(["lab", "status", "--name", &self.name, "-o", "json"]).stdin(Stdio::null());
        // Exit code 3 says that something is not ready; the report is there all the same.
        let output = status.output()?;
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("lab status: {}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Puts a file into the directory that all agents read, whole: they follow it, and half a file is another error.
    pub fn put(&self, name: &str, text: &str) -> Result<()> {
        let source = self.state()?.source;
        // A name that no reader of manifests takes for one.
        let next = source.join(format!(".{name}"));
        fs::write(&next, text).with_context(|| next.display().to_string())?;
        fs::rename(&next, source.join(name)).with_context(|| name.to_owned())
    }

    /// Answers of the engine `lab` in this lab, which is made to hold these manifests.
    pub fn verdicts(&self, manifests: &Path, queries: &Path) -> Result<Vec<Value>> {
        let mut command = Command::new(&self.binary);
        command.args(["policy", "verdicts", "--engine", "lab", "--lab", &self.name, "--manifests"]);
        let output = command.arg(manifests).arg("--queries").arg(queries).output()?;
        let text = said(output, &["verdicts", &manifests.to_string_lossy()])?;
        text.lines().map(|line| serde_json::from_str(line).context("an answer")).collect()
    }

    /// Begins to listen on the underlay.
    pub fn tap(&self) -> Result<Tap<'_>> {
        Tap::start(self)
    }
}
