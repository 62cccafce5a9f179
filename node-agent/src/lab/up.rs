//! A lab from nothing, and back to nothing.
use super::machine::{self, Machine};
use super::namespaces::Depth;
use super::respond::Port;
use super::runtime::{PLUGIN_DIRS, find};
use super::state::LabNode;
use super::wires::{OUTSIDE, UNDERLAY};
use super::{Lab, LabError, outside, parallel, underlay};
use crate::model::Protocol;
use crate::policy::offline::cluster_cidrs;
use crate::watch::directory::Loaded;
use ipnetwork::IpNetwork;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Seconds until agents must be ready.
const READY: u64 = 60;
/// Machines started at once.
const AT_ONCE: usize = 4;

/// What a lab is made of.
#[derive(Clone, Debug)]
pub struct UpOptions {
    /// Where labs are ([`Lab::DEFAULT_ROOT`]).
    pub labs: PathBuf,
    /// Its name.
    pub name: String,
    /// The binary that agents run.
    pub agent: PathBuf,
    /// Where nodes' addresses are; empty: around those that the nodes have.
    pub node_cidrs: Vec<IpNetwork>,
    /// Arguments of every agent beside those that say which node it is and where it finds things.
    pub agent_arguments: Vec<String>,
    /// Whether agents are started; without them no pods come up.
    pub agents: bool,
}

/// Builds a lab of `cluster` and returns once everything in it runs. `say` is told what was done.
///
/// # Errors
/// [`LabError`]; what was built until then stays, to be looked at, until [`down`].
pub fn up(options: UpOptions, cluster: &Loaded, say: &dyn Fn(&str)) -> Result<Lab, LabError> {
    requirements()?;
    let root = options.labs.join(&options.name);
    if root.exists() || !Machine::find(&root).is_empty() {
        return Err(LabError::Exists { name: options.name });
    }
    for directory in ["source", "logs"] {
        let path = root.join(directory);
        std::fs::create_dir_all(&path).map_err(LabError::file("make", &path))?;
    }
    let root = root.canonicalize().map_err(LabError::file("find", &root))?;
    let _lock = Lab::lock(&options.labs, &options.name)?;
    let mut agent_arguments = options.agent_arguments;
    for cidr in cluster_cidrs(&cluster.snapshot()) {
        agent_arguments.extend(["--cluster-cidr".to_owned(), cidr.to_string()]);
    }
    let named = options.node_cidrs.into_iter().collect::<BTreeSet<_>>();
    for cidr in if named.is_empty() { around(cluster) } else { named } {
        agent_arguments.extend(["--node-cidr".to_owned(), cidr.to_string()]);
    }
    let mut lab = Lab { name: options.name, root, agent: options.agent, agent_arguments, ..Lab::default() };
    lab.write_cluster(cluster)?;
    lab.note_nodes(cluster);
    lab.gateways = underlay::gateways(&lab.nodes);
    lab.save()?;

    let mut names: Vec<String> = [UNDERLAY, OUTSIDE].map(str::to_owned).into();
    names.extend(lab.nodes.keys().cloned());
    lab.start_machines(names.clone())?;
    let plugged: Vec<&str> = names.iter().map(String::as_str).filter(|name| *name != UNDERLAY).collect();
    lab.plug(&plugged, true)?;
    lab.address_outside(cluster)?;
    lab.respond(OUTSIDE, Depth::Machine, &lab.gateways, &everything())?;
    for node in lab.nodes.keys() {
        lab.address_node(node)?;
    }
    lab.update_services(cluster)?;
    say(&format!("{} nodes, dual-stack underlay, the outside", lab.nodes.len()));
    if options.agents {
        for node in lab.nodes.keys().cloned().collect::<Vec<_>>() {
            lab.start_agent(&node, None)?;
        }
    }
    let later = lab.update_pods(cluster)?;
    say(&format!("{} pods", lab.pods.len()));
    if options.agents {
        lab.settle(READY)?;
        say("every agent ready");
    }
    if !later.is_empty() {
        say(&format!("not up, as there is no agent on their nodes: {}", later.join(", ")));
    }
    Ok(lab)
}

/// Takes the lab `name` away, also what is left of one whose record was lost or that was never finished. Returns whether
/// there was anything.
///
/// # Errors
/// If its directory cannot be removed.
pub fn down(labs: &Path, name: &str) -> Result<bool, LabError> {
    let root = labs.join(name);
    let there = root.exists();
    // `up` may have been given a path with links; machines bear the one without.
    let canonical = root.canonicalize().unwrap_or_else(|_| root.clone());
    let mut machines = Machine::find(&canonical);
    if let Ok(lab) = Lab::open(labs, name) {
        machines.extend(lab.machines.values().map(|m| m.init));
    }
    let any = there || !machines.is_empty();
    parallel::map(machines, AT_ONCE, machine::stop);
    if there {
        std::fs::remove_dir_all(&root).map_err(LabError::file("remove", &root))?;
        // The last lab takes their common directory with it; it stays if another is there.
        let _ = std::fs::remove_dir(labs);
    }
    Ok(any)
}

impl Lab {
    /// Takes over nodes that are new; returns their names.
    pub(super) fn note_nodes(&mut self, cluster: &Loaded) -> Vec<String> {
        let mut added = Vec::new();
        for (name, node) in &cluster.nodes {
            if !self.nodes.contains_key(name) {
                let number = self.nodes.values().map(|n| n.number).max().unwrap_or(underlay::OUTSIDE) + 1;
                let (addresses, pod_cidrs) = (node.value.addresses.clone(), node.value.pod_cidrs.clone());
                self.nodes
                    .insert(name.clone(), LabNode { addresses, pod_cidrs, number, ..LabNode::default() });
                added.push(name.clone());
            }
        }
        added
    }

    pub(super) fn start_machines(&mut self, names: Vec<String>) -> Result<(), LabError> {
        let started = parallel::map(names, AT_ONCE, |name| {
            if self.nodes.contains_key(&name) {
                for directory in ["state", "cni/net.d", "cni/bin", "cni/results", "cni/leases"] {
                    let path = self.node_dir(&name).join(directory);
                    std::fs::create_dir_all(&path).map_err(LabError::file("make", &path))?;
                }
                self.link_plugin(&name, &self.agent)?;
            }
            Machine::start(&name, &self.root, &self.log(&name, "machine"))
        });
        let mut results = Vec::new();
        for result in started {
            results.push(result.map(|machine| _ = self.machines.insert(machine.name.clone(), machine)));
        }
        // Those that run are noted before any failure is spoken of.
        self.save()?;
        LabError::all(results).map(drop)
    }
}

/// The /16s and /48s of the nodes' addresses: room for more nodes.
fn around(cluster: &Loaded) -> BTreeSet<IpNetwork> {
    let addresses = cluster.nodes.values().flat_map(|node| &node.value.addresses);
    let wide = |address: &IpAddr| {
        let whole = IpNetwork::new(*address, if address.is_ipv4() { 16 } else { 48 }).ok()?;
        IpNetwork::new(whole.network(), whole.prefix()).ok()
    };
    addresses.filter_map(wide).collect()
}

/// What answers outside, on every port that anybody asks for.
fn everything() -> Vec<Port> {
    let port = |protocol, number| Port { protocol, number, name: OUTSIDE.to_owned() };
    let all = Some(outside::PORT);
    vec![port(Protocol::Tcp, all), port(Protocol::Udp, all), port(Protocol::Sctp, None)]
}

/// Says what is missing before anything is begun.
fn requirements() -> Result<(), LabError> {
    if !nix::unistd::geteuid().is_root() {
        let what = "a lab makes namespaces and loads eBPF programs".to_owned();
        return Err(LabError::Refused { what, why: "run it as root".to_owned() });
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path: BTreeSet<PathBuf> = std::env::split_paths(&path).collect();
    for (program, remedy) in [
        ("ip", "install what Debian calls iproute2"),
        ("nft", "install what Debian calls nftables"),
        ("iptables", "install what Debian calls iptables: the CNI plugin portmap calls it"),
    ] {
        if !path.iter().any(|dir| dir.join(program).is_file()) {
            return Err(LabError::Missing { what: format!("the program {program}"), remedy });
        }
    }
    for plugin in ["ptp", "host-local", "portmap"] {
        find(&PLUGIN_DIRS.map(PathBuf::from), plugin)?;
    }
    Ok(())
}
