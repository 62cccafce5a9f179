//! Bringing pods up as a container runtime does: a chain of plugins, each given the result of the one before.
use super::{Node, Pod};
use crate::lab::binary;
use anyhow::{Context, Result};
use ringfence::cni::conflist::Conflist;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where distributions put the plugins.
const PLUGINS: &str = "/usr/lib/cni";

/// The chain of a node, without portmap: these pods have no hostPorts.
fn chain(node: &Node) -> Result<Vec<Value>> {
    let cidrs =
        [format!("10.64.{}.0/24", node.number).parse()?, format!("fd00:64:{}::/64", node.number).parse()?];
    let (state, ipam) = (node.state_dir(), node.ipam_dir());
    let socket = Path::new("/run/ringfence/agent.sock");
    let list =
        Conflist { pod_cidrs: &cidrs, mtu: 1400, socket, state_dir: &state, ipam_dir: Some(&ipam) }.to_json();
    let plugins = list["plugins"].as_array().context("no plugins")?;
    let here = plugins.iter().filter(|p| p["type"] != "portmap");
    Ok(here
        .map(|plugin| {
            let mut config = plugin.clone();
            config["cniVersion"] = list["cniVersion"].clone();
            config["name"] = list["name"].clone();
            config
        })
        .collect())
}

fn call(node: &Node, command: &str, config: &Value, container: &str, args: &str) -> Result<Value> {
    let kind = config["type"].as_str().unwrap_or_default();
    let program = if kind == "ringfence" { binary()? } else { Path::new(PLUGINS).join(kind) };
    let netns = format!("/run/netns/{container}");
    let variables = [
        ("CNI_COMMAND", command),
        ("CNI_CONTAINERID", container),
        ("CNI_NETNS", &netns),
        ("CNI_IFNAME", "eth0"),
        ("CNI_ARGS", args),
        ("CNI_PATH", PLUGINS),
    ];
    let out =
        node.machine.run_with(None, &program.to_string_lossy(), &[], &variables, &config.to_string())?;
    if out.trim().is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&out)?) }
}

fn args(namespace: &str, name: &str) -> String {
    format!("IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={name}")
}

/// Makes a pod's network namespace; its path as seen from outside the node.
pub(super) fn sandbox(node: &Node, namespace: &str, name: &str) -> Result<PathBuf> {
    let container = format!("{namespace}-{name}");
    node.machine.run(None, "ip", &["netns", "add", &container])?;
    node.machine.run(Some(&container), "ip", &["link", "set", "lo", "up"])?;
    // ptp waits until addresses are usable, which duplicate address detection delays by seconds.
    let no_dad = "for i in all default; do echo 0 > /proc/sys/net/ipv6/conf/$i/accept_dad; done";
    for netns in [None, Some(&*container)] {
        node.machine.run(netns, "sh", &["-c", no_dad])?;
    }
    // The machine's own /run, seen from outside.
    Ok(format!("/proc/{}/root/run/netns/{container}", node.machine.pid).into())
}

pub(super) fn add(node: &Node, namespace: &str, name: &str, netns: PathBuf) -> Result<Pod> {
    let container = format!("{namespace}-{name}");
    let mut result = Value::Null;
    let mut attached_in = Duration::ZERO;
    for mut config in chain(node)? {
        let started = Instant::now();
        if !result.is_null() {
            config["prevResult"] = result;
        }
        result = call(node, "ADD", &config, &container, &args(namespace, name))
            .with_context(|| format!("ADD of {namespace}/{name} on {}", node.name))?;
        attached_in = started.elapsed();
    }
    let ips = result["ips"].as_array().context("no ips")?;
    let address = |ip: &Value| ip["address"].as_str().and_then(|a| a.split('/').next()?.parse().ok());
    Ok(Pod {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        addresses: ips.iter().filter_map(address).collect(),
        netns,
        container,
        result,
        attached_in,
    })
}

pub(super) fn delete(node: &Node, pod: &Pod) -> Result<()> {
    for mut config in chain(node)?.into_iter().rev() {
        config["prevResult"] = pod.result.clone();
        call(node, "DEL", &config, &pod.container, &args(&pod.namespace, &pod.name))?;
    }
    node.machine.run(None, "ip", &["netns", "del", &pod.container])?;
    Ok(())
}

pub(super) fn check(node: &Node, pod: &Pod) -> Result<()> {
    for mut config in chain(node)?.into_iter().filter(|config| config["type"] == "ringfence") {
        config["prevResult"] = pod.result.clone();
        call(node, "CHECK", &config, &pod.container, &args(&pod.namespace, &pod.name))?;
    }
    Ok(())
}
