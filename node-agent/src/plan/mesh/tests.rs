//! A node on which plans are carried out, and what must hold at every step.
mod cases;
mod converges;

use super::*;
use crate::mesh::spec::{BLACKHOLE_METRIC, DeviceSpec, MAIN_TABLE, PeerSpec, ROUTE_METRIC};
use ringfence_keyring::PrivateKey;
use std::collections::BTreeMap;

fn net(text: &str) -> IpNetwork {
    text.parse().unwrap()
}

/// A public key that is the same for the same seed.
fn key(seed: u8) -> PublicKey {
    PrivateKey::from_bytes(&[seed; 32]).unwrap().public()
}

fn peer(name: &str, networks: &[&str]) -> PeerSpec {
    PeerSpec {
        node: name.to_owned(),
        endpoint: "192.0.2.2:51871".parse().unwrap(),
        allowed: networks.iter().map(|network| net(network)).collect(),
        keepalive: 0,
        begins: false,
    }
}

/// One device with the peers of seeds 2 and 3, a route over it and the blackhole behind it.
fn desired() -> MeshSpec {
    let plane = Plane::Zero;
    let route = |metric, via| RouteSpec { table: MAIN_TABLE, destination: net("10.244.2.0/24"), metric, via };
    let peers =
        BTreeMap::from([(key(2), peer("b", &["10.244.2.0/24"])), (key(3), peer("c", &["10.244.3.0/24"]))]);
    MeshSpec {
        devices: BTreeMap::from([(
            plane,
            DeviceSpec {
                public_key: Some(key(1)),
                listen_port: 51871,
                mtu: 1420,
                addresses: BTreeSet::from([net("10.244.1.1/32")]),
                peers,
            },
        )]),
        routes: BTreeSet::from([
            route(ROUTE_METRIC, RouteVia::Plane(plane, None)),
            route(BLACKHOLE_METRIC, RouteVia::Blackhole),
        ]),
        rules: BTreeSet::from([RuleSpec {
            source: net("10.244.1.0/24"),
            plane: None,
            bound: None,
            table: 7,
            priority: 8,
        }]),
        sysctls: BTreeMap::from([
            ("net/ipv4/ip_forward".to_owned(), "1".to_owned()),
            ("net/ipv4/conf/rf-wg0/rp_filter".to_owned(), "2".to_owned()),
        ]),
        ..MeshSpec::default()
    }
}

/// A node that does what actions say, the way the kernel does.
#[derive(Clone, Default)]
struct Machine(ObservedMesh);

impl Machine {
    /// Carries the plan out to the end and returns it.
    fn converge(&mut self, desired: &MeshSpec) -> Vec<Action> {
        let actions = plan(&self.0, desired, Backend::Kernel);
        for action in &actions {
            self.carry_out(action);
        }
        actions
    }

    fn device(&mut self, plane: Plane) -> &mut ObservedDevice {
        self.0.devices.get_mut(&plane).expect("the device is there")
    }

    fn carry_out(&mut self, action: &Action) {
        match action {
            Action::SetRoute(route) => {
                if let RouteVia::Plane(plane, _) = route.via {
                    assert!(self.device(plane).up, "a route over a device that is down is refused");
                }
                let same = |old: &ObservedRoute| {
                    (old.table, old.destination, old.metric) == (route.table, route.destination, route.metric)
                };
                self.0.routes.retain(|old| !same(old));
                let RouteSpec { table, destination, metric, via } = route.clone();
                self.0.routes.insert(ObservedRoute { table, destination, metric, via: Some(via) });
            }
            Action::DeleteRoute(route) => assert!(self.0.routes.remove(route)),
            Action::AddRule(rule) => assert!(self.0.rules.insert(rule.clone())),
            Action::DeleteRule(rule) => assert!(self.0.rules.remove(rule)),
            Action::ReplaceLock(lock) => self.0.lock = Some(lock.clone()),
            Action::ReplaceNat(nat) => self.0.nat = Some(nat.clone()),
            Action::ReplaceWords(words) => self.0.words = Some(words.clone()),
            Action::SetSysctl { path, value } => {
                self.0.sysctls.insert(path.clone(), value.clone());
            }
            Action::DeleteDevice(plane) => {
                self.0.devices.remove(plane).expect("the device is there");
                self.0
                    .routes
                    .retain(|route| !matches!(route.via, Some(RouteVia::Plane(via, _)) if via == *plane));
                self.0.sysctls.retain(|path, _| !path.contains(plane.device()));
            }
            Action::CreateDevice { plane, mtu } => {
                let device = ObservedDevice {
                    kind: DeviceKind::Kernel,
                    up: false,
                    mtu: *mtu,
                    addresses: BTreeSet::new(),
                    programs: false,
                    control: Some(ObservedControl::default()),
                };
                assert!(self.0.devices.insert(*plane, device).is_none());
            }
            Action::SetMtu(plane, mtu) => self.device(*plane).mtu = *mtu,
            Action::AddAddress(plane, address) => {
                let device = self.device(*plane);
                assert!(device.programs && device.addresses.insert(*address));
            }
            Action::DeleteAddress(plane, address) => assert!(self.device(*plane).addresses.remove(address)),
            Action::AttachPrograms(plane) => self.device(*plane).programs = true,
            Action::LinkUp(plane) => {
                assert!(self.device(*plane).programs, "up before it has its programs");
                self.device(*plane).up = true;
            }
            Action::SetKey { plane, public_key, listen_port } => {
                let control = self.device(*plane).control.as_mut().unwrap();
                assert!(control.peers.is_empty() || control.public_key == Some(*public_key));
                control.public_key = Some(*public_key);
                control.listen_port = *listen_port;
            }
            Action::ClearKey(plane) => {
                let control = self.device(*plane).control.as_mut().unwrap();
                assert!(control.peers.is_empty(), "a key goes after its peers");
                control.public_key = None;
            }
            Action::ChangePeers(plane, changes) => {
                assert!(self.device(*plane).programs, "peers before programs");
                let control = self.device(*plane).control.as_mut().unwrap();
                changes.iter().for_each(|change| change_peer(control, change));
            }
        }
    }
}

fn change_peer(control: &mut ObservedControl, change: &PeerChange) {
    match change {
        PeerChange::Set { key, endpoint, keepalive, add, clear_preshared } => {
            for peer in control.peers.values_mut() {
                peer.allowed = peer.allowed.difference(add).copied().collect();
            }
            let peer = control.peers.entry(*key).or_default();
            peer.allowed.extend(add);
            peer.endpoint = endpoint.or(peer.endpoint);
            peer.published = endpoint.or(peer.published);
            peer.keepalive = keepalive.unwrap_or(peer.keepalive);
            peer.preshared &= !clear_preshared;
        }
        PeerChange::Drop { key, networks } => {
            let peer = control.peers.get_mut(key).expect("the peer is there");
            assert!(peer.allowed.is_superset(networks));
            peer.allowed = peer.allowed.difference(networks).copied().collect();
        }
        PeerChange::Remove(key) => assert!(control.peers.remove(key).is_some()),
        PeerChange::RemoveImpossible(key) => assert!(control.impossible.remove(key)),
    }
}
