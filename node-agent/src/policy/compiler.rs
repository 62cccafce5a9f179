//! The compiler: what it remembers between snapshots, and the order in which a change goes through it.
use super::addresses::Dirty;
use super::bitmaps::Bitmaps;
use super::blocks::Ranges;
use super::claims::{self, Claims};
use super::classes::{ClassKey, Member, Numbered};
use super::delta::{Change, changes};
use super::identity::Identities;
use super::locals::Locals;
use super::matcher::Matchers;
use super::mistake::Seeded;
use super::named::Features;
use super::nodes::{NodeIndex, NodeNumbers};
use super::profiles::Profiles;
use super::selection::{Parts, Selections};
use super::services::{ServiceChanges, Services};
use super::sets::Sets;
use super::tables::{LocalView, Tables};
use crate::desired::Snapshot;
use crate::model::{ObjectName, Pod, Problem};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Compiles snapshots for one node. It holds numbers and what earlier snapshots came to, nothing else: a fresh one
/// compiles the same snapshot to tables that decide the same.
#[derive(Debug)]
pub struct Compiler {
    pub(super) snapshot: Snapshot,
    pub(super) local: LocalView,
    pub(super) nodes: NodeIndex,
    pub(super) numbers: NodeNumbers,
    pub(super) claims: Claims,
    pub(super) locals: Locals,
    pub(super) matchers: Matchers,
    pub(super) features: Features,
    pub(super) identities: Identities,
    pub(super) ranges: Ranges,
    pub(super) sets: Sets,
    pub(super) sets_kept: usize,
    pub(super) classes: Numbered<ClassKey>,
    pub(super) service_classes: Numbered<Vec<Member>>,
    pub(super) selections: Selections,
    pub(super) profiles: Profiles,
    pub(super) services: Services,
    pub(super) any_egress: bool,
    pub(super) bitmaps: Bitmaps,
    pub(super) pod_problems: BTreeMap<ObjectName, Problem>,
    pub(super) next_class: u32,
    pub(super) next_profile: u32,
    pub(super) seeded: Seeded,
    revision: u64,
    tables: Arc<Tables>,
}

/// What a snapshot came to.
#[derive(Clone, Debug)]
pub struct CompileOutput {
    /// Shared with the last output where nothing changed.
    pub tables: Arc<Tables>,
    /// What could not be taken as written, and what is done instead.
    pub problems: Vec<Problem>,
    /// Number of this output, from 1; see [`Compiler::applied`].
    pub revision: u64,
}

impl Default for Compiler {
    fn default() -> Self {
        Self::starting_after(&Tables::default())
    }
}

impl Compiler {
    /// A compiler whose class and profile numbers are above all in the observed tables, so that nothing still in the
    /// kernel is taken for something new. Port sets found there keep their indexes where they are wanted again.
    pub fn starting_after(observed: &Tables) -> Self {
        let classes = observed.addresses.values().map(|v| v.class);
        let classes = classes.chain(observed.prefixes.values().map(|v| v.class));
        let classes = classes.chain(observed.services.values().map(|v| v.class));
        let classes = classes.chain(observed.policy.keys().map(|k| k.class)).chain(observed.transit_class);
        let of_endpoints = observed.endpoints.values().flat_map(|e| [e.class_v4, e.class_v6]);
        let profiles = observed.endpoints.values().flat_map(|e| [e.ingress_profile, e.egress_profile]);
        let profiles = profiles.chain(observed.policy.keys().map(|k| k.profile));
        // The upper half of the numbers is `plan`'s, for the moments between two tables.
        let lower = |id: &u32| *id < crate::plan::FIRST_PASSING;
        let next_class = classes.chain(of_endpoints).filter(lower).max().unwrap_or(0) + 1;
        Self {
            snapshot: Snapshot::default(),
            local: LocalView::default(),
            nodes: NodeIndex::default(),
            numbers: NodeNumbers::default(),
            claims: Claims::default(),
            locals: Locals::default(),
            matchers: Matchers::default(),
            features: Features::default(),
            identities: Identities::default(),
            ranges: Ranges::default(),
            sets: Sets::default(),
            sets_kept: 0,
            classes: Numbered::default(),
            service_classes: Numbered::default(),
            selections: Selections::default(),
            profiles: Profiles::default(),
            services: Services::default(),
            any_egress: false,
            bitmaps: Bitmaps::resuming(&observed.bitmaps),
            pod_problems: BTreeMap::new(),
            next_class,
            next_profile: profiles.filter(lower).max().unwrap_or(0) + 1,
            seeded: Seeded::default(),
            revision: 0,
            tables: Arc::default(),
        }
    }

    /// A compiler that makes this mistake.
    #[cfg(feature = "seeded-mistakes")]
    pub fn with_mistake(mistake: Option<super::Mistake>) -> Self {
        Self { seeded: Seeded(mistake), ..Self::default() }
    }

    /// The tables that this node's datapath shall hold, in time proportional to what changed since the last call.
    pub fn compile(&mut self, snapshot: &Snapshot, local: &LocalView) -> CompileOutput {
        let old = std::mem::replace(&mut self.snapshot, snapshot.clone());
        let old_local = std::mem::replace(&mut self.local, local.clone());
        let first = self.revision == 0;
        let pods = changes(&old.pods, &snapshot.pods);
        let namespaces = changes(&old.namespaces, &snapshot.namespaces);
        let policies = changes(&old.policies, &snapshot.policies);
        let services = changes(&old.services, &snapshot.services);
        let slices = changes(&old.slices, &snapshot.slices);
        let nodes = first || !changes(&old.nodes, &snapshot.nodes).is_empty();
        if !first
            && !nodes
            && old_local == *local
            && [pods.len(), namespaces.len(), policies.len(), services.len(), slices.len()] == [0; 5]
        {
            return self.output();
        }
        self.revision += 1;
        let mut shared = std::mem::take(&mut self.tables);
        let tables = Arc::make_mut(&mut shared);

        let mut dirty = Dirty::These(HashSet::new());
        let placed = nodes || !old_local.places_nodes_as(local);
        let ranges_changed = placed && self.refresh_nodes();
        if ranges_changed {
            dirty = Dirty::All;
            self.reclaim();
        } else {
            self.claim(&pods, &mut dirty);
        }
        for namespace in &namespaces {
            self.identities.forget_namespace(&namespace.key);
            dirty.extend(self.addresses_in(&namespace.key));
        }
        let locals = Locals::new(snapshot, local);
        dirty.extend(locals.differing(&self.locals));
        self.locals = locals;
        let mut parts =
            Parts { matchers: &mut self.matchers, features: &mut self.features, seeded: self.seeded };
        let changed_policies =
            self.selections.update(&self.locals.pods, &snapshot.policies, &policies, &mut parts);

        let matchers = self.matchers.settle();
        if !matchers.is_empty() {
            self.identities.update(&matchers, &mut self.sets, self.seeded);
            dirty = Dirty::All;
        }
        if self.features.settle() {
            dirty = Dirty::All;
        }
        let prefixes_changed = ranges_changed || matchers.touch_blocks();
        if prefixes_changed {
            self.refresh_prefixes(tables);
            dirty = Dirty::All;
        }
        let moved = if dirty.is_empty() { Vec::new() } else { self.refresh_addresses(tables, dirty) };

        let service_changes = ServiceChanges { services: &services, slices: &slices, pods: &pods };
        let mut stale = self.services.update(&service_changes, snapshot);
        let profiles = self.refresh_profiles(&changed_policies);
        self.refresh_endpoints(tables);
        let standing = (ranges_changed, prefixes_changed, moved.as_slice());
        let toggled = self.stale_services(tables, standing, &mut stale);
        self.refresh_services(tables, stale, toggled);
        self.refresh_policy(tables, &profiles);
        self.bitmaps.settle(self.revision, &mut tables.bitmaps);
        self.refresh_service_policy(tables, &profiles);
        self.sweep();
        self.tables = shared;
        self.output()
    }

    /// The kernel holds exactly the tables of `revision`: what they no longer had may be used again.
    pub fn applied(&mut self, revision: u64) {
        self.bitmaps.applied(revision);
    }

    fn output(&self) -> CompileOutput {
        let mut problems = self.nodes.problems.clone();
        problems.extend(self.pod_problems.values().cloned());
        problems.extend(self.contested());
        CompileOutput { tables: self.tables.clone(), problems, revision: self.revision }
    }

    /// Whether nodes, pod CIDRs or own addresses are others than before.
    fn refresh_nodes(&mut self) -> bool {
        let new = NodeIndex::new(&self.snapshot.nodes, &self.local, &mut self.numbers);
        let changed = new != self.nodes || self.revision == 1;
        self.nodes = new;
        changed
    }

    /// Takes all claims anew: which addresses count as pods' has changed.
    fn reclaim(&mut self) {
        self.claims.clear();
        self.pod_problems.clear();
        let all = self.snapshot.pods.clone();
        for pod in all.values() {
            self.claim_one(pod);
        }
    }

    fn claim(&mut self, pods: &[Change<ObjectName, Pod>], dirty: &mut Dirty) {
        for change in pods {
            if let Some(pod) = &change.old {
                pod.addresses.iter().for_each(|a| self.claims.remove(*a, pod));
                self.pod_problems.remove(&pod.name);
            }
            change.new.iter().for_each(|pod| self.claim_one(pod));
            let both = change.old.iter().chain(&change.new).flat_map(|pod| &pod.addresses);
            dirty.extend(both.map(|a| (*a).into()));
        }
    }

    fn claim_one(&mut self, pod: &Arc<Pod>) {
        claims::addresses(pod, &self.nodes).for_each(|a| self.claims.add(a, pod));
        if let Some(problem) = claims::problem(pod, &self.nodes) {
            self.pod_problems.insert(pod.name.clone(), problem);
        }
    }
}
