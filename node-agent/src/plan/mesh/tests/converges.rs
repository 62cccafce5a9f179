//! Whatever the state found, one plan leads to the desired one.
use super::*;
use proptest::prelude::*;

fn any_networks() -> impl Strategy<Value = BTreeSet<IpNetwork>> {
    proptest::collection::btree_set(0_u8..6, 0..4)
        .prop_map(|numbers| numbers.into_iter().map(|number| net(&format!("10.244.{number}.0/24"))).collect())
}

fn any_observed_peer() -> impl Strategy<Value = ObservedPeer> {
    (any_networks(), 0_u16..2, any::<bool>(), 0_u64..400, proptest::option::of(0_u64..400), 1_u16..4)
        .prop_map(|(allowed, keepalive, preshared, known, handshake, port)| ObservedPeer {
            endpoint: Some(SocketAddr::new([192, 0, 2, 2].into(), port)),
            allowed,
            keepalive,
            preshared,
            handshake: handshake.map(Duration::from_secs),
            known: Duration::from_secs(known),
            ..ObservedPeer::default()
        })
}

fn any_peer() -> impl Strategy<Value = PeerSpec> {
    (0_u16..2, any::<bool>(), 1_u16..4).prop_map(|(keepalive, begins, port)| PeerSpec {
        node: String::new(),
        endpoint: SocketAddr::new([192, 0, 2, 2].into(), port),
        allowed: BTreeSet::new(),
        keepalive,
        begins,
    })
}

/// Each network belongs to one peer at most, as the compiler and the kernel see to.
fn deal<'a>(all: impl Iterator<Item = &'a mut BTreeSet<IpNetwork>>, dealt: &[u8]) {
    let mut all: Vec<_> = all.collect();
    all.iter_mut().for_each(|networks| networks.clear());
    if all.is_empty() {
        return;
    }
    for (number, owner) in dealt.iter().enumerate() {
        let count = all.len();
        if let Some(networks) = all.get_mut(usize::from(*owner) % (count + 1)) {
            networks.insert(net(&format!("10.244.{number}.0/24")));
        }
    }
}

proptest! {
    #[test]
    fn one_plan_leads_from_any_state_to_the_desired_one(
        own in prop_oneof![Just(1_u8), Just(8)],
        up: bool,
        programs: bool,
        exists: bool,
        found_addresses in any_networks(),
        found in proptest::collection::btree_map(2_u8..7, any_observed_peer(), 0..5),
        found_deal in proptest::collection::vec(any::<u8>(), 6),
        wanted in proptest::collection::btree_map(2_u8..7, any_peer(), 0..5),
        wanted_deal in proptest::collection::vec(any::<u8>(), 6),
    ) {
        let mut desired = desired();
        let spec = desired.devices.get_mut(&Plane::Zero).unwrap();
        spec.peers = wanted.into_iter().map(|(seed, peer)| (key(seed), peer)).collect();
        deal(spec.peers.values_mut().map(|peer| &mut peer.allowed), &wanted_deal);
        let mut machine = Machine::default();
        if exists {
            let mut peers: BTreeMap<_, _> = found.into_iter().map(|(seed, peer)| (key(seed), peer)).collect();
            deal(peers.values_mut().map(|peer| &mut peer.allowed), &found_deal);
            let control = ObservedControl { public_key: Some(key(own)), peers, ..ObservedControl::default() };
            let device =
                ObservedDevice { kind: DeviceKind::Kernel, up, mtu: 1, addresses: found_addresses, programs, control: Some(control) };
            machine.0.devices.insert(Plane::Zero, device);
        }
        machine.converge(&desired);
        prop_assert_eq!(machine.converge(&desired), vec![]);
        let peers = &machine.0.devices[&Plane::Zero].control.as_ref().unwrap().peers;
        let spec = &desired.devices[&Plane::Zero].peers;
        prop_assert_eq!(peers.keys().collect::<Vec<_>>(), spec.keys().collect::<Vec<_>>());
        for (key, peer) in peers {
            prop_assert_eq!(&peer.allowed, &spec[key].allowed);
        }
    }
}
