//! Pods of upstream's test image, and what they say to each other.
use super::Running;
use anyhow::{Context, Result, bail};
use ringfence_rig::build::AGNHOST;
use ringfence_rig::run;
use serde_json::{Value, json};

impl Running {
    /// A pod in namespace `default` that serves its name by HTTP on port 8080, on this node, with the label `app` of this value.
    pub fn server(&self, name: &str, node: &str, app: &str) -> Result<()> {
        self.apply(&pod(name, node, app))
    }

    /// Waits until these pods of namespace `default` are ready.
    pub fn wait_for_pods(&self, names: &[&str]) -> Result<()> {
        run::until("pods to be ready", 120, || {
            let found = self.get(&["pods"])?;
            let pods = found["items"].as_array().cloned().unwrap_or_default();
            let named = |name: &&str| pods.iter().find(|pod| pod["metadata"]["name"] == **name);
            let late = names.iter().find(|name| !named(name).is_some_and(ready));
            Ok(late.map(|name| {
                format!("{name} is not: {}", named(name).map_or(Value::Null, |pod| pod["status"].clone()))
            }))
        })
    }

    /// The first address of a pod of namespace `default`.
    pub fn address(&self, name: &str) -> Result<String> {
        let pod = self.get(&["pod", name])?;
        let address = pod["status"]["podIP"].as_str();
        address.map(str::to_owned).with_context(|| format!("{name} has no address"))
    }

    /// Whether a pod of namespace `default` can open a TCP connection to `to` (`ADDRESS:PORT`) within this time.
    pub fn connects(&self, from: &str, to: &str, seconds: u32) -> Result<bool> {
        let timeout = format!("--timeout={}s", seconds * run::patience());
        let asked = ["exec", from, "--", "/agnhost", "connect", to, "--protocol=tcp", &timeout];
        let output = run::whole(&mut self.kubectl(&asked)?, "")?;
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        match output.status.code() {
            Some(0) => Ok(true),
            // What `agnhost connect` prints when nothing came back; a refusal or an unknown host is another matter.
            Some(_) if said.contains("TIMEOUT") => Ok(false),
            _ => bail!("{from} could not try to reach {to} ({}): {}", output.status, said.trim()),
        }
    }

    /// What a server says its name is.
    pub fn name_at(&self, from: &str, to: &str) -> Result<String> {
        let url = format!("http://{to}/hostname");
        let said = self.ask(&["exec", from, "--", "/bin/wget", "-q", "-O", "-", &url]);
        Ok(said?.trim().to_owned())
    }
}

fn ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

fn pod(name: &str, node: &str, app: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": app}},
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "server",
                "image": AGNHOST,
                "imagePullPolicy": "Never",
                "args": ["netexec", "--http-port=8080", "--udp-port=8081"],
                "ports": [{"containerPort": 8080}],
                "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 1},
            }],
        },
    })
}
