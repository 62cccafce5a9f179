//! Who one can be to the API server.
use super::{ADDRESS, ApiServer};
use anyhow::{Context, Result};
use serde_json::json;

/// Tokens that are always good: the administrator's.
pub(super) const STATIC: &str = "admintoken,admin,admin,\"system:masters\"\n";

impl ApiServer {
    /// Makes a Node, a pod of the agent on it, and the token that a kubelet would give that pod. The name of its context is
    /// `agent-NODE`. Gives the Node's UID.
    ///
    /// # Errors
    /// If the API server refuses something.
    pub fn agent(&self, node: &str, address: &str, pod_cidr: &str) -> Result<String> {
        let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node},
             "spec": {"podCIDR": pod_cidr, "podCIDRs": [pod_cidr]}},
            {"apiVersion": "v1", "kind": "Pod",
             "metadata": {"name": format!("agent-{node}"), "namespace": "ringfence-system"},
             "spec": {"nodeName": node, "hostNetwork": true, "serviceAccountName": "ringfence",
                      "containers": [{"name": "agent", "image": "ringfence"}]}},
        ]});
        self.kubectl("admin", &["apply", "-f", "-"], &objects.to_string())?;
        let status =
            json!({"status": {"addresses": [{"type": "InternalIP", "address": address}]}}).to_string();
        self.kubectl(
            "admin",
            &["patch", "node", node, "--subresource=status", "--type=merge", "-p", &status],
            "",
        )?;
        let pod = format!("agent-{node}");
        let uid = self.uid(&["-n", "ringfence-system", "get", "pod", &pod])?;
        let bound = ["--bound-object-kind=Pod", "--bound-object-name", &pod, "--bound-object-uid", &uid];
        self.user(&pod, "ringfence", &bound)?;
        self.uid(&["get", "node", node])
    }

    /// Makes a context with a token of a service account of `ringfence-system`, bound as `kubectl create token` is told.
    ///
    /// # Errors
    /// If the API server refuses it.
    pub fn user(&self, context: &str, account: &str, bound: &[&str]) -> Result<()> {
        let arguments = [&["-n", "ringfence-system", "create", "token", account], bound].concat();
        let token = self.kubectl("admin", &arguments, "")?;
        self.write_kubeconfig(&[(context, token.trim())])
    }

    fn uid(&self, get: &[&str]) -> Result<String> {
        self.kubectl("admin", &[get, &["-o", "jsonpath={.metadata.uid}"]].concat(), "")
    }

    /// Writes the kubeconfig, with `more` users beside those that it has.
    pub(super) fn write_kubeconfig(&self, more: &[(&str, &str)]) -> Result<()> {
        let path = self.kubeconfig();
        let ca = self.directory.path().join("certificates/apiserver.crt");
        let mut config = match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).context("the kubeconfig")?,
            Err(_) => json!({
                "apiVersion": "v1", "kind": "Config", "current-context": "admin", "users": [], "contexts": [],
                "clusters": [{"name": "api", "cluster": {
                    "server": format!("https://{ADDRESS}:6443"), "certificate-authority": ca}}],
            }),
        };
        let first = [("admin", "admintoken")];
        let is_new = config["users"].as_array().is_none_or(Vec::is_empty);
        for (name, token) in first.iter().filter(|_| is_new).chain(more) {
            let user = json!({"name": name, "user": {"token": token}});
            let context = json!({"name": name, "context": {"cluster": "api", "user": name}});
            for (list, entry) in [("users", user), ("contexts", context)] {
                let list = config[list].as_array_mut().context("a list")?;
                list.retain(|known| known["name"] != **name);
                list.push(entry);
            }
        }
        // JSON is YAML.
        Ok(std::fs::write(path, config.to_string())?)
    }
}
