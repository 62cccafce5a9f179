//! What a node knows, and the step from one state to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::action::Action;
use super::event::Event;
use super::mistake::Seeded;
use super::moment::{Moment, RETRY};
use super::published::{NodeName, NodeUid, OwnKey, Published, PublishedKey, Word};
use super::record::Record;
use crate::epoch::Epoch;
use crate::key::PublicKey;
use crate::plane::{PerPlane, Plane};

/// One node's part in the protocol. Holds no secrets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub(super) me: NodeName,
    /// The durable part.
    pub(super) record: Record,
    /// Whether `record` has changed since it was persisted.
    pub(super) unsaved: bool,
    pub(super) peers: BTreeMap<NodeName, Peer>,
    /// The peers that keep a plane's key in use.
    pub(super) holding: PerPlane<BTreeSet<NodeName>>,
    /// Whose the keys are that peers have published: an index of what the record says.
    pub(super) owners: BTreeMap<PublicKey, NodeName>,
    /// The peers that were not moved, proven and told of it yet.
    pub(super) pending: BTreeSet<NodeName>,
    /// Since when nobody does, on planes whose key is to be replaced.
    pub(super) free_since: PerPlane<Option<Moment>>,
    /// Whether what was there at the start has been read.
    pub(super) listed: bool,
    /// Our newest publication known to be in the API.
    pub(super) acknowledged: u64,
    /// When it was last tried to write it.
    pub(super) written_at: Option<Moment>,
    /// The epoch that requests want the mesh to reach.
    pub(super) goal: Epoch,
    /// The epoch before which idle keys shall be made anew.
    pub(super) fresh_goal: Option<Epoch>,
    /// The number of turns that requests want this node to have begun.
    pub(super) turn_goal: u64,
    /// Keys below this epoch are replaced whoever still uses them.
    pub(super) forced: Option<Epoch>,
    /// The turn in which this node waits for nobody.
    pub(super) forced_turn: Option<u64>,
    pub(super) rotate_every: Option<Duration>,
    /// Since when the mesh is at its epoch.
    pub(super) epoch_since: Moment,
    /// What we publish of others, see [`Published::outdated`].
    pub(super) outdated: BTreeMap<NodeName, u64>,
    /// Peers that were once believed, since the start, that they saw newer publications of ours.
    pub(super) heeded: BTreeSet<NodeName>,
    /// Since when some say so who were not yet.
    pub(super) claimed_since: Option<Moment>,
    /// Whether both keys were made since the start.
    pub(super) renewed: bool,
    pub(super) seeded: Seeded,
}

/// What a node knows of another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    pub(super) uid: NodeUid,
    /// Its newest publication, once read.
    pub(super) published: Option<Arc<Published>>,
    /// The key it has on each of our devices.
    pub(super) configured: PerPlane<Option<PublicKey>>,
    /// The plane that our route to it leads to.
    pub(super) sending: Option<Plane>,
    /// Whether a probe over that plane was ever answered.
    pub(super) proven: bool,
    /// Whether one was not, over the plane we want.
    pub(super) unanswered: bool,
    pub(super) probing: PerPlane<bool>,
    /// The planes on which it never again uses our present key, by its word.
    pub(super) off: PerPlane<bool>,
    pub(super) heard: Moment,
    pub(super) given_up: bool,
    /// Our newest word that reached it.
    pub(super) told: Option<Word>,
    /// Since when what it publishes is older than what we have seen.
    pub(super) stale_since: Option<Moment>,
    #[cfg(feature = "seeded-mistakes")]
    pub(super) late: bool,
}

impl Peer {
    pub(super) fn new(uid: NodeUid, now: Moment) -> Peer {
        Peer {
            uid,
            published: None,
            configured: PerPlane::default(),
            sending: None,
            proven: false,
            unanswered: false,
            probing: PerPlane::default(),
            off: PerPlane::default(),
            heard: now,
            given_up: false,
            told: None,
            stale_since: None,
            #[cfg(feature = "seeded-mistakes")]
            late: false,
        }
    }

    pub(super) fn key(&self, plane: Plane) -> Option<&PublishedKey> {
        self.published.as_ref().map(|published| published.planes.get(plane))
    }
}

impl State {
    /// What follows when `event` happens at `now`. The state is changed in place; carry the actions out in order.
    pub fn step(&mut self, now: Moment, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        self.dispatch(now, event, &mut actions);
        self.finish(now, &mut actions);
        actions
    }

    fn dispatch(&mut self, now: Moment, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::Joined { node, uid } => self.joined(now, node, uid, actions),
            Event::Left { node, uid } => self.left(&node, &uid, actions),
            Event::Read(published) => self.read(now, published, actions),
            Event::Listed => {
                self.listed = true;
                self.heed(now, actions);
            }
            Event::Published(serial) => self.acknowledged = self.acknowledged.max(serial),
            Event::Mesh { epoch, age } => self.mesh(now, epoch, age, actions),
            Event::Requested(request) => self.requested(&request),
            Event::Judged { node, uid, number, revoked, keys } => {
                self.judged(now, (&node, &uid), (number, revoked), &keys, actions);
            }
            Event::KeyMade { plane, key } => self.key_made(plane, key, actions),
            Event::ProbeAnswered { peer, plane, ours, theirs } => {
                self.probe_answered(&peer, plane, (ours, theirs), actions);
            }
            Event::ProbeUnanswered { peer, plane } => self.probe_unanswered(&peer, plane),
            Event::Word { from, word } => self.word(&from, word),
            Event::Told { peer, word } => {
                if let Some(peer) = self.peers.get_mut(&peer) {
                    peer.told = Some(word);
                }
            }
            Event::Heard(node) => self.heard(now, &node),
            Event::Tick => self.tick(now, actions),
        }
    }

    /// What every step ends with: whether planes are free, and the record to be written before all else.
    pub(super) fn finish(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if actions.iter().any(|action| matches!(action, Action::Publish(_))) {
            self.written_at = Some(now);
        }
        for plane in Plane::ALL {
            let free = self.is_due(plane) && self.holding.get(plane).is_empty();
            let since = self.free_since.get_mut(plane);
            *since = if free { since.or(Some(now)) } else { None };
        }
        if std::mem::take(&mut self.unsaved) {
            if self.seeded.makes(super::Mistake::PersistLast) {
                actions.push(Action::Persist);
            } else {
                actions.insert(0, Action::Persist);
            }
        }
    }

    fn heard(&mut self, now: Moment, node: &NodeName) {
        let Some(peer) = self.peers.get_mut(node) else { return };
        peer.heard = now;
        if !self.seeded.makes(super::Mistake::CutHeardPeer) && std::mem::take(&mut peer.given_up) {
            self.hold(node);
        }
    }

    fn tick(&mut self, now: Moment, actions: &mut Vec<Action>) {
        self.replace_key(now, actions);
        self.give_up(now, actions);
        self.ask_again(actions);
        let tried = self.written_at.is_some_and(|at| now.since(at) < RETRY);
        if self.acknowledged < self.record.serial
            && !tried
            && let Some(published) = self.published()
        {
            actions.push(Action::Publish(published));
        }
        self.flag(now, actions);
        self.heed(now, actions);
        self.raise(now, actions);
        let waiting = self.waiting(now);
        if !waiting.is_empty() {
            actions.push(Action::Report(super::Report::Waiting(waiting)));
        }
    }

    /// Our key on a plane, unless it is being replaced.
    pub(super) fn own(&self, plane: Plane) -> Option<OwnKey> {
        let key = *self.record.keys.get(plane);
        key.filter(|_| !self.record.retiring.get(plane))
    }

    /// What we publish; `None` while a key is lacking.
    #[must_use]
    pub fn published(&self) -> Option<Arc<Published>> {
        let planes = PerPlane::try_from_fn(|plane| {
            let OwnKey { epoch, public } = self.own(plane).ok_or(())?;
            let leaving = self.record.leaving.get(plane).is_some();
            Ok::<_, ()>(PublishedKey { public, epoch, leaving })
        });
        Some(Arc::new(Published {
            node: self.me.clone(),
            uid: self.record.node_uid.clone(),
            serial: self.record.serial,
            planes: planes.ok()?,
            turns: self.record.turns,
            fresh: self.record.fresh,
            outdated: self.outdated.clone(),
        }))
    }

    /// Publishes what there is to publish, under a new serial.
    pub(super) fn publish(&mut self, actions: &mut Vec<Action>) {
        self.record.serial += 1;
        self.unsaved = true;
        actions.extend(self.published().map(Action::Publish));
    }
}
