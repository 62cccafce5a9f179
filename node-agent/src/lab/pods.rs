//! Pods: a network namespace on their node, the CNI chain, and something that answers.
use super::namespaces::Depth;
use super::process::Process;
use super::respond::Port;
use super::runtime::{Runtime, Sandbox};
use super::state::LabPod;
use super::{Lab, LabError, cluster, init, parallel, patience};
use crate::model::{Pod, Protocol};
use crate::watch::directory::Loaded;
use nix::sys::signal::Signal;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::process::Command;
use std::time::{Duration, Instant};

/// Pods brought up at once.
const AT_ONCE: usize = 6;
/// How long a pod is tried again while its node says "try later", as kubelet does.
const PATIENCE: Duration = Duration::from_secs(30);
/// CNI spec, section "Error": try again later.
const TRY_LATER: u64 = 11;
/// How often a pod is tried again that another plugin refused. kubelet does not tire of it; portmap of several pods at once
/// races itself for the chains that it makes first.
const OTHERS_REFUSALS: u32 = 3;

impl Lab {
    /// Takes away pods that are no more or have become others, and brings up those that are missing. Pods of nodes
    /// without a running agent are left for later; returns their names.
    ///
    /// # Errors
    /// Every pod that could not be brought up, and why.
    pub(super) fn update_pods(&mut self, cluster: &Loaded) -> Result<Vec<String>, LabError> {
        let wanted: BTreeMap<String, &Pod> = cluster::pods(cluster).map(|(n, p)| (n, p.as_ref())).collect();
        let stale = |name: &&String| !wanted.get(*name).is_some_and(|pod| self.is_up(name, pod));
        let stale: Vec<String> = self.pods.keys().filter(stale).cloned().collect();
        let removed = parallel::map(stale.clone(), AT_ONCE, |name| self.remove_pod(&name));
        for name in &stale {
            self.pods.remove(name);
        }
        self.save()?;
        LabError::all(removed)?;

        let (mut later, mut now) = (Vec::new(), Vec::new());
        let missing: Vec<(&String, &&Pod)> =
            wanted.iter().filter(|(name, _)| !self.pods.contains_key(*name)).collect();
        for (name, pod) in missing {
            let Some(node) = pod.node.as_ref().filter(|node| self.nodes.contains_key(*node)) else {
                later.push(name.clone());
                continue;
            };
            if pod.host_network {
                self.pods.insert(name.clone(), record(pod, node, None));
            } else if self.agent_runs(node) {
                self.sandboxes += 1;
                now.push((
                    name.clone(),
                    *pod,
                    node.clone(),
                    format!("{}-{}", name.replace('/', "_"), self.sandboxes),
                ));
            } else {
                later.push(name.clone());
            }
        }
        let added = parallel::map(now, AT_ONCE, |(name, pod, node, id)| {
            Ok::<_, LabError>((name.clone(), self.add_pod(&name, pod, &node, &id)?))
        });
        let mut results = Vec::new();
        for result in added {
            results.push(result.map(|(name, pod)| _ = self.pods.insert(name, pod)));
        }
        self.save()?;
        LabError::all(results)?;
        self.update_host_network()?;
        Ok(later)
    }

    /// Whether a pod is up as it should be.
    fn is_up(&self, name: &str, pod: &Pod) -> bool {
        self.pods.get(name).is_some_and(|up| {
            up.node == pod.node.as_deref().unwrap_or_default()
                && up.netns.is_none() == pod.host_network
                && up.uid == pod.uid
                && same(&up.addresses, &pod.addresses)
                && up.ports == ports(name, pod).iter().map(Port::to_string).collect::<Vec<_>>()
                && up.responder.is_none_or(|responder| responder.alive())
        })
    }

    fn add_pod(&self, name: &str, pod: &Pod, node: &str, id: &str) -> Result<LabPod, LabError> {
        let machine = self.machine(node)?;
        let runtime = Runtime { machine, dir: self.node_dir(node).join("cni") };
        machine.run(Depth::Machine, Command::new("ip").args(["netns", "add", id]), "")?;
        machine.enter(Depth::Netns(id), || {
            init::sysctls();
            Ok(())
        })?;
        machine.run(Depth::Netns(id), Command::new("ip").args(["link", "set", "lo", "up"]), "")?;
        let host_ports: Vec<(String, u16, u16)> = pod
            .ports
            .iter()
            .filter_map(|p| Some((p.protocol.to_string().to_lowercase(), p.port, p.host_port?)))
            .collect();
        let sandbox = Sandbox {
            id,
            pod: name,
            uid: &pod.uid,
            addresses: &pod.addresses,
            host_ports: &host_ports,
            there: true,
        };
        let until = Instant::now() + patience::patience(PATIENCE);
        let network = self.network(&runtime, node, until)?;
        let mut refused = 0;
        loop {
            match runtime.add(&network, sandbox) {
                Ok(()) => break,
                Err(LabError::Cni { code: TRY_LATER, .. })
                    if Instant::now() < until && self.agent_runs(node) =>
                {
                    std::thread::sleep(Duration::from_millis(200));
                }
                Err(LabError::Cni { plugin, .. }) if plugin != "ringfence" && refused < OTHERS_REFUSALS => {
                    refused += 1;
                    std::thread::sleep(Duration::from_millis(200));
                }
                Err(e) => {
                    // What is left of it must not stand in the way of the next try.
                    let _ = machine.run(Depth::Machine, Command::new("ip").args(["netns", "delete", id]), "");
                    return Err(e);
                }
            }
        }
        let mut up = record(pod, node, Some(id.to_owned()));
        up.responder = Some(self.respond(node, Depth::Netns(id), &pod.addresses, &ports(name, pod))?);
        Ok(up)
    }

    /// The node's network configuration, once its agent has installed it.
    fn network(&self, runtime: &Runtime<'_>, node: &str, until: Instant) -> Result<Value, LabError> {
        loop {
            if let Some(network) = runtime.network()? {
                return Ok(network);
            }
            if Instant::now() > until || !self.agent_runs(node) {
                let what = format!("the agent of {node} to install its CNI configuration");
                return Err(LabError::Timeout {
                    what,
                    seconds: patience::seconds(PATIENCE.as_secs()),
                    log: self.log(node, "agent"),
                });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn remove_pod(&self, name: &str) -> Result<(), LabError> {
        let Some(pod) = self.pods.get(name) else { return Ok(()) };
        let Some(id) = &pod.netns else { return Ok(()) };
        let Some(machine) = self.machines.get(&pod.node).filter(|m| m.init.alive()) else { return Ok(()) };
        if let Some(responder) = pod.responder {
            responder.signal(Signal::SIGKILL);
        }
        let there = super::agents::in_machine(machine, std::path::Path::new("/run/netns")).join(id).exists();
        let sandbox =
            Sandbox { id, pod: name, uid: &pod.uid, addresses: &pod.addresses, host_ports: &[], there };
        let runtime = Runtime { machine, dir: self.node_dir(&pod.node).join("cni") };
        let done = runtime.del(sandbox);
        if there {
            machine.run(Depth::Machine, Command::new("ip").args(["netns", "delete", id]), "")?;
        }
        done
    }

    /// One responder a node answers for all its host-network pods, and refuses what none of them serves.
    fn update_host_network(&mut self) -> Result<(), LabError> {
        let mut wanted: BTreeMap<String, BTreeSet<Port>> =
            self.nodes.keys().map(|n| (n.clone(), BTreeSet::new())).collect();
        for pod in self.pods.values().filter(|pod| pod.netns.is_none()) {
            let ports = pod.ports.iter().filter_map(|port| port.parse().ok());
            wanted.entry(pod.node.clone()).or_default().extend(ports);
        }
        for (node, ports) in wanted {
            let Some(machine) = self.machines.get(&node).filter(|m| m.init.alive()) else { continue };
            let there = self.nodes.get(&node).and_then(|n| n.responder).filter(Process::alive);
            let ports: Vec<Port> = ports.into_iter().collect();
            let serves: Vec<String> = ports.iter().map(ToString::to_string).collect();
            if there.is_some() && self.nodes.get(&node).is_some_and(|n| n.serves == serves) {
                continue;
            }
            if let Some(old) = there {
                old.signal(Signal::SIGKILL);
                old.ends_within(Duration::from_secs(5));
            }
            let addresses = self.node(&machine.name)?.addresses.clone();
            let responder = self.respond(&node, Depth::Machine, &addresses, &ports)?;
            let record = self.node_mut(&node)?;
            (record.responder, record.serves) = (Some(responder), serves);
        }
        self.save()
    }

    /// Starts what answers, and waits until it does.
    pub(super) fn respond(
        &self,
        machine: &str,
        depth: Depth<'_>,
        addresses: &[IpAddr],
        ports: &[Port],
    ) -> Result<Process, LabError> {
        let machine = self.machine(machine)?;
        let binary = std::env::current_exe().map_err(LabError::file("find", "/proc/self/exe".as_ref()))?;
        let mut command = Command::new(binary);
        command.args(["lab", "respond"]);
        for address in addresses {
            command.arg("--address").arg(address.to_string());
        }
        for port in ports {
            command.arg("--port").arg(port.to_string());
        }
        let log = self.log(&machine.name, "respond");
        let (process, said) = machine.daemon(depth, &command, &log, true)?;
        if said == "ready" {
            return Ok(process);
        }
        let what = format!("what answers in {depth:?} of {}", machine.name);
        Err(LabError::Refused { what, why: format!("it did not start; see {}", log.display()) })
    }
}

fn record(pod: &Pod, node: &str, netns: Option<String>) -> LabPod {
    LabPod {
        node: node.to_owned(),
        netns,
        uid: pod.uid.clone(),
        addresses: pod.addresses.clone(),
        ports: ports(&pod.name.to_string(), pod).iter().map(Port::to_string).collect(),
        responder: None,
    }
}

/// What a pod answers on. With an own network it refuses other SCTP ports, as a kernel would.
fn ports(name: &str, pod: &Pod) -> Vec<Port> {
    let port =
        |protocol: Protocol, number: u16| Port { protocol, number: Some(number), name: name.to_owned() };
    let ports: BTreeSet<Port> = pod.ports.iter().map(|p| port(p.protocol, p.port)).collect();
    ports.into_iter().collect()
}

fn same(a: &[IpAddr], b: &[IpAddr]) -> bool {
    a.iter().collect::<BTreeSet<_>>() == b.iter().collect::<BTreeSet<_>>()
}
