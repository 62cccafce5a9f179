//! All files' objects by kind and name, before what they leave open is filled in.
use super::Mode;
use super::error::{Duplicate, LoadError};
use super::items::{Item, Items};
use super::origin::Origin;
use crate::model::{
    EndpointSlice, MeshEpoch, Namespace, NetworkPolicy, Node, ObjectName, Problem, Revocation,
    RotationRequest,
};
use crate::watch::Kind;
use crate::watch::object::{Endpoints, PodObject, Read, ServiceObject, Workload, WorkloadKind};
use ringfence_keyring::Publication;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a value is written back from.
#[derive(Clone, Debug)]
pub(super) enum Raw {
    /// The object itself.
    Object(Arc<Value>),
    /// The pod template at this JSON pointer of a workload.
    Template(Arc<Value>, &'static str),
    /// Nobody wrote it.
    Made,
}

impl Raw {
    /// Kind and name of the controller of a pod: its workload, or whom its ownerReferences name.
    pub(super) fn owner(&self) -> Option<(String, String)> {
        let text =
            |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        match self {
            Self::Template(workload, _) => {
                Some((text(workload, "/kind")?, text(workload, "/metadata/name")?))
            }
            Self::Object(object) => {
                let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
                let owner = owners.iter().find(|o| o.get("controller") == Some(&Value::Bool(true)))?;
                Some((text(owner, "/kind")?, text(owner, "/name")?))
            }
            Self::Made => None,
        }
    }
}

/// A value with where it comes from.
#[derive(Clone, Debug)]
pub(super) struct Draft<T> {
    pub(super) value: T,
    pub(super) origin: Option<Origin>,
    pub(super) raw: Raw,
}

/// Everything in a directory.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) namespaces: BTreeMap<String, Draft<Namespace>>,
    pub(super) nodes: BTreeMap<String, Draft<Node>>,
    pub(super) pods: BTreeMap<ObjectName, Draft<PodObject>>,
    pub(super) services: BTreeMap<ObjectName, Draft<ServiceObject>>,
    pub(super) slices: BTreeMap<ObjectName, Draft<EndpointSlice>>,
    pub(super) policies: BTreeMap<ObjectName, Draft<NetworkPolicy>>,
    pub(super) publications: BTreeMap<String, Draft<Publication>>,
    pub(super) mesh: BTreeMap<String, Draft<MeshEpoch>>,
    pub(super) rotations: BTreeMap<String, Draft<RotationRequest>>,
    pub(super) revocations: BTreeMap<String, Draft<Revocation>>,
    pub(super) endpoints: BTreeMap<ObjectName, Draft<Endpoints>>,
    pub(super) workloads: BTreeMap<(WorkloadKind, ObjectName), Draft<Workload>>,
    pub(super) problems: Vec<Problem>,
    pub(super) passed_over: BTreeMap<String, usize>,
}

impl Gathered {
    /// Adds a file's objects.
    ///
    /// What the API server would refuse is an error. In [`Mode::Watch`] it is not for policies and objects about
    /// keys: those policies are enforced as restrictively as they were read, the others left out, both with a problem.
    pub(super) fn add(&mut self, items: &Items, mode: Mode, errors: &mut Vec<LoadError>) {
        for (kind, count) in &items.passed_over {
            *self.passed_over.entry(kind.clone()).or_default() += count;
        }
        for item in &items.items {
            let tolerated = mode == Mode::Watch && tolerated(item);
            for finding in &item.reading.findings {
                let source = item.origin.to_string();
                let problem =
                    finding.problem(source, &item.reading.kind, item.reading.name.clone(), tolerated);
                if tolerated {
                    self.problems.push(problem)
                } else {
                    errors.push(LoadError::Object(Box::new(problem)))
                }
            }
            if let Some(read) = &item.reading.read
                && let Err(error) = self.insert(item, read.clone())
            {
                errors.push(error);
            }
        }
    }

    fn insert(&mut self, item: &Item, read: Read) -> Result<(), LoadError> {
        let name = &item.reading.name;
        match read {
            Read::Namespace(value) => put(&mut self.namespaces, name.name.clone(), value, item),
            Read::Node(value) => put(&mut self.nodes, name.name.clone(), value, item),
            Read::Pod(value) => put(&mut self.pods, name.clone(), value, item),
            Read::Service(value) => put(&mut self.services, name.clone(), value, item),
            Read::EndpointSlice(value) => put(&mut self.slices, name.clone(), value, item),
            Read::NetworkPolicy(value) => put(&mut self.policies, name.clone(), value, item),
            Read::RingfenceNode(value) => put(&mut self.publications, name.name.clone(), *value, item),
            Read::RingfenceMesh(value) => put(&mut self.mesh, name.name.clone(), value, item),
            Read::RingfenceRotation(value) => put(&mut self.rotations, name.name.clone(), value, item),
            Read::RingfenceRevocation(value) => put(&mut self.revocations, name.name.clone(), value, item),
            Read::Endpoints(value) => put(&mut self.endpoints, name.clone(), value, item),
            Read::Workload(value) => put(&mut self.workloads, (value.kind, name.clone()), value, item),
        }
    }
}

/// Whether an agent goes on with what could be read of an invalid object.
fn tolerated(item: &Item) -> bool {
    match &item.reading.read {
        Some(Read::NetworkPolicy(_)) => true,
        // Without its name it cannot be said which of those known is meant.
        _ => {
            let ours = Kind::ALL.into_iter().filter(|kind| kind.is_ours());
            let known = ours.map(|kind| kind.to_string()).any(|kind| kind == item.reading.kind);
            known && !item.reading.name.name.is_empty()
        }
    }
}

fn put<K: Ord, T>(map: &mut BTreeMap<K, Draft<T>>, key: K, value: T, item: &Item) -> Result<(), LoadError> {
    let draft = Draft { value, origin: Some(item.origin.clone()), raw: Raw::Object(item.value.clone()) };
    match map.entry(key) {
        std::collections::btree_map::Entry::Vacant(vacant) => {
            vacant.insert(draft);
            Ok(())
        }
        std::collections::btree_map::Entry::Occupied(occupied) => {
            Err(LoadError::Duplicate(Box::new(Duplicate {
                kind: item.reading.kind.clone(),
                object: item.reading.name.clone(),
                first: occupied.get().origin.clone().unwrap_or_else(|| item.origin.clone()),
                second: item.origin.clone(),
            })))
        }
    }
}
