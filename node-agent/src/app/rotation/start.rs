//! What a starting agent takes over: keys and record on disk, what the kernel does, what is published.
use super::super::Config;
use super::{Fed, Journal, RecordFile, Rotation, RotationError, clock};
use crate::desired::Snapshot;
use crate::mesh::spec::{MAIN_TABLE, POD_TABLE, RouteVia};
use crate::model::Node;
use crate::plan::mesh::ObservedMesh;
use ipnetwork::IpNetwork;
use ringfence_keyring::rotation::{Found, Moment, NodeName, OwnKey, Record, State};
use ringfence_keyring::{KeyStore, PerPlane, Plane, PlaneKey, PublicKey, Publication};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What there is when an agent starts.
pub(in crate::app) struct Start<'a> {
    /// Settings.
    pub(in crate::app) config: &'a Config,
    /// Our own Node object.
    pub(in crate::app) node: &'a Node,
    /// The cluster.
    pub(in crate::app) snapshot: &'a Snapshot,
    /// The kernel.
    pub(in crate::app) observed: &'a ObservedMesh,
    /// Nodes that are believed, with their UIDs.
    pub(in crate::app) believed: &'a BTreeMap<String, String>,
    /// And with their networks.
    pub(in crate::app) networks: &'a BTreeMap<String, BTreeSet<IpNetwork>>,
}

impl Rotation {
    /// Takes over what there is. Nothing is changed yet: what is to be done is on the queue.
    ///
    /// # Errors
    /// [`RotationError`] if disk or store cannot be used.
    pub(in crate::app) fn start(start: &Start<'_>) -> Result<Self, RotationError> {
        let Start { config, node, snapshot, .. } = start;
        let (store, remade) = KeyStore::open_for_new_node(&config.keys(), &node.uid)?;
        if remade {
            tracing::warn!(
                node = node.name,
                uid = node.uid,
                "the Node object is a new one: keys are made anew"
            );
        }
        let keys = store.load()?;
        let mine = snapshot.publications.get(&node.name).filter(|published| published.uid() == node.uid);
        let mut file = RecordFile::of(&config.state_dir);
        let record = file.read().unwrap_or_else(|error| {
            tracing::warn!(%error, "what was known of the rotation is lost");
            None
        });
        let own = PerPlane::from_fn(|plane| keys.get(plane).as_ref().map(own));
        let record = record.or_else(|| adopt(start, own, mine));
        let (routes, peers) = kernel(start.observed, start.networks);
        let found = Found {
            record,
            keys: own,
            published: mine.map(|published| Arc::new(published.published())),
            mesh: snapshot.mesh_epoch().epoch,
            routes,
            peers,
        };
        let (me, uid) = (node.name.as_str().into(), node.uid.as_str().into());
        let (mut state, actions) = State::start(clock::moment(), me, uid, found);
        state.rotate_every(config.rotate_every);
        Ok(Self {
            state,
            keys,
            journal: Journal::open(&config.state_dir, &node.name),
            stands: false,
            unmade: Vec::new(),
            brought: None,
            written: None,
            store,
            file,
            queue: actions.into(),
            fed: Fed::default(),
            unanswered: Vec::new(),
            refusals: BTreeMap::new(),
            received: BTreeMap::new(),
            pairs: BTreeMap::new(),
            heads: BTreeMap::new(),
            in_use: None,
            ticked: Moment::default(),
        })
    }

    /// Whether the keys are those of this Node object.
    pub(in crate::app) fn is_for(&self, node: &Node) -> bool {
        self.store.node_uid() == node.uid
    }
}

fn own(key: &PlaneKey) -> OwnKey {
    OwnKey { epoch: key.epoch(), public: key.public() }
}

/// An agent that could not rotate yet left keys and no record, and counted no publications. Its keys are gone on with, if
/// they are those that it published.
fn adopt(
    start: &Start<'_>,
    keys: PerPlane<Option<OwnKey>>,
    published: Option<&Arc<Publication>>,
) -> Option<Record> {
    let keys = PerPlane::try_from_fn(|plane| keys.get(plane).ok_or(())).ok()?;
    let agrees = |published: &Arc<Publication>| {
        let same = |plane| published.plane(plane).public_key == keys.get(plane).public;
        published.progress().serial == 0 && Plane::ALL.into_iter().all(same)
    };
    let mesh = start.snapshot.mesh_epoch().epoch;
    if !published.is_none_or(agrees) || !mesh.admits(keys.map(|_, key| key.epoch)) {
        return None;
    }
    tracing::info!("keys of an agent that kept no record of rotation: they are gone on with");
    let peers = start.believed.iter().map(|(name, uid)| (name.as_str().into(), uid.as_str().into()));
    Some(Record::adopt(start.node.uid.as_str().into(), mesh, (keys, 0), peers))
}

/// Routes, and peers of each device.
type Standing = (BTreeMap<NodeName, Plane>, PerPlane<BTreeMap<NodeName, PublicKey>>);

/// Where the kernel's routes to each node lead, and the peers that its devices have, by whose networks they are.
fn kernel(observed: &ObservedMesh, networks: &BTreeMap<String, BTreeSet<IpNetwork>>) -> Standing {
    let mut routes: BTreeMap<NodeName, Plane> = BTreeMap::new();
    let mut peers: PerPlane<BTreeMap<NodeName, PublicKey>> = PerPlane::default();
    for (node, networks) in networks {
        let name: NodeName = node.as_str().into();
        let of_node = |network: &IpNetwork| networks.contains(network);
        let leads =
            observed.routes.iter().filter(|route| of_node(&route.destination)).find_map(|route| match route
                .via
            {
                Some(RouteVia::Plane(plane, _)) if [MAIN_TABLE, POD_TABLE].contains(&route.table) => {
                    Some(plane)
                }
                _ => None,
            });
        routes.extend(leads.map(|plane| (name.clone(), plane)));
        for (plane, device) in &observed.devices {
            let known = device.control.iter().flat_map(|control| &control.peers);
            let peer = known.filter(|(_, peer)| peer.allowed.iter().any(of_node)).map(|(key, _)| *key).next();
            peers.get_mut(*plane).extend(peer.map(|key| (name.clone(), key)));
        }
    }
    (routes, peers)
}
