//! The network configuration on standard input.
use super::{CniError, VERSIONS};
use crate::control::Sandbox;
use serde::Deserialize;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// Our plugin's configuration.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Config {
    /// Version of the spec.
    #[serde(default)]
    pub cni_version: String,
    /// Name of the network.
    #[serde(default)]
    pub name: String,
    /// The agent's socket.
    #[serde(default = "default_socket")]
    pub socket: PathBuf,
    /// The agent's state directory: where deletions are noted that it did not hear of.
    #[serde(default = "default_state")]
    pub state_dir: PathBuf,
    /// Seconds until the agent must have answered.
    #[serde(default = "default_deadline")]
    pub deadline_seconds: u64,
    /// What the plugin before us made.
    #[serde(default)]
    pub prev_result: Option<Value>,
    /// GC: attachments still in use.
    #[serde(default, rename = "cni.dev/valid-attachments")]
    pub valid_attachments: Option<Vec<Attachment>>,
}

/// One entry of `cni.dev/valid-attachments`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(super) struct Attachment {
    /// Container.
    #[serde(rename = "containerID")]
    pub container_id: String,
    /// Interface.
    pub ifname: String,
}

fn default_socket() -> PathBuf {
    PathBuf::from("/run/ringfence").join(crate::control::SOCKET)
}

fn default_state() -> PathBuf {
    PathBuf::from("/var/lib/ringfence")
}

const fn default_deadline() -> u64 {
    10
}

impl Config {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// [`CniError::DECODE`], [`CniError::VERSION`], [`CniError::CONFIG`].
    pub(super) fn parse(input: &[u8]) -> Result<Self, CniError> {
        let mut json = serde_json::Deserializer::from_slice(input);
        let config: Self = serde_path_to_error::deserialize(&mut json).map_err(|e| {
            let message = format!("the network configuration cannot be read at {}", e.path());
            CniError::new(CniError::DECODE, message, e.inner())
        })?;
        if !VERSIONS.contains(&config.cni_version.as_str()) {
            let message = format!("cniVersion {:?} is not spoken", config.cni_version);
            return Err(CniError::new(
                CniError::VERSION,
                message,
                format!("spoken are {}", VERSIONS.join(", ")),
            ));
        }
        if config.deadline_seconds == 0 {
            let message = "deadlineSeconds is 0".to_owned();
            return Err(CniError::new(
                CniError::CONFIG,
                message,
                "the agent needs some time; the default is 10",
            ));
        }
        Ok(config)
    }

    /// Until when the agent must have answered.
    pub(super) fn deadline(&self) -> Duration {
        Duration::from_secs(self.deadline_seconds)
    }

    /// GC: attachments still in use.
    ///
    /// # Errors
    /// [`CniError::CONFIG`] if the runtime did not say them: removing everything would be a guess.
    pub(super) fn kept(&self) -> Result<Vec<Sandbox>, CniError> {
        let Some(valid) = &self.valid_attachments else {
            let message = "GC without cni.dev/valid-attachments";
            return Err(CniError::new(CniError::CONFIG, message, "the runtime must say which are in use"));
        };
        Ok(valid
            .iter()
            .map(|a| Sandbox { container_id: a.container_id.clone(), ifname: a.ifname.clone() })
            .collect())
    }
}
