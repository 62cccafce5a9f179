//! A directory's contents as a cluster: every object complete, as the agent takes it and as JSON.
use super::gather::{Draft, Gathered, Raw};
use super::origin::Origin;
use super::rotation;
use crate::desired::Snapshot;
use crate::model::{
    EndpointSlice, MeshEpoch, Namespace, NetworkPolicy, Node, ObjectName, Pod, Problem, Revocation,
    RotationRequest, Service,
};
use crate::watch::object::Kind;
use ringfence_keyring::Publication;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// A value with where it comes from.
#[derive(Clone, Debug)]
pub struct Entry<T> {
    /// The value.
    pub value: Arc<T>,
    /// Where it was read; `None` if it was made because others name it.
    pub origin: Option<Origin>,
    pub(super) raw: Raw,
}

/// A whole cluster, read from a directory.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Namespaces, also those made because objects are in them.
    pub namespaces: BTreeMap<String, Entry<Namespace>>,
    /// Nodes, also those made; each with addresses and pod CIDRs.
    pub nodes: BTreeMap<String, Entry<Node>>,
    /// Pods that have not finished, also those of workloads; each with a node and addresses.
    pub pods: BTreeMap<ObjectName, Entry<Pod>>,
    /// Services, with ClusterIPs and node ports.
    pub services: BTreeMap<ObjectName, Entry<Service>>,
    /// Those of `services` that are headless or of type ExternalName: they have no address and decide nothing.
    pub addressless: BTreeSet<ObjectName>,
    /// EndpointSlices.
    pub slices: BTreeMap<ObjectName, Entry<EndpointSlice>>,
    /// NetworkPolicies.
    pub policies: BTreeMap<ObjectName, Entry<NetworkPolicy>>,
    /// What nodes publish.
    pub publications: BTreeMap<String, Entry<Publication>>,
    /// The mesh's epoch, if it is said.
    pub mesh: BTreeMap<String, Entry<MeshEpoch>>,
    /// Requests to rotate keys.
    pub rotations: BTreeMap<String, Entry<RotationRequest>>,
    /// What is said of nodes that are or were revoked.
    pub revocations: BTreeMap<String, Entry<Revocation>>,
    /// What was taken more restrictively than written ([`super::Mode::Watch`] only).
    pub problems: Vec<Problem>,
    /// What did not concern us.
    pub passed_over: PassedOver,
}

/// How many documents of which kind were passed over. Displayed as one line, empty if there were none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PassedOver(pub BTreeMap<String, usize>);

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (kind, count)) in self.0.iter().enumerate() {
            f.write_str(if i == 0 { "passed over: " } else { ", " })?;
            write!(f, "{count} {kind}")?;
        }
        Ok(())
    }
}

impl Loaded {
    pub(super) fn new(all: Gathered) -> Self {
        let addressless =
            all.services.iter().filter(|(_, s)| s.value.addressless).map(|(name, _)| name.clone()).collect();
        Self {
            namespaces: entries(all.namespaces),
            nodes: entries(all.nodes),
            pods: all.pods.into_iter().map(|(name, draft)| (name, entry(draft, |d| d.pod))).collect(),
            services: all
                .services
                .into_iter()
                .map(|(name, draft)| (name, entry(draft, |d| d.service)))
                .collect(),
            addressless,
            slices: entries(all.slices),
            policies: entries(all.policies),
            publications: entries(all.publications),
            mesh: entries(all.mesh),
            rotations: entries(all.rotations),
            revocations: entries(all.revocations),
            problems: all.problems,
            passed_over: PassedOver(all.passed_over),
        }
    }

    /// The cluster as the pure half takes it, as revision 1.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            revision: 1,
            pods: values(self.pods.iter()),
            namespaces: values(self.namespaces.iter()),
            nodes: values(self.nodes.iter()),
            services: values(self.services.iter()),
            slices: values(self.slices.iter()),
            policies: values(self.policies.iter()),
            publications: values(self.publications.iter()),
            mesh: values(self.mesh.iter()),
            rotations: values(self.rotations.iter()),
            revocations: values(self.revocations.iter()),
            problems: Arc::new(self.problems.clone()),
            origins: self.origins(),
            version: None,
        }
    }

    fn origins(&self) -> Arc<BTreeMap<(Kind, String), Arc<str>>> {
        let of = |kind: Kind, name: &String, origin: &Option<Origin>| {
            Some(((kind, name.clone()), origin.as_ref()?.of(kind)?))
        };
        let nodes = self.nodes.iter().filter_map(|(name, e)| of(Kind::Node, name, &e.origin));
        let publications = self.publications.iter();
        let publications = publications.filter_map(|(name, e)| of(Kind::RingfenceNode, name, &e.origin));
        Arc::new(nodes.chain(publications).collect())
    }

    /// Every object as JSON, complete: reading these again gives the same cluster, whatever else is added to it.
    pub fn objects(&self) -> Vec<Value> {
        use super::objects as to;
        let mut all = Vec::new();
        all.extend(self.namespaces.values().map(to::namespace));
        all.extend(self.nodes.values().map(to::node));
        all.extend(self.pods.values().map(|pod| to::pod(pod, &self.nodes)));
        all.extend(self.services.iter().map(|(name, s)| to::service(s, self.addressless.contains(name))));
        all.extend(self.slices.values().map(to::slice));
        all.extend(self.policies.iter().map(|(name, p)| to::as_read(&p.raw, Kind::NetworkPolicy, name)));
        all.extend(self.publications.values().map(|p| p.value.to_value()));
        all.extend(self.mesh.values().map(|m| rotation::mesh(&m.value)));
        all.extend(self.rotations.iter().map(|(name, r)| rotation::request_object(name, &r.value)));
        all.extend(self.revocations.iter().map(|(name, r)| rotation::revocation_object(name, &r.value)));
        all
    }
}

fn entry<T, U>(draft: Draft<T>, value: impl Fn(T) -> U) -> Entry<U> {
    Entry { value: Arc::new(value(draft.value)), origin: draft.origin, raw: draft.raw }
}

fn entries<K: Ord, T>(drafts: BTreeMap<K, Draft<T>>) -> BTreeMap<K, Entry<T>> {
    drafts.into_iter().map(|(key, draft)| (key, entry(draft, |value| value))).collect()
}

fn values<'a, K: Ord + Clone + 'a, T: 'a>(
    entries: impl Iterator<Item = (&'a K, &'a Entry<T>)>,
) -> Arc<BTreeMap<K, Arc<T>>> {
    Arc::new(entries.map(|(key, entry)| (key.clone(), entry.value.clone())).collect())
}
