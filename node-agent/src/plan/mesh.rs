//! What has to be done so that the mesh becomes what it shall be, in an order in which no moment is wrong.
//!
//! 1. Blackholes, rules and the lock, so that whatever is not there yet is dropped, not sent in the clear.
//! 2. NAT, so that the first packet onto the mesh has the right source; and who talks to the agent.
//! 3. Devices: programs before key, peers and `up`.
//! 4. Routes onto the devices (a plane switch is a replacement in place).
//! 5. What is not wanted any more: routes, then peers and keys that nothing is sent by now.
//! 6. Forwarding, last: before, a pod reaches nobody.

mod device;
mod observed;
#[cfg(test)]
mod tests;

pub use observed::{DeviceKind, ObservedControl, ObservedDevice, ObservedMesh, ObservedPeer, ObservedRoute};

use crate::mesh::spec::{LockSpec, MeshSpec, NatSpec, RouteSpec, RouteVia, RuleSpec, WordsSpec};
use ipnetwork::IpNetwork;
use ringfence_keyring::{Plane, PublicKey};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// After this time without a handshake a peer counts as silent, and its published endpoint is tried again. WireGuard
/// itself gives a session up after as long (`REJECT_AFTER_TIME`).
pub const SILENCE: Duration = Duration::from_secs(180);
/// So long the side that does not begin waits for the other's handshake before it sends a keepalive itself: two that begin
/// at the same instant hold each other up for 5 s (`REKEY_TIMEOUT`).
pub const PATIENCE: Duration = Duration::from_millis(500);
/// Seconds between keepalives to a peer that was never met, until it is or counts as silent.
pub const GREETING: u16 = 25;

/// Which WireGuard is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backend {
    /// The kernel's.
    Kernel,
    /// The embedded one on a TUN device.
    Userspace,
}

/// One step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Adds a route, or replaces the one with the same table, destination and metric.
    SetRoute(RouteSpec),
    /// Removes one of our routes.
    DeleteRoute(ObservedRoute),
    /// Adds a rule.
    AddRule(RuleSpec),
    /// Removes one of our rules.
    DeleteRule(RuleSpec),
    /// Replaces what our nftables table locks.
    ReplaceLock(LockSpec),
    /// Replaces our nftables table of sources as a whole.
    ReplaceNat(NatSpec),
    /// Replaces whose words reach the agent.
    ReplaceWords(WordsSpec),
    /// Writes a file below `/proc/sys`.
    SetSysctl {
        /// As in `net/ipv4/ip_forward`.
        path: String,
        /// What to write.
        value: String,
    },
    /// Removes a device, and the process behind it.
    DeleteDevice(Plane),
    /// Makes a device, which stays down.
    CreateDevice {
        /// Which.
        plane: Plane,
        /// Bytes.
        mtu: u32,
    },
    /// Sets the MTU in bytes.
    SetMtu(Plane, u32),
    /// Adds an address.
    AddAddress(Plane, IpNetwork),
    /// Removes an address that is not ours.
    DeleteAddress(Plane, IpNetwork),
    /// Puts the eBPF programs onto the device. If that fails, nothing more is done to the device.
    AttachPrograms(Plane),
    /// Gives the device its own private key, whose public half this is, and its UDP port.
    SetKey {
        /// Which device.
        plane: Plane,
        /// What the private key must fit.
        public_key: PublicKey,
        /// Host order.
        listen_port: u16,
    },
    /// Puts a key that nobody keeps in the place of the device's own, which has no peers by then.
    ClearKey(Plane),
    /// Changes peers, in this order.
    ChangePeers(Plane, Vec<PeerChange>),
    /// Brings the device up.
    LinkUp(Plane),
}

/// A change of one peer. Nothing that is not named changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PeerChange {
    /// Adds the peer or changes it.
    Set {
        /// Which.
        key: PublicKey,
        /// New endpoint, if it changes.
        endpoint: Option<SocketAddr>,
        /// New keepalive interval in seconds, if it changes; 0 is off.
        keepalive: Option<u16>,
        /// Networks it gains. One that another peer has moves over in one step.
        add: BTreeSet<IpNetwork>,
        /// A preshared key that somebody set is cleared.
        clear_preshared: bool,
    },
    /// Takes networks away that no other peer gains.
    Drop {
        /// Which.
        key: PublicKey,
        /// What it loses.
        networks: BTreeSet<IpNetwork>,
    },
    /// Removes the peer.
    Remove(PublicKey),
    /// Removes a peer under a key that nobody can hold the private half of (of small order, or not canonical).
    RemoveImpossible([u8; 32]),
}

/// The plan.
#[must_use]
pub fn plan(observed: &ObservedMesh, desired: &MeshSpec, backend: Backend) -> Vec<Action> {
    let mut actions = Vec::new();
    let (blackholes, real): (Vec<_>, Vec<_>) = desired
        .routes
        .iter()
        .filter(|route| !observed.has(route))
        .partition(|route| route.via == RouteVia::Blackhole);
    actions.extend(blackholes.into_iter().cloned().map(Action::SetRoute));
    actions.extend(desired.rules.difference(&observed.rules).cloned().map(Action::AddRule));
    if observed.lock.as_ref() != Some(&desired.lock) {
        actions.push(Action::ReplaceLock(desired.lock.clone()));
    }
    if observed.nat.as_ref() != Some(&desired.nat) {
        actions.push(Action::ReplaceNat(desired.nat.clone()));
    }
    if observed.words.as_ref() != Some(&desired.words) {
        actions.push(Action::ReplaceWords(desired.words.clone()));
    }
    let mut last = Vec::new();
    for (plane, spec) in &desired.devices {
        let device::Steps { before, after } = device::plan(*plane, observed, spec, &desired.sysctls, backend);
        actions.extend(before);
        last.extend(after);
    }
    for plane in observed.devices.keys().filter(|plane| !desired.devices.contains_key(plane)) {
        actions.push(Action::DeleteDevice(*plane));
    }
    // A device that is made anew took its routes with it, whatever was observed.
    let remade: BTreeSet<Plane> = actions
        .iter()
        .filter_map(|action| match action {
            Action::CreateDevice { plane, .. } => Some(*plane),
            _ => None,
        })
        .collect();
    let lost = desired.routes.iter().filter(|route| {
        observed.has(route) && matches!(route.via, RouteVia::Plane(plane, _) if remade.contains(&plane))
    });
    actions.extend(real.into_iter().chain(lost).cloned().map(Action::SetRoute));
    actions.extend(stray_routes(observed, desired).cloned().map(Action::DeleteRoute));
    actions.extend(observed.rules.difference(&desired.rules).cloned().map(Action::DeleteRule));
    actions.extend(last);
    let global = desired.sysctls.iter().filter(|(path, _)| device::of(path).is_none());
    for (path, value) in global {
        // A file that is not there is written to all the same, for the error; but not having IPv6 is none.
        let (found, absent) = (observed.sysctls.get(path), path.starts_with("net/ipv6/"));
        if found != Some(value) && !(found.is_none() && absent) {
            actions.push(Action::SetSysctl { path: path.clone(), value: value.clone() });
        }
    }
    actions
}

/// Our routes that are neither desired nor replaced by one that is.
fn stray_routes<'a>(
    observed: &'a ObservedMesh,
    desired: &MeshSpec,
) -> impl Iterator<Item = &'a ObservedRoute> {
    let wanted: BTreeSet<_> =
        desired.routes.iter().map(|route| (route.table, route.destination, route.metric)).collect();
    observed
        .routes
        .iter()
        .filter(move |route| !wanted.contains(&(route.table, route.destination, route.metric)))
}
