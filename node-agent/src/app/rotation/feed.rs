//! What happens, as events: what the source of objects says, what was received, time.
use super::{Rotation, clock};
use crate::desired::Snapshot;
use crate::model::{MeshEpoch, Node, Revocation, RotationRequest};
use ringfence_keyring::rotation::{Event, NodeName, NodeUid, Request};
use ringfence_keyring::{Epoch, Plane, PublicKey, Publication};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Time passes for the protocol this often.
const TICK: Duration = Duration::from_millis(900);

type Map<T> = Arc<BTreeMap<String, Arc<T>>>;

/// What was handed in already, so that only what differs is.
#[derive(Debug, Default)]
pub(super) struct Fed {
    pub(super) publications: BTreeMap<String, Arc<Publication>>,
    mesh: Option<MeshEpoch>,
    rotations: Map<RotationRequest>,
    revocations: Map<Revocation>,
    listed: bool,
}

impl Rotation {
    /// Hands in what a snapshot says that was not handed in before. `believed`: nodes with their UIDs.
    pub(in crate::app) fn feed(&mut self, snapshot: &Snapshot, believed: &BTreeMap<String, String>) {
        self.feed_nodes(snapshot, believed);
        if !Arc::ptr_eq(&self.fed.revocations, &snapshot.revocations) {
            self.fed.revocations = snapshot.revocations.clone();
            self.feed_revocations(snapshot);
        }
        let news = snapshot.publications.iter().filter(|(name, published)| {
            self.fed.publications.get(*name).is_none_or(|fed| !Arc::ptr_eq(fed, published))
        });
        let mut news: Vec<(String, Arc<Publication>)> =
            news.map(|(name, published)| (name.clone(), published.clone())).collect();
        // Of two that show one key, whoever was read first is believed: who is not known yet, by the age of its Node object.
        news.sort_by_cached_key(|(name, _)| age(name, snapshot.nodes.get(name).map(Arc::as_ref)));
        for (name, published) in news {
            self.step(Event::Read(Arc::new(published.published())));
            self.fed.publications.insert(name, published);
        }
        self.fed.publications.retain(|name, _| snapshot.publications.contains_key(name));
        let mesh = snapshot.mesh_epoch();
        if self.fed.mesh.replace(mesh) != Some(mesh) {
            self.feed_mesh(mesh);
        }
        if !Arc::ptr_eq(&self.fed.rotations, &snapshot.rotations) {
            self.fed.rotations = snapshot.rotations.clone();
            self.feed_requests(&snapshot.rotations);
        }
        if !std::mem::replace(&mut self.fed.listed, true) {
            self.step(Event::Listed);
        }
    }

    fn feed_nodes(&mut self, snapshot: &Snapshot, believed: &BTreeMap<String, String>) {
        let is_there = |name: &NodeName, uid: &NodeUid| {
            snapshot.nodes.get(&**name).is_some_and(|node| *node.uid == **uid)
        };
        let members: Vec<(NodeName, NodeUid)> =
            self.state.members().map(|(name, uid)| (name.clone(), uid.clone())).collect();
        for (node, uid) in members.iter().filter(|(name, uid)| !is_there(name, uid)) {
            self.step(Event::Left { node: node.clone(), uid: uid.clone() });
        }
        let known: BTreeMap<&str, &str> =
            members.iter().filter(|(name, uid)| is_there(name, uid)).map(|(n, u)| (&**n, &**u)).collect();
        for (name, uid) in believed.iter().filter(|(name, _)| !known.contains_key(name.as_str())) {
            // What it published could not be believed before.
            self.fed.publications.remove(name);
            self.step(Event::Joined { node: name.as_str().into(), uid: uid.as_str().into() });
        }
    }

    fn feed_revocations(&mut self, snapshot: &Snapshot) {
        for (name, Revocation { node_uid, number, revoked }) in
            snapshot.revocations.iter().map(|(name, revocation)| (name, &**revocation))
        {
            let shown = snapshot.publications.get(name).filter(|shown| shown.uid() == node_uid);
            let keys = shown.map(|shown| shown.published().keys().collect()).unwrap_or_default();
            if !revoked {
                self.fed.publications.remove(name);
            }
            let (node, uid) = (name.as_str().into(), node_uid.as_str().into());
            self.step(Event::Judged { node, uid, number: *number, revoked: *revoked, keys });
        }
    }

    fn feed_mesh(&mut self, MeshEpoch { epoch, since }: MeshEpoch) {
        let age = if since == 0 { 0 } else { clock::unix().saturating_sub(since) };
        self.step(Event::Mesh { epoch, age: Duration::from_secs(age) });
    }

    fn feed_requests(&mut self, requests: &BTreeMap<String, Arc<RotationRequest>>) {
        for RotationRequest { node, from, fresh, force } in requests.values().map(|request| &**request) {
            let (fresh, force) = (*fresh, *force);
            let request = match (node, Epoch::new(*from)) {
                (Some(node), _) => Request::Node { node: node.as_str().into(), from: *from, force },
                (None, Ok(from)) => Request::All { from, fresh, force },
                (None, Err(_)) => continue,
            };
            self.step(Event::Requested(request));
        }
    }

    /// Time passes, if it is time. What was refused is read again: it may have become a matter of time.
    pub(in crate::app) fn tick(&mut self) {
        let now = clock::moment();
        if now.since(self.ticked) < TICK {
            return;
        }
        self.ticked = now;
        let believed = |(name, published): (&String, &Arc<Publication>)| {
            let serial = self.state.believed(name).map(|believed| believed.serial);
            serial == Some(published.progress().serial) && !self.refusals.contains_key(name.as_str())
        };
        let me = self.state.node().clone();
        let others = self.fed.publications.iter().filter(|(name, _)| ***name != *me);
        let again: Vec<Arc<Publication>> =
            others.filter(|fed| !believed(*fed)).map(|(_, published)| published.clone()).collect();
        for published in again {
            self.step(Event::Read(Arc::new(published.published())));
        }
        self.forget_refusals();
        if let Some(mesh) = self.fed.mesh.filter(|mesh| mesh.epoch < self.state.mesh_epoch()) {
            self.feed_mesh(mesh);
        }
        self.step(Event::Tick);
    }

    /// Refusals of what nobody publishes any more.
    fn forget_refusals(&mut self) {
        let stands = |name: &NodeName| {
            let published = self.fed.publications.get(&**name);
            published.is_some_and(|published| {
                self.state.believed(name).is_none_or(|believed| **believed != published.published())
            })
        };
        let me = self.state.node().clone();
        let gone: Vec<NodeName> =
            self.refusals.keys().filter(|name| **name != me && !stands(name)).cloned().collect();
        gone.iter().for_each(|name| drop(self.refusals.remove(name)));
    }

    /// Takes in how much was received from whom: who sent something is there.
    pub(in crate::app) fn take_counters(&mut self, received: BTreeMap<(Plane, PublicKey), u64>) {
        let grown: Vec<(Plane, PublicKey)> = received
            .iter()
            .filter(|(at, bytes)| self.received.get(at).is_some_and(|before| before < bytes))
            .map(|(at, _)| *at)
            .collect();
        self.received = received;
        let heard: Vec<NodeName> = self
            .state
            .members()
            .map(|(name, _)| name)
            .filter(|name| grown.iter().any(|(plane, key)| self.state.peer(name, *plane) == Some(*key)))
            .cloned()
            .collect();
        for name in heard {
            self.step(Event::Heard(name));
        }
    }
}

/// Who comes first where nobody is known yet: older Node objects, then those whose age is not said.
fn age(name: &str, node: Option<&Node>) -> (bool, String, String) {
    let created = node.map(|node| node.created.clone()).unwrap_or_default();
    (created.is_empty(), created, name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_nodes_that_nobody_knows_yet_the_one_with_the_older_object_is_read_first() {
        let node = |name: &str, created: &str| Node {
            name: name.to_owned(),
            uid: format!("uid-{name}"),
            created: created.to_owned(),
            labels: Arc::default(),
            pod_cidrs: Vec::new(),
            addresses: Vec::new(),
        };
        let mut nodes = [
            node("a", "2026-03-01T00:00:00Z"),
            node("b", ""),
            node("c", "2026-01-01T00:00:00Z"),
            node("d", "2026-03-01T00:00:00Z"),
        ];
        nodes.sort_by_cached_key(|node| age(&node.name, Some(node)));
        assert_eq!(nodes.map(|node| node.name), ["c", "a", "d", "b"]);
    }
}
