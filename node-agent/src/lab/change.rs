//! Changes to a lab that is up.
use super::machine::Machine;
use super::{Lab, LabError};
use crate::model::ObjectName;
use crate::watch::Kind;
use crate::watch::directory::{self, Loaded, Options};
use std::path::Path;

/// Seconds until a change must be enforced.
const ENFORCED: u64 = 30;

/// What became of a change.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changed {
    /// Pods that are not up because their node has no running agent.
    pub waiting: Vec<String>,
}

impl Lab {
    /// Adds or replaces what the manifests hold, as `kubectl apply` would, and returns once it is enforced.
    ///
    /// # Errors
    /// [`LabError`]; manifests that the API server would refuse change nothing.
    pub fn apply(&mut self, paths: &[&Path], options: Options<'_>) -> Result<Changed, LabError> {
        let cluster = directory::apply(&self.cluster()?, paths, options)?;
        self.become_cluster(&cluster)
    }

    /// Removes every object that the manifests name, as `kubectl delete -f` would.
    ///
    /// # Errors
    /// As [`Lab::apply`].
    pub fn delete_manifests(&mut self, paths: &[&Path]) -> Result<Changed, LabError> {
        let mut cluster = self.cluster()?;
        let named = directory::read_all(paths, Options { previous: Some(&cluster), ..Options::default() })?;
        let mut gone: Vec<(Kind, ObjectName)> = Vec::new();
        // What was only made because others are in it was not named.
        let named_by = |origin: &Option<directory::Origin>| origin.is_some();
        let cluster_wide = |name: &String| ObjectName::new("", name.as_str());
        gone.extend(
            named
                .namespaces
                .iter()
                .filter(|(_, e)| named_by(&e.origin))
                .map(|(n, _)| (Kind::Namespace, cluster_wide(n))),
        );
        gone.extend(
            named
                .nodes
                .iter()
                .filter(|(_, e)| named_by(&e.origin))
                .map(|(n, _)| (Kind::Node, cluster_wide(n))),
        );
        gone.extend(named.pods.keys().map(|n| (Kind::Pod, n.clone())));
        gone.extend(named.services.keys().map(|n| (Kind::Service, n.clone())));
        gone.extend(named.slices.keys().map(|n| (Kind::EndpointSlice, n.clone())));
        gone.extend(named.policies.keys().map(|n| (Kind::NetworkPolicy, n.clone())));
        for (kind, name) in &gone {
            remove(&mut cluster, *kind, name);
        }
        self.become_cluster(&cluster)
    }

    /// Removes one object.
    ///
    /// # Errors
    /// [`LabError::Unknown`] if there is no such object; else as [`Lab::apply`].
    pub fn delete(&mut self, kind: Kind, name: &ObjectName) -> Result<Changed, LabError> {
        let mut cluster = self.cluster()?;
        if !remove(&mut cluster, kind, name) {
            let what = format!("{kind} {name}");
            let remedy = format!("its objects are in {}", self.source().display());
            return Err(LabError::Unknown { kind: "object", name: what, remedy });
        }
        self.become_cluster(&cluster)
    }

    /// Makes the lab hold exactly this cluster.
    ///
    /// # Errors
    /// As [`Lab::apply`]; [`LabError::Refused`] if a node that stays has other addresses: that takes a new lab.
    pub fn become_cluster(&mut self, cluster: &Loaded) -> Result<Changed, LabError> {
        for (name, node) in &cluster.nodes {
            let old = self.nodes.get(name);
            if old.is_some_and(|o| o.addresses != node.value.addresses || o.pod_cidrs != node.value.pod_cidrs)
            {
                let why =
                    "its addresses or podCIDRs cannot change while it runs: delete the node first".to_owned();
                return Err(LabError::Refused { what: format!("node {name}"), why });
            }
        }
        let gone: Vec<String> =
            self.nodes.keys().filter(|n| !cluster.nodes.contains_key(*n)).cloned().collect();
        for node in &gone {
            self.pods.retain(|_, pod| pod.node != *node);
            self.nodes.remove(node);
            if let Some(machine) = self.machines.remove(node) {
                machine.stop();
            }
        }
        let added = self.note_nodes(cluster);
        self.write_cluster(cluster)?;
        self.save()?;
        self.update_outside(cluster)?;
        if !added.is_empty() {
            self.update_routes()?;
            for node in &added {
                self.boot(node, cluster, true)?;
            }
        }
        self.update_services(cluster)?;
        let waiting = self.update_pods(cluster)?;
        self.settle(ENFORCED)?;
        Ok(Changed { waiting })
    }

    /// A node loses power and comes back: everything that ran on it ends at once, its disk stays. At boot `ringfence
    /// guard` runs before there is a network, then (if `agent`) the agent, then its pods come up anew.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn reboot(&mut self, node: &str, agent: bool) -> Result<Changed, LabError> {
        self.node(node)?;
        self.machine(node)?.stop();
        let cluster = self.cluster()?;
        self.boot(node, &cluster, agent)?;
        let waiting = self.update_pods(&cluster)?;
        self.settle(ENFORCED)?;
        Ok(Changed { waiting })
    }

    /// Starts a node's agent and brings up the pods that waited for it.
    ///
    /// # Errors
    /// As [`Lab::start_agent`]; if the agent does not become ready.
    pub fn resume_agent(&mut self, node: &str, binary: Option<&Path>) -> Result<Changed, LabError> {
        self.start_agent(node, binary)?;
        let cluster = self.cluster()?;
        let waiting = self.update_pods(&cluster)?;
        self.settle(ENFORCED)?;
        Ok(Changed { waiting })
    }

    fn boot(&mut self, node: &str, cluster: &Loaded, agent: bool) -> Result<(), LabError> {
        self.start_machines(vec![node.to_owned()])?;
        let record = self.node_mut(node)?;
        (record.agent, record.responder) = (None, None);
        self.guard(node)?;
        self.unplug(node, self.node(node)?.number)?;
        self.plug(&[node], false)?;
        self.address_node(node)?;
        self.update_services(cluster)?;
        if agent { self.start_agent(node, None) } else { self.save() }
    }

    /// Machines that have ended though nobody told them to.
    pub fn dead(&self) -> Vec<&Machine> {
        self.machines.values().filter(|machine| !machine.init.alive()).collect()
    }
}

/// Removes an object, a namespace with all that is in it, a node with its pods; whether it was there.
fn remove(cluster: &mut Loaded, kind: Kind, name: &ObjectName) -> bool {
    let inside = |n: &ObjectName| kind == Kind::Namespace && n.namespace == name.name;
    cluster.pods.retain(|n, pod| {
        !(inside(n) || kind == Kind::Node && pod.value.node.as_deref() == Some(name.name.as_str()))
    });
    cluster.services.retain(|n, _| !inside(n));
    cluster.slices.retain(|n, _| !inside(n));
    cluster.policies.retain(|n, _| !inside(n));
    cluster.remove(kind, name)
}
