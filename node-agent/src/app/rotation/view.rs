//! What the mesh is compiled from, whom to talk to, and what to show.
use super::{Rotation, clock};
use crate::desired::Snapshot;
use crate::mesh::{LocalKeysView, MeshSpec, Pair, Pairs, UnderlayFacts};
use crate::model::{ObjectName, Problem};
use crate::status::{RefusedStatus, RotationStatus, WaitingStatus};
use crate::watch::Kind;
use crate::words::{Addressees, Party};
use ringfence_keyring::rotation::{Refusal, Waiting};
use ringfence_keyring::{PairKey, PerPlane, Plane};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

impl Rotation {
    /// What everyone may know of our keys, and what was agreed with whom.
    pub(in crate::app) fn view(&self) -> LocalKeysView {
        let state = &self.state;
        let pair = |name: &str| Pair {
            keys: PerPlane::from_fn(|plane| state.peer(name, plane)),
            route: state.route(name),
        };
        LocalKeysView {
            public: PerPlane::from_fn(|plane| state.key(plane).map(|key| key.public)),
            epoch: state.mesh_epoch(),
            pairs: Pairs::Agreed(state.members().map(|(name, _)| (name.to_string(), pair(name))).collect()),
            rotating: !state.is_quiet(),
        }
    }

    /// What the kernel was brought to last, without those who are revoked by now; `None` if it was brought to nothing yet.
    pub(in crate::app) fn remaining(&self) -> Option<LocalKeysView> {
        let brought = self.brought.as_ref()?;
        let revoked = |name: &str| {
            let uid = self.state.members().find(|(member, _)| ***member == *name).map(|(_, uid)| uid);
            let record = self.state.record();
            uid.is_none_or(|uid| record.is_revoked(name, uid))
        };
        let mut view = LocalKeysView { public: self.view().public, ..brought.clone() };
        if let Pairs::Agreed(pairs) = &mut view.pairs {
            pairs.retain(|name, _| !revoked(name));
        }
        Some(view)
    }

    /// Whom to talk to about it, and how; what proves it is kept, for it takes a while to compute.
    pub(in crate::app) fn addressees(&mut self, underlay: &UnderlayFacts, spec: &MeshSpec) -> Addressees {
        let ours = |v4: bool| {
            underlay.addresses.iter().map(|own| own.address).find(|address: &IpAddr| address.is_ipv4() == v4)
        };
        let mut before = std::mem::take(&mut self.pairs);
        let (mut kept, keys, state) = (BTreeMap::new(), &self.keys, &self.state);
        let mut pair = |name: &str, plane: Plane| {
            let (ours, theirs) = (keys.get(plane).as_ref()?, state.peer(name, plane)?);
            let at = (ours.public(), theirs);
            let key = before.remove(&at).unwrap_or_else(|| Arc::new(PairKey::new(ours, theirs)));
            kept.insert(at, key.clone());
            Some(key)
        };
        let mut party = |name: &str| {
            let addresses = spec.known.get(name)?.addresses.clone();
            Some(Party { addresses, keys: PerPlane::from_fn(|plane| pair(name, plane)) })
        };
        let nodes = state.members().filter_map(|(name, _)| Some((name.clone(), party(name)?))).collect();
        self.pairs = kept;
        Addressees {
            from: [ours(true), ours(false)].into_iter().flatten().collect(),
            nodes,
            mtu: PerPlane::from_fn(|plane| spec.devices.get(&plane).map_or(0, |device| device.mtu)),
        }
    }

    /// What is published and not believed, as problems of the objects.
    pub(in crate::app) fn problems(&self, snapshot: &Snapshot) -> Vec<Problem> {
        let problem = |node: &str, why: &Refusal| Problem {
            source: snapshot.origin(Kind::RingfenceNode, node),
            kind: Kind::RingfenceNode.to_string(),
            object: ObjectName::new("", node),
            field: field(why).to_owned(),
            message: format!("{why}; until then what was agreed with it before stays"),
        };
        self.refusals.iter().map(|(node, why)| problem(node, why)).collect()
    }

    /// How the rotation stands, as this node sees it.
    pub(in crate::app) fn status(&self) -> RotationStatus {
        let state = &self.state;
        let record = state.record();
        let waiting = state.waiting(clock::moment()).into_iter();
        RotationStatus {
            rotating: state.is_rotating(),
            quiet: state.is_quiet(),
            serial: record.serial,
            turns: record.turns,
            waiting: waiting
                .map(|Waiting { plane, peer, reason, unheard }| WaitingStatus {
                    plane: plane.to_string(),
                    node: peer.to_string(),
                    reason: reason.to_string(),
                    unheard_seconds: unheard.as_secs(),
                })
                .collect(),
            unmade: self.unmade.clone(),
            refused: RefusedStatus::default(),
            revoked: record
                .judged
                .values()
                .filter_map(|judgement| record.last_judgement(&judgement.node))
                .filter(|(_, judgement)| judgement.revoked)
                .map(|(uid, judgement)| (uid.to_string(), judgement.node.to_string()))
                .collect(),
            head: self.journal.head().map(|head| (head.number, head.hash)),
        }
    }

    /// Seconds since our key on a plane was made.
    pub(in crate::app) fn age(&self, plane: Plane) -> Option<u64> {
        let file = self.store.path().join(format!("{}.key", plane.device()));
        let made = std::fs::metadata(file).ok()?.modified().ok()?;
        Some(made.elapsed().unwrap_or_default().as_secs())
    }

    /// The epoch of our key on a plane.
    pub(in crate::app) fn epoch(&self, plane: Plane) -> Option<u64> {
        self.keys.get(plane).as_ref().map(|key| key.epoch().get())
    }
}

fn field(why: &Refusal) -> &'static str {
    match why {
        Refusal::NotAMember { .. } | Refusal::Revoked { .. } => "spec.nodeUID",
        Refusal::Old { .. } | Refusal::Contradiction { .. } => "spec.serial",
        Refusal::ForeignKey { .. } | Refusal::RevokedKey { .. } => "spec.planes",
        Refusal::Leap { .. } => "spec.epoch",
    }
}
