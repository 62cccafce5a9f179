//! The plan of one WireGuard device.
use super::{
    Action, Backend, DeviceKind, GREETING, ObservedControl, ObservedDevice, ObservedMesh, ObservedPeer,
    PATIENCE, PeerChange, SILENCE,
};
use crate::mesh::spec::{DeviceSpec, PeerSpec};
use ipnetwork::IpNetwork;
use ringfence_keyring::{Plane, PublicKey};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The plane whose device a sysctl is about.
pub(super) fn of(path: &str) -> Option<Plane> {
    Plane::ALL.into_iter().find(|plane| path.split('/').any(|part| part == plane.device()))
}

/// Steps for one device, each part in order.
pub(super) struct Steps {
    /// Before the routes: programs before key, peers and `up`.
    pub(super) before: Vec<Action>,
    /// Behind them: peers that go, and the key, once nothing is sent there any more.
    pub(super) after: Vec<Action>,
}

/// Steps for one device.
pub(super) fn plan(
    plane: Plane,
    observed: &ObservedMesh,
    spec: &DeviceSpec,
    sysctls: &BTreeMap<String, String>,
    backend: Backend,
) -> Steps {
    let mut actions = Vec::new();
    let found = observed.devices.get(&plane);
    let usable = found.filter(|device| is_usable(device, spec, backend));
    if usable.is_none() {
        if found.is_some() {
            actions.push(Action::DeleteDevice(plane));
        }
        if spec.public_key.is_none() && backend == Backend::Userspace {
            return Steps { before: actions, after: Vec::new() };
        }
        actions.push(Action::CreateDevice { plane, mtu: spec.mtu });
    }
    for (path, value) in sysctls.iter().filter(|(path, _)| of(path) == Some(plane)) {
        let right = observed.sysctls.get(path) == Some(value);
        let absent = !observed.sysctls.contains_key(path) && path.starts_with("net/ipv6/");
        if usable.is_none() || !(right || absent) {
            actions.push(Action::SetSysctl { path: path.clone(), value: value.clone() });
        }
    }
    if usable.is_some_and(|device| device.mtu != spec.mtu) {
        actions.push(Action::SetMtu(plane, spec.mtu));
    }
    if !usable.is_some_and(|device| device.programs) {
        actions.push(Action::AttachPrograms(plane));
    }
    let none = BTreeSet::new();
    let addresses = usable.map_or(&none, |device| &device.addresses);
    actions.extend(spec.addresses.difference(addresses).map(|address| Action::AddAddress(plane, *address)));
    actions
        .extend(addresses.difference(&spec.addresses).map(|address| Action::DeleteAddress(plane, *address)));
    let nothing = ObservedControl::default();
    let control = usable.and_then(|device| device.control.as_ref()).unwrap_or(&nothing);
    let Steps { before, mut after } = key_and_peers(plane, control, spec);
    if backend == Backend::Userspace && after.contains(&Action::ClearKey(plane)) {
        // The process takes all that it knew of the key along.
        after = vec![Action::DeleteDevice(plane)];
    }
    actions.extend(before);
    if !usable.is_some_and(|device| device.up) {
        actions.push(Action::LinkUp(plane));
    }
    Steps { before: actions, after }
}

/// An embedded WireGuard gets no other key than its first: it would open its port anew, sometimes before it has quite
/// closed it, and the old key could stay in its memory.
fn is_usable(device: &ObservedDevice, spec: &DeviceSpec, backend: Backend) -> bool {
    let kind = match backend {
        Backend::Kernel => DeviceKind::Kernel,
        Backend::Userspace => DeviceKind::Userspace,
    };
    let Some(control) = device.control.as_ref().filter(|_| device.kind == kind) else { return false };
    let other = control.public_key.is_some() && control.public_key != spec.public_key;
    backend == Backend::Kernel || spec.public_key.is_none() || !other
}

fn key_and_peers(plane: Plane, control: &ObservedControl, spec: &DeviceSpec) -> Steps {
    let mut actions = Vec::new();
    let mut peers = &control.peers;
    let nobody = BTreeMap::new();
    if let Some(public_key) = spec.public_key {
        let (right_key, listen_port) = (control.public_key == Some(public_key), spec.listen_port);
        if !right_key && !peers.is_empty() {
            // With another key alone, packets of sessions under the old one would still be taken.
            actions.push(Action::ChangePeers(plane, peers.keys().copied().map(PeerChange::Remove).collect()));
            peers = &nobody;
        }
        if !right_key || control.listen_port != listen_port {
            actions.push(Action::SetKey { plane, public_key, listen_port });
        }
    }
    let mut changes = changes(peers, &spec.peers);
    changes.extend(control.impossible.iter().copied().map(PeerChange::RemoveImpossible));
    if !changes.is_empty() {
        actions.push(Action::ChangePeers(plane, changes));
    }
    let gone = peers.keys().filter(|key| !spec.peers.contains_key(key)).copied().map(PeerChange::Remove);
    let gone: Vec<PeerChange> = gone.collect();
    let mut after = Vec::new();
    if !gone.is_empty() {
        after.push(Action::ChangePeers(plane, gone));
    }
    if spec.public_key.is_none() && control.public_key.is_some() {
        after.push(Action::ClearKey(plane));
    }
    Steps { before: actions, after }
}

/// First what peers gain, which takes it from those that had it without a gap, then what nobody keeps. Those that go,
/// go later.
fn changes(
    observed: &BTreeMap<PublicKey, ObservedPeer>,
    desired: &BTreeMap<PublicKey, PeerSpec>,
) -> Vec<PeerChange> {
    let mut sets = Vec::new();
    let mut moved: BTreeSet<IpNetwork> = BTreeSet::new();
    for (key, spec) in desired {
        let found = observed.get(key);
        let add: BTreeSet<_> = match found {
            Some(found) => spec.allowed.difference(&found.allowed).copied().collect(),
            None => spec.allowed.clone(),
        };
        moved.extend(&add);
        let keepalive = keepalive(found, spec);
        let change = PeerChange::Set {
            key: *key,
            endpoint: sets_endpoint(found, spec).then_some(spec.endpoint),
            keepalive: (keepalive != found.map_or(0, |found| found.keepalive)).then_some(keepalive),
            add,
            clear_preshared: found.is_some_and(|found| found.preshared),
        };
        if found.is_none() || !is_empty(&change) {
            sets.push(change);
        }
    }
    let kept = observed.iter().filter_map(|(key, found)| Some((key, found, desired.get(key)?)));
    let drops = kept.filter_map(|(key, found, spec)| {
        let surplus = found.allowed.difference(&spec.allowed);
        let networks: BTreeSet<_> = surplus.filter(|network| !moved.contains(network)).copied().collect();
        (!networks.is_empty()).then_some(PeerChange::Drop { key: *key, networks })
    });
    sets.into_iter().chain(drops).collect()
}

fn is_empty(change: &PeerChange) -> bool {
    matches!(change, PeerChange::Set { endpoint: None, keepalive: None, add, clear_preshared: false, .. } if add.is_empty())
}

/// A peer that was never met is greeted: WireGuard sends a keepalive as soon as one is asked for, and with it a handshake.
/// A node that was rebooted is heard by its peers at once then; left alone, each would find out 15 s after it has sent
/// something in vain. The one that does not begin gives the other a moment.
fn keepalive(found: Option<&ObservedPeer>, spec: &PeerSpec) -> u16 {
    let known = found.map_or(Duration::ZERO, |found| found.known);
    let met = found.is_some_and(|found| found.handshake.is_some());
    match (met, spec.begins || known >= PATIENCE) {
        (false, false) => 0,
        (false, true) if spec.keepalive == 0 && known < SILENCE => GREETING,
        _ => spec.keepalive,
    }
}

/// Set for a new peer, when the publication changed, and after silence; else WireGuard's own roaming owns it.
fn sets_endpoint(found: Option<&ObservedPeer>, spec: &PeerSpec) -> bool {
    let Some(found) = found else { return true };
    let Some(current) = found.endpoint else { return true };
    let republished = found.published.is_some_and(|before| before != spec.endpoint);
    let silent = found.handshake.is_none_or(|age| age >= SILENCE);
    current != spec.endpoint && (republished || silent)
}
