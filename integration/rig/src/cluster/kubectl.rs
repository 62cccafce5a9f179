//! Asking the API server.
use super::{CONTROL_PLANE, Cluster};
use crate::run;
use anyhow::{Context, Result};
use serde_json::Value;
use std::process::Command;

impl Cluster {
    /// `kubectl` as administrator; the API server is reached in the cluster's own network.
    ///
    /// # Errors
    /// If the control plane's machine was never started.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = self.machine(CONTROL_PLANE)?.in_network(self.programs.path("kubectl"));
        command.arg("--kubeconfig").arg(self.kubeconfig()).args(arguments);
        // kubectl keeps what it discovered of a server below this.
        command.env("KUBECACHEDIR", self.root.join("kubectl-cache"));
        Ok(command)
    }

    /// What `kubectl` says.
    ///
    /// # Errors
    /// If it fails; with what it says then.
    pub fn ask(&self, arguments: &[&str]) -> Result<String> {
        run::output(&mut self.kubectl(arguments)?)
    }

    /// `kubectl get ... -o json`.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn get(&self, what: &[&str]) -> Result<Value> {
        let said = self.ask(&[&["get", "-o", "json"], what].concat())?;
        serde_json::from_str(&said).context("reading what kubectl printed")
    }

    /// Makes or changes objects: one, or a List.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn apply(&self, objects: &Value) -> Result<()> {
        run::input(&mut self.kubectl(&["apply", "-f", "-"])?, &objects.to_string()).map(drop)
    }

    /// The same from YAML.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub fn apply_yaml(&self, objects: &str) -> Result<()> {
        run::input(&mut self.kubectl(&["apply", "-f", "-"])?, objects).map(drop)
    }

    pub(super) fn wait_for_api(&self) -> Result<()> {
        run::until("the API server", 120, || {
            self.ask(&["get", "--raw", "/readyz"])?;
            Ok(None)
        })
    }

    /// Pods cannot be made before the controller manager has made their namespace's account.
    pub(super) fn wait_for_service_account(&self) -> Result<()> {
        run::until("the service account `default`", 60, || {
            self.ask(&["get", "serviceaccount", "default", "-o", "name"])?;
            Ok(None)
        })
    }

    /// Every kubelet has said of its node what it is.
    pub(super) fn wait_for_nodes(&self) -> Result<()> {
        run::until("the nodes' kubelets", 60, || {
            let nodes = self.status()?.nodes;
            Ok(nodes.into_iter().find(|node| node.addresses.is_empty()).map(|node| {
                let log = super::machine::home(&self.root, &node.name).join("log/kubelet.log");
                format!("{} has not announced itself; see {}", node.name, log.display())
            }))
        })
    }

    /// Every node is ready: it has a pod network.
    ///
    /// # Errors
    /// If one is not ready after `seconds`, with what it says of it.
    pub fn wait_until_ready(&self, seconds: u64) -> Result<()> {
        run::until("the nodes to be ready", seconds, || {
            let late = self.status()?.nodes.into_iter().find(|node| !node.ready);
            Ok(late.map(|node| format!("{} is not: {}", node.name, node.why)))
        })
    }
}
