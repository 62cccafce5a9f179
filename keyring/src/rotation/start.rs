//! A starting agent: what it takes over from disk, kernel and API, and what of it must not be used.

use std::collections::{BTreeMap, BTreeSet};

use super::Mistake;
use super::action::{Action, Remake};
use super::event::Found;
use super::mistake::Seeded;
use super::moment::Moment;
use super::published::{NodeName, NodeUid, OwnKey, Published};
use super::record::Record;
use super::state::{Peer, State};
use crate::plane::{PerPlane, Plane};

impl State {
    /// The state of node `me`, whose Node object has `uid`, from what its agent finds.
    #[must_use]
    pub fn start(now: Moment, me: NodeName, uid: NodeUid, found: Found) -> (State, Vec<Action>) {
        State::start_seeded(now, (me, uid), found, Seeded::default())
    }

    /// As [`State::start`], with a mistake planted.
    #[cfg(feature = "seeded-mistakes")]
    #[must_use]
    pub fn start_with(
        now: Moment,
        me: NodeName,
        uid: NodeUid,
        found: Found,
        mistake: Option<Mistake>,
    ) -> (State, Vec<Action>) {
        State::start_seeded(now, (me, uid), found, Seeded(mistake))
    }

    fn start_seeded(
        now: Moment,
        (me, uid): (NodeName, NodeUid),
        found: Found,
        seeded: Seeded,
    ) -> (State, Vec<Action>) {
        let published = found.published.as_deref().filter(|published| published.uid == uid);
        let record = found.record.filter(|record| record.node_uid == uid);
        let mut why = if record.is_none() { Some(Remake::NoRecord) } else { None };
        let mut record = record.unwrap_or_else(|| Record::new(uid, found.mesh));
        if record.remaking {
            why = why.or(Some(Remake::Unfinished));
        }
        if published.is_some_and(|published| is_newer(published, &record))
            && !seeded.makes(Mistake::UseOldDisk)
        {
            why = why.or(Some(Remake::DiskIsOld));
        }
        let made = PerPlane::from_fn(|plane| settle_disk(&mut record, plane, *found.keys.get(plane)));
        if Plane::ALL.into_iter().any(|plane| *made.get(plane) == Disk::Disagrees) {
            why = why.or(Some(Remake::DiskDisagrees));
        }
        record.serial = record.serial.max(published.map_or(0, |published| published.serial));
        if seeded.makes(Mistake::ForgetSerials) {
            record.peers.values_mut().for_each(|known| known.serial = 0);
        }
        if seeded.makes(Mistake::ForgetRevocation) {
            record.judged.clear();
        }
        let mut state = State {
            me,
            peers: peers(now, &record, &found.routes, &found.peers),
            owners: owners(&record),
            record,
            unsaved: true,
            holding: PerPlane { zero: BTreeSet::new(), one: BTreeSet::new() },
            pending: BTreeSet::new(),
            free_since: PerPlane::default(),
            listed: false,
            acknowledged: 0,
            written_at: None,
            goal: found.mesh,
            fresh_goal: None,
            turn_goal: 0,
            forced: None,
            forced_turn: None,
            rotate_every: None,
            epoch_since: now,
            outdated: BTreeMap::new(),
            heeded: BTreeSet::new(),
            claimed_since: None,
            renewed: false,
            seeded,
        };
        if state.is_believable(found.mesh) {
            state.record.mesh = state.record.mesh.max(found.mesh);
        }
        let mut actions = Vec::new();
        state.resume(why, made, &mut actions);
        state.acknowledge(published);
        state.finish(now, &mut actions);
        (state, actions)
    }

    fn resume(&mut self, why: Option<Remake>, made: PerPlane<Disk>, actions: &mut Vec<Action>) {
        let revoked = |(name, peer): &(&NodeName, &Peer)| self.record.is_revoked(name, &peer.uid);
        let revoked: Vec<NodeName> =
            self.peers.iter().filter(revoked).map(|(name, _)| name.clone()).collect();
        for name in &revoked {
            self.detach(name, actions);
        }
        if let Some(why) = why {
            self.remake(why, actions);
            return;
        }
        for plane in Plane::ALL {
            match *made.get(plane) {
                Disk::Made(key) => self.key_made(plane, key, actions),
                Disk::Lacking => {
                    let other = self.record.keys.get(plane.other()).map(|key| key.epoch);
                    let old = *self.record.keys.get(plane);
                    let epoch = match old {
                        Some(old) if self.record.leaving.get(plane).is_some() => Some(old.epoch),
                        _ => other.and_then(crate::Epoch::next),
                    };
                    actions.extend(old.map(|old| Action::Retire { plane, public: old.public }));
                    actions.extend(epoch.map(|epoch| Action::MakeKey { plane, epoch }));
                }
                Disk::Fits | Disk::Disagrees => {}
            }
        }
        let names: Vec<NodeName> = self.peers.keys().cloned().collect();
        for name in &names {
            self.hold(name);
        }
    }

    fn acknowledge(&mut self, published: Option<&Published>) {
        if published.is_some_and(|published| self.published().as_deref() == Some(published)) {
            self.acknowledged = self.record.serial;
        }
    }
}

/// How a key on disk and the record go together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Disk {
    /// It is the one on record.
    Fits,
    /// It was made just before the agent stopped.
    Made(OwnKey),
    /// The old one is gone and the new one is not there yet.
    Lacking,
    /// No honest history leads here.
    Disagrees,
}

fn settle_disk(record: &mut Record, plane: Plane, disk: Option<OwnKey>) -> Disk {
    let recorded = *record.keys.get(plane);
    match disk {
        Some(_) if disk == recorded => {
            // If it was to go, it has not gone: whether it may is looked at again.
            *record.retiring.get_mut(plane) = false;
            Disk::Fits
        }
        Some(key) if *record.retiring.get(plane) => Disk::Made(key),
        None if *record.retiring.get(plane) => Disk::Lacking,
        _ => Disk::Disagrees,
    }
}

/// Whether the object tells of keys that the disk does not know.
fn is_newer(published: &Published, record: &Record) -> bool {
    let differs =
        |plane| record.keys.get(plane).is_none_or(|key| key.public != published.planes.get(plane).public);
    published.serial > record.serial
        || (published.serial == record.serial && Plane::ALL.into_iter().any(differs))
}

/// Whose the keys are that were published when the record was written: who was known first is remembered.
fn owners(record: &Record) -> BTreeMap<crate::PublicKey, NodeName> {
    let of_peer = |(name, known): (&NodeName, &super::record::Known)| {
        known.keys.iter().map(|key| (*key, name.clone())).collect::<Vec<_>>()
    };
    record.peers.iter().flat_map(of_peer).collect()
}

fn peers(
    now: Moment,
    record: &Record,
    routes: &BTreeMap<NodeName, Plane>,
    configured: &PerPlane<BTreeMap<NodeName, crate::PublicKey>>,
) -> BTreeMap<NodeName, Peer> {
    let peer = |(name, known): (&NodeName, &super::record::Known)| {
        let mut peer = Peer::new(known.uid.clone(), now);
        peer.sending = routes.get(name).copied();
        // Whatever promise rested on it still holds.
        peer.proven = peer.sending.is_some();
        peer.configured = PerPlane::from_fn(|plane| configured.get(plane).get(name).copied());
        (name.clone(), peer)
    };
    record.peers.iter().map(peer).collect()
}
