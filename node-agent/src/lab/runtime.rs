//! The part of a container runtime that a lab needs: runs a chain of CNI plugins for a pod's sandbox as libcni does
//! (CNI spec 1.0.0, sections 2 to 4), on the pod's node.
use super::LabError;
use super::machine::{Machine, command_error};
use super::namespaces::Depth;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where distributions and Kubernetes put plugins; the first that has one wins.
pub(super) const PLUGIN_DIRS: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];
/// The pod's own device.
const IFNAME: &str = "eth0";

/// One pod's sandbox.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sandbox<'a> {
    /// Container id, and name of the network namespace.
    pub(super) id: &'a str,
    /// `namespace/name`.
    pub(super) pod: &'a str,
    /// `metadata.uid`.
    pub(super) uid: &'a str,
    /// Addresses that the pod must get.
    pub(super) addresses: &'a [IpAddr],
    /// `(protocol in lower case, container port, host port)`.
    pub(super) host_ports: &'a [(String, u16, u16)],
    /// Whether its network namespace is there; after a reboot it is not.
    pub(super) there: bool,
}

/// What ADD used and made, for DEL: portmap removes nothing that it is not told of again.
#[derive(Serialize, Deserialize)]
struct Kept {
    network: Value,
    result: Value,
    host_ports: Vec<(String, u16, u16)>,
}

/// A node's runtime.
#[derive(Clone, Debug)]
pub(super) struct Runtime<'a> {
    /// The node.
    pub(super) machine: &'a Machine,
    /// Its CNI files: `net.d`, `bin`, `results`.
    pub(super) dir: PathBuf,
}

impl Runtime<'_> {
    /// The network configuration that a runtime would take: the first by name. `None` as long as nobody installed one.
    pub(super) fn network(&self) -> Result<Option<Value>, LabError> {
        let dir = self.dir.join("net.d");
        let entries = match std::fs::read_dir(&dir) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(LabError::file("list", &dir))?,
        };
        let mut files: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
        files.retain(|p| p.extension().is_some_and(|e| e == "conflist"));
        files.sort();
        let Some(path) = files.into_iter().next() else { return Ok(None) };
        let text = std::fs::read(&path).map_err(LabError::file("read", &path))?;
        serde_json::from_slice(&text).map(Some).map_err(|source| LabError::State { path, source })
    }

    /// ADD: every plugin in turn, each with the result before it. What was begun is taken back if one refuses.
    pub(super) fn add(&self, network: &Value, sandbox: Sandbox<'_>) -> Result<(), LabError> {
        let mut result = Value::Null;
        for plugin in plugins(network) {
            let config = self.configure(network, plugin, &result, sandbox);
            match self.call("ADD", plugin, &config, sandbox) {
                Ok(text) => result = serde_json::from_str(&text).unwrap_or_default(),
                Err(error) => {
                    // The refusal is what matters; what cannot be taken back goes with the sandbox.
                    let _ = self.delete(network, &result, sandbox);
                    return Err(error);
                }
            }
        }
        let path = self.cached(sandbox.id);
        let kept = Kept { network: network.clone(), result, host_ports: sandbox.host_ports.to_vec() };
        let text =
            serde_json::to_vec(&kept).map_err(|source| LabError::State { path: path.clone(), source })?;
        std::fs::write(&path, text).map_err(LabError::file("write", &path))
    }

    /// DEL: every plugin, last first, with the result of ADD, whether or not another refuses.
    pub(super) fn del(&self, sandbox: Sandbox<'_>) -> Result<(), LabError> {
        let path = self.cached(sandbox.id);
        let Ok(text) = std::fs::read(&path) else { return Ok(()) };
        let kept: Kept =
            serde_json::from_slice(&text).map_err(|source| LabError::State { path: path.clone(), source })?;
        let done =
            self.delete(&kept.network, &kept.result, Sandbox { host_ports: &kept.host_ports, ..sandbox });
        std::fs::remove_file(&path).map_err(LabError::file("remove", &path))?;
        done
    }

    fn delete(&self, network: &Value, result: &Value, sandbox: Sandbox<'_>) -> Result<(), LabError> {
        let results = plugins(network).iter().rev().map(|plugin| {
            self.call("DEL", plugin, &self.configure(network, plugin, result, sandbox), sandbox).map(drop)
        });
        LabError::all(results.collect()).map(drop)
    }

    fn cached(&self, id: &str) -> PathBuf {
        self.dir.join("results").join(id)
    }

    fn call(
        &self,
        command: &'static str,
        plugin: &Value,
        config: &Value,
        sandbox: Sandbox<'_>,
    ) -> Result<String, LabError> {
        let kind = plugin["type"].as_str().unwrap_or_default();
        let path = self.search_path();
        let program = find(&path, kind)?;
        let (namespace, name) = sandbox.pod.split_once('/').unwrap_or(("", sandbox.pod));
        let args = format!(
            "IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={name};K8S_POD_UID={};\
             K8S_POD_INFRA_CONTAINER_ID={}",
            sandbox.uid, sandbox.id
        );
        let mut process = Command::new(&program);
        process
            .env("CNI_COMMAND", command)
            .env("CNI_CONTAINERID", sandbox.id)
            .env(
                "CNI_NETNS",
                if sandbox.there { format!("/run/netns/{}", sandbox.id) } else { String::new() },
            )
            .env("CNI_IFNAME", IFNAME)
            .env("CNI_ARGS", args)
            .env("CNI_PATH", std::env::join_paths(&path).unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self.machine.spawn(Depth::Machine, &mut process)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A plugin that does not read its configuration says so by its answer.
            let _ = stdin.write_all(config.to_string().as_bytes());
        }
        let failed = |e: std::io::Error| command_error(&self.machine.name, kind, e.to_string(), "");
        let output = child.wait_with_output().map_err(failed)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(text);
        }
        Err(refusal(command, kind, sandbox.pod, &text, &String::from_utf8_lossy(&output.stderr)))
    }

    fn configure(&self, network: &Value, plugin: &Value, result: &Value, sandbox: Sandbox<'_>) -> Value {
        let mut config = configure(network, plugin, result, sandbox);
        if config["ipam"]["type"] == json!("host-local") {
            // Its default is on the disk that all labs and the host share.
            config["ipam"]["dataDir"] = json!(self.dir.join("leases"));
        }
        config
    }

    fn search_path(&self) -> Vec<PathBuf> {
        let own = [self.dir.join("bin")];
        own.into_iter().chain(PLUGIN_DIRS.map(PathBuf::from)).collect()
    }
}

fn refusal(command: &'static str, plugin: &str, pod: &str, output: &str, errors: &str) -> LabError {
    let error: Value = serde_json::from_str(output).unwrap_or_default();
    let part = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    let said = [part("msg"), part("details"), errors.trim().to_owned()];
    let message = said.into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>().join(": ");
    LabError::Cni {
        command,
        pod: pod.to_owned(),
        plugin: plugin.to_owned(),
        code: error["code"].as_u64().unwrap_or(0),
        message,
    }
}

fn plugins(network: &Value) -> &[Value] {
    network["plugins"].as_array().map_or(&[], Vec::as_slice)
}

/// What one plugin gets on its standard input (section 3): its own part, the network's name and version, the result
/// before, and what of the runtime's knowledge it declared a capability for. Addresses are asked for from every plugin
/// with an `ipam` of its own, declared or not: a lab's pods have the addresses that their manifests say.
fn configure(network: &Value, plugin: &Value, result: &Value, sandbox: Sandbox<'_>) -> Value {
    let mut config = plugin.clone();
    config["name"] = network["name"].clone();
    config["cniVersion"] = network["cniVersion"].clone();
    if !result.is_null() {
        config["prevResult"] = result.clone();
    }
    let mut runtime = Map::new();
    if !plugin["ipam"].is_null() {
        runtime.insert("ips".to_owned(), json!(sandbox.addresses));
    }
    if plugin["capabilities"]["portMappings"] == json!(true) && !sandbox.host_ports.is_empty() {
        let mappings = sandbox.host_ports.iter().map(|(protocol, container, host)| {
            json!({"protocol": protocol, "containerPort": container, "hostPort": host})
        });
        runtime.insert("portMappings".to_owned(), mappings.collect());
    }
    if let (Some(map), false) = (config.as_object_mut(), runtime.is_empty()) {
        map.remove("capabilities");
        map.insert("runtimeConfig".to_owned(), Value::Object(runtime));
    }
    config
}

/// A plugin's program.
pub(super) fn find(path: &[PathBuf], plugin: &str) -> Result<PathBuf, LabError> {
    let there = |dir: &PathBuf| Some(dir.join(plugin)).filter(|p: &PathBuf| Path::new(p).is_file());
    path.iter().find_map(there).ok_or_else(|| LabError::Missing {
        what: format!("the CNI plugin {plugin}"),
        remedy: "install what Debian calls containernetworking-plugins",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sandbox<'a>(addresses: &'a [IpAddr], host_ports: &'a [(String, u16, u16)]) -> Sandbox<'a> {
        Sandbox { id: "x", pod: "shop/web", uid: "u", addresses, host_ports, there: true }
    }

    #[test]
    fn a_plugin_learns_the_result_before_it_and_what_it_declared_and_no_more() {
        let network = json!({"name": "n", "cniVersion": "1.0.0", "plugins": [
            {"type": "ptp", "ipam": {"type": "host-local"}},
            {"type": "ringfence"},
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ]});
        let addresses = ["10.244.1.5".parse().unwrap()];
        let host_ports = [("tcp".to_owned(), 80, 8080)];
        let sandbox = sandbox(&addresses, &host_ports);
        let [first, second, third] = plugins(&network) else { panic!() };
        let first = configure(&network, first, &Value::Null, sandbox);
        assert_eq!(first["runtimeConfig"], json!({"ips": ["10.244.1.5"]}));
        assert_eq!((&first["name"], first.get("prevResult")), (&json!("n"), None));
        let second = configure(&network, second, &json!({"ips": []}), sandbox);
        assert_eq!((second.get("runtimeConfig"), &second["prevResult"]), (None, &json!({"ips": []})));
        let third = configure(&network, third, &json!({}), sandbox);
        let mapping = json!([{"protocol": "tcp", "containerPort": 80, "hostPort": 8080}]);
        assert_eq!(third["runtimeConfig"]["portMappings"], mapping);
    }

    #[test]
    fn a_refusal_says_what_the_plugin_said() {
        let said = r#"{"code": 11, "msg": "pod was not attached", "details": "the agent does not answer"}"#;
        let error = refusal("ADD", "ringfence", "shop/web", said, "");
        let text = error.to_string();
        assert!(text.contains("shop/web") && text.contains("code 11"), "{text}");
        assert!(text.ends_with("pod was not attached: the agent does not answer"), "{text}");
    }
}
