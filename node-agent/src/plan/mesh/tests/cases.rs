//! Single changes and what they must and must not touch.
use super::*;

/// A node in the desired state.
fn settled() -> (Machine, MeshSpec) {
    let mut machine = Machine::default();
    let desired = desired();
    machine.converge(&desired);
    assert_eq!(machine.converge(&desired), []);
    (machine, desired)
}

fn observed_peer(machine: &mut Machine, seed: u8) -> &mut ObservedPeer {
    machine.device(Plane::Zero).control.as_mut().unwrap().peers.get_mut(&key(seed)).unwrap()
}

fn peer_changes(actions: &[Action]) -> &[PeerChange] {
    match actions {
        [Action::ChangePeers(_, changes)] => changes,
        other => panic!("only peers should change: {other:#?}"),
    }
}

#[test]
fn a_fresh_node_drops_first_and_forwards_last() {
    let actions = plan(&ObservedMesh::default(), &desired(), Backend::Kernel);
    assert!(matches!(&actions[0], Action::SetRoute(route) if route.via == RouteVia::Blackhole));
    assert!(matches!(actions.last(), Some(Action::SetSysctl { path, .. }) if path == "net/ipv4/ip_forward"));
    let up = actions.iter().position(|action| matches!(action, Action::LinkUp(_))).unwrap();
    let route = actions.iter().rposition(|action| matches!(action, Action::SetRoute(_))).unwrap();
    assert!(up < route);
}

#[test]
fn a_deleted_route_alone_is_put_back() {
    let (mut machine, desired) = settled();
    machine.0.routes.retain(|route| route.via == Some(RouteVia::Blackhole));
    let actions = machine.converge(&desired);
    assert!(matches!(&actions[..], [Action::SetRoute(route)] if route.metric == ROUTE_METRIC), "{actions:?}");
}

#[test]
fn a_deleted_device_is_made_anew_with_its_routes() {
    let (mut machine, desired) = settled();
    machine.0.devices.clear();
    // The kernel may not have told of the routes yet.
    let actions = machine.converge(&desired);
    assert!(matches!(actions[0], Action::CreateDevice { .. }), "{actions:?}");
    assert!(matches!(actions.last(), Some(Action::SetRoute(_))), "{actions:?}");
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::SetSysctl { path, .. } if path.contains("rp_filter")))
    );
}

#[test]
fn a_device_of_another_kind_or_that_does_not_answer_is_replaced() {
    for spoil in [
        |device: &mut ObservedDevice| device.kind = DeviceKind::Other("dummy".to_owned()),
        |device: &mut ObservedDevice| device.control = None,
    ] {
        let (mut machine, desired) = settled();
        spoil(machine.device(Plane::Zero));
        let actions = machine.converge(&desired);
        assert!(matches!(actions[0], Action::DeleteDevice(Plane::Zero)), "{actions:?}");
        assert_eq!(machine.converge(&desired), []);
    }
}

#[test]
fn a_network_that_moves_between_peers_is_only_added_to_its_new_one() {
    let (mut machine, mut desired) = settled();
    let peers = &mut desired.devices.get_mut(&Plane::Zero).unwrap().peers;
    peers.get_mut(&key(2)).unwrap().allowed.clear();
    peers.get_mut(&key(3)).unwrap().allowed.insert(net("10.244.2.0/24"));
    let actions = machine.converge(&desired);
    let [PeerChange::Set { key: to, endpoint: None, keepalive: None, add, .. }] = peer_changes(&actions)
    else {
        panic!("{actions:#?}")
    };
    assert_eq!((*to, add), (key(3), &BTreeSet::from([net("10.244.2.0/24")])));
    assert_eq!(machine.converge(&desired), []);
}

#[test]
fn a_peers_new_key_takes_its_networks_over_before_the_old_key_goes() {
    let (mut machine, mut desired) = settled();
    let peers = &mut desired.devices.get_mut(&Plane::Zero).unwrap().peers;
    let b = peers.remove(&key(2)).unwrap();
    peers.insert(key(9), b);
    let actions = machine.converge(&desired);
    let [Action::ChangePeers(_, sets), Action::ChangePeers(_, gone)] = &actions[..] else {
        panic!("{actions:?}");
    };
    assert!(matches!(&sets[..], [PeerChange::Set { key: new, .. }] if *new == key(9)));
    assert_eq!(gone, &[PeerChange::Remove(key(2))]);
}

#[test]
fn a_network_that_nobody_keeps_is_dropped_without_touching_the_others() {
    let (mut machine, mut desired) = settled();
    observed_peer(&mut machine, 2).allowed.insert(net("0.0.0.0/0"));
    let actions = machine.converge(&desired);
    let expected = PeerChange::Drop { key: key(2), networks: BTreeSet::from([net("0.0.0.0/0")]) };
    assert_eq!(peer_changes(&actions), [expected]);
    desired.devices.get_mut(&Plane::Zero).unwrap().peers.remove(&key(2));
    assert_eq!(peer_changes(&machine.converge(&desired)), [PeerChange::Remove(key(2))]);
}

#[test]
fn a_peer_that_roamed_is_left_alone_until_it_is_silent() {
    let (mut machine, desired) = settled();
    let roamed = "198.51.100.7:4000".parse().unwrap();
    let peer = observed_peer(&mut machine, 2);
    peer.endpoint = Some(roamed);
    peer.handshake = Some(SILENCE - Duration::from_secs(1));
    assert_eq!(machine.converge(&desired), []);
    observed_peer(&mut machine, 2).handshake = Some(SILENCE);
    let actions = machine.converge(&desired);
    assert!(matches!(peer_changes(&actions), [PeerChange::Set { endpoint: Some(_), .. }]));
}

#[test]
fn a_new_publication_moves_the_endpoint_at_once_but_a_restart_does_not() {
    let (mut machine, mut desired) = settled();
    let peer = observed_peer(&mut machine, 2);
    peer.handshake = Some(Duration::ZERO);
    let moved = "192.0.2.77:51871".parse().unwrap();
    desired.devices.get_mut(&Plane::Zero).unwrap().peers.get_mut(&key(2)).unwrap().endpoint = moved;
    let mut restarted = machine.clone();
    observed_peer(&mut restarted, 2).published = None;
    assert_eq!(restarted.converge(&desired), []);
    let actions = machine.converge(&desired);
    assert!(matches!(peer_changes(&actions), [PeerChange::Set { endpoint, .. }] if *endpoint == Some(moved)));
}

#[test]
fn a_peer_that_was_never_met_is_greeted_until_it_answers_or_counts_as_silent() {
    let asked = |found: Option<(Option<u64>, Duration)>, begins: bool| {
        let mut desired = desired();
        desired.devices.get_mut(&Plane::Zero).unwrap().peers.get_mut(&key(2)).unwrap().begins = begins;
        let mut machine = Machine::default();
        machine.converge(&desired);
        let Some((handshake, known)) = found else {
            return observed_peer(&mut machine, 2).keepalive;
        };
        let peer = observed_peer(&mut machine, 2);
        (peer.handshake, peer.known) = (handshake.map(Duration::from_secs), known);
        machine.converge(&desired);
        observed_peer(&mut machine, 2).keepalive
    };
    assert_eq!(asked(None, true), GREETING);
    assert_eq!(asked(None, false), 0, "the other side begins");
    assert_eq!(asked(Some((None, PATIENCE)), false), GREETING, "it did not");
    assert_eq!(asked(Some((Some(0), PATIENCE)), true), 0, "they have met");
    assert_eq!(asked(Some((None, SILENCE)), true), 0, "nobody is there");
}

#[test]
fn only_one_side_begins_and_the_other_follows_the_handshake_or_loses_patience() {
    let (mut machine, mut desired) = settled();
    let spec = desired.devices.get_mut(&Plane::Zero).unwrap().peers.get_mut(&key(2)).unwrap();
    spec.keepalive = 25;
    assert_eq!(machine.converge(&desired), []);
    let mut follows = machine.clone();
    observed_peer(&mut follows, 2).handshake = Some(Duration::ZERO);
    let mut impatient = machine.clone();
    observed_peer(&mut impatient, 2).known = PATIENCE;
    desired.devices.get_mut(&Plane::Zero).unwrap().peers.get_mut(&key(2)).unwrap().begins = true;
    for mut machine in [machine, follows, impatient] {
        let actions = machine.converge(&desired);
        assert!(matches!(
            peer_changes(&actions),
            [PeerChange::Set { keepalive: Some(25), endpoint: None, .. }]
        ));
    }
}

#[test]
fn a_new_own_key_comes_only_after_every_peer_of_the_old_one_is_gone() {
    let (mut machine, mut desired) = settled();
    desired.devices.get_mut(&Plane::Zero).unwrap().public_key = Some(key(8));
    let actions = machine.converge(&desired);
    assert!(
        matches!(&actions[..], [Action::ChangePeers(..), Action::SetKey { .. }, Action::ChangePeers(..)]),
        "{actions:?}"
    );
    assert_eq!(machine.converge(&desired), []);
}

#[test]
fn a_peer_goes_only_after_its_route_has_moved_and_the_key_after_the_peers() {
    let (mut machine, mut desired) = settled();
    let mut other = desired.devices[&Plane::Zero].clone();
    other.public_key = Some(key(9));
    desired.devices.insert(Plane::One, other);
    for _ in 0..2 {
        machine.converge(&desired);
    }
    let zero = desired.devices.get_mut(&Plane::Zero).unwrap();
    zero.peers.clear();
    zero.public_key = None;
    desired.routes = desired
        .routes
        .into_iter()
        .map(|route| match route.via {
            RouteVia::Plane(_, source) => RouteSpec { via: RouteVia::Plane(Plane::One, source), ..route },
            RouteVia::Blackhole => route,
        })
        .collect();
    let actions = machine.converge(&desired);
    let [Action::SetRoute(_), Action::ChangePeers(Plane::Zero, gone), Action::ClearKey(Plane::Zero)] =
        &actions[..]
    else {
        panic!("{actions:?}");
    };
    let removed: BTreeSet<PublicKey> = gone
        .iter()
        .filter_map(|change| match change {
            PeerChange::Remove(key) => Some(*key),
            _ => None,
        })
        .collect();
    assert_eq!((removed, gone.len()), (BTreeSet::from([key(2), key(3)]), 2));
    assert_eq!(machine.converge(&desired), []);
}

#[test]
fn an_embedded_wireguard_is_made_anew_for_another_key_and_goes_with_the_old_one() {
    let (mut machine, mut desired) = settled();
    machine.device(Plane::Zero).kind = DeviceKind::Userspace;
    desired.devices.get_mut(&Plane::Zero).unwrap().public_key = Some(key(8));
    let actions = plan(&machine.0, &desired, Backend::Userspace);
    assert!(
        matches!(&actions[..], [Action::DeleteDevice(_), Action::CreateDevice { .. }, ..]),
        "{actions:?}"
    );
    let zero = desired.devices.get_mut(&Plane::Zero).unwrap();
    zero.public_key = None;
    zero.peers.clear();
    let actions = plan(&machine.0, &desired, Backend::Userspace);
    assert_eq!(actions, [Action::DeleteDevice(Plane::Zero)]);
    machine.0.devices.clear();
    machine.0.sysctls.clear();
    let about_device = |action: &Action| {
        matches!(action, Action::CreateDevice { .. } | Action::SetKey { .. } | Action::LinkUp(_))
    };
    assert!(!plan(&machine.0, &desired, Backend::Userspace).iter().any(about_device));
}

#[test]
fn what_others_set_on_a_peer_is_undone() {
    let (mut machine, desired) = settled();
    let peer = observed_peer(&mut machine, 3);
    peer.preshared = true;
    peer.keepalive = 5;
    machine.device(Plane::Zero).control.as_mut().unwrap().impossible.insert([0; 32]);
    machine.converge(&desired);
    assert_eq!(machine.converge(&desired), []);
    let peer = observed_peer(&mut machine, 3);
    assert_eq!((peer.preshared, peer.keepalive), (false, 0));
}

#[test]
fn a_removed_address_comes_back_and_a_strange_one_goes() {
    let (mut machine, desired) = settled();
    machine.device(Plane::Zero).addresses = BTreeSet::from([net("192.0.2.99/32")]);
    let (ours, theirs) = (net("10.244.1.1/32"), net("192.0.2.99/32"));
    let expected = [Action::AddAddress(Plane::Zero, ours), Action::DeleteAddress(Plane::Zero, theirs)];
    assert_eq!(machine.converge(&desired), expected);
}

#[test]
fn a_route_of_ours_that_was_bent_is_replaced_and_a_stray_one_removed() {
    let (mut machine, desired) = settled();
    let bent = |route: &ObservedRoute| ObservedRoute { via: None, ..route.clone() };
    machine.0.routes = machine.0.routes.iter().map(bent).collect();
    let stray = ObservedRoute { table: 99, destination: net("10.0.0.0/8"), metric: 1, via: None };
    machine.0.routes.insert(stray.clone());
    let actions = machine.converge(&desired);
    assert!(actions.contains(&Action::DeleteRoute(stray)));
    assert_eq!(actions.len(), 3);
    assert_eq!(machine.converge(&desired), []);
}

#[test]
fn a_machine_without_ipv6_is_not_asked_to_forward_it() {
    let mut desired = desired();
    desired.sysctls.insert("net/ipv6/conf/all/forwarding".to_owned(), "1".to_owned());
    let mut machine = Machine::default();
    let actions = machine.converge(&desired);
    assert!(
        !actions
            .iter()
            .any(|action| matches!(action, Action::SetSysctl { path, .. } if path.contains("ipv6")))
    );
    machine.0.sysctls.insert("net/ipv6/conf/all/forwarding".to_owned(), "0".to_owned());
    assert_eq!(machine.converge(&desired).len(), 1);
}
