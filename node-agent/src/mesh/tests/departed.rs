//! What a Node object had stays closed to pods for a time after the object is gone.
use super::*;
use crate::mesh::spec::{BLACKHOLE_METRIC, MAIN_TABLE, POD_TABLE, RouteSpec, RouteVia};
use crate::model::{ObjectName, Pod};

pub(super) const HOLD: u64 = 3600;
/// When everything begins.
pub(super) const T: u64 = 1_800_000_000;

impl World {
    pub(super) fn delete(&mut self, name: &str) {
        Arc::make_mut(&mut self.snapshot.nodes).remove(name);
    }

    /// What one round of the agent does.
    pub(super) fn round(&mut self, now: u64) -> MeshSpec {
        self.memory.follow(&self.snapshot, now - std::mem::replace(&mut self.now, now), HOLD);
        let spec = self.compile();
        self.memory.learn(&spec);
        spec
    }

    pub(super) fn pod_on(&mut self, node: &str) {
        let name = ObjectName::new("kube-system", "proxy");
        let pod = Pod {
            name: name.clone(),
            uid: "uid-proxy".to_owned(),
            labels: Arc::default(),
            node: Some(node.to_owned()),
            addresses: vec![ip("192.0.2.2")],
            host_network: true,
            ports: Vec::new(),
        };
        Arc::make_mut(&mut self.snapshot.pods).insert(name, Arc::new(pod));
    }
}

/// Three nodes known, no cluster CIDRs told, and one Node object deleted.
fn deleted() -> World {
    let mut world = World::seen_by("a");
    world.config.cluster_cidrs.clear();
    world.round(T);
    world.delete("b");
    world
}

pub(super) fn blackhole(table: u32, to: &str) -> RouteSpec {
    RouteSpec { table, destination: net(to), metric: BLACKHOLE_METRIC, via: RouteVia::Blackhole }
}

pub(super) fn leads_onto_the_mesh(spec: &MeshSpec, to: &str) -> bool {
    spec.routes.iter().any(|route| route.destination == net(to) && route.via != RouteVia::Blackhole)
}

fn is_closed(spec: &MeshSpec) -> bool {
    let closed = [
        spec.routes.contains(&blackhole(POD_TABLE, "192.0.2.2/32")),
        spec.routes.contains(&blackhole(POD_TABLE, "2001:db8::2/128")),
        spec.routes.contains(&blackhole(MAIN_TABLE, "10.244.2.0/24")),
        spec.routes.contains(&blackhole(MAIN_TABLE, "fd00:10:244:2::/64")),
        spec.lock.nodes.contains(&ip("192.0.2.2")),
        spec.lock.cluster.contains(&net("10.244.2.0/24")),
    ];
    assert!(closed.iter().all(|one| *one == closed[0]), "closed in part: {closed:?}");
    closed[0]
}

#[test]
fn a_node_whose_object_is_deleted_is_no_peer_at_once_but_closed_to_pods_for_the_time_that_was_set() {
    let mut world = deleted();
    let spec = world.round(T + 10);
    assert!(is_closed(&spec));
    assert_eq!(world.peers(Plane::Zero), ["c"]);
    assert!(
        spec.routes.iter().all(|r| r.destination != net("10.244.2.0/24") || r.via == RouteVia::Blackhole)
    );
    assert!(spec.warnings.iter().any(|w| w.contains("Node b is gone") && w.contains("192.0.2.2")));
    assert!(is_closed(&world.round(T + 10 + HOLD - 1)));
    let spec = world.round(T + 10 + HOLD);
    assert!(!is_closed(&spec), "an address may be given to somebody who is no node");
    assert!(spec.warnings.is_empty() && world.memory.departed.is_empty());
}

#[test]
fn what_is_closed_stays_so_through_a_restart_of_the_agent_and_only_the_time_in_which_agents_ran_counts() {
    let mut world = deleted();
    world.round(T + 10);
    world.round(T + 10 + HOLD / 2);
    let noted = serde_json::to_string(&world.memory).unwrap();
    world.memory = serde_json::from_str(&noted).unwrap();
    // No clock says for how long there was no agent: one that was wrong at boot and is set later would end the time at once.
    world.now = T + 1000 * HOLD;
    let again = world.now;
    assert!(is_closed(&world.round(again)));
    assert!(is_closed(&world.round(again + HOLD / 2 - 1)));
    assert!(!is_closed(&world.round(again + HOLD / 2)), "nor for ever");
}

#[test]
fn how_long_something_has_been_closed_is_noted_seldom_but_what_is_closed_at_once() {
    let mut world = deleted();
    let before = world.memory.clone();
    world.round(T + 10);
    assert!(!world.memory.is_noted_by(&before, HOLD));
    let noted = world.memory.clone();
    world.round(T + 10 + HOLD / 16 - 1);
    assert!(world.memory.is_noted_by(&noted, HOLD));
    world.round(T + 10 + HOLD / 16);
    assert!(!world.memory.is_noted_by(&noted, HOLD));
}

#[test]
fn a_node_object_that_goes_while_the_agent_is_away_is_missed_by_the_next_one() {
    let mut world = deleted();
    let noted = serde_json::to_string(&world.memory).unwrap();
    world.memory = serde_json::from_str(&noted).unwrap();
    assert!(is_closed(&world.round(T + 86_400)), "the time begins when it is missed");
}

#[test]
fn as_long_as_there_are_pods_where_the_node_was_it_stays_closed() {
    let mut world = deleted();
    world.pod_on("b");
    for hour in 1..48 {
        assert!(is_closed(&world.round(T + hour * HOLD / 2)), "{hour}");
    }
    Arc::make_mut(&mut world.snapshot.pods).clear();
    assert!(!is_closed(&world.round(T + 48 * HOLD)));
}

#[test]
fn a_node_object_that_comes_back_or_is_made_anew_has_what_it_had() {
    for uid in ["uid-b", "another"] {
        let mut world = deleted();
        world.round(T + 10);
        let mut back = node("b", 2);
        back.uid = uid.to_owned();
        world.publish(
            Publication::new("b", uid, Epoch::ZERO, *published(&back, 2).planes(), &back.addresses).unwrap(),
        );
        world.put(back);
        let spec = world.round(T + 20);
        assert_eq!(world.peers(Plane::Zero), ["b", "c"], "{uid}");
        assert!(spec.warnings.is_empty() && spec.problems.is_empty(), "{:?}", spec.warnings);
        assert_eq!(world.memory.departed.len(), usize::from(uid != "uid-b"));
        assert_eq!(world.memory.known["b"].addresses, [ip("192.0.2.2"), ip("2001:db8::2")]);
    }
}

#[test]
fn what_a_node_has_now_that_was_made_since_leads_there_and_the_rest_stays_closed() {
    let mut world = deleted();
    world.round(T + 10);
    let mut heir = node("d", 4);
    heir.addresses = vec![ip("192.0.2.2")];
    world.publish(published(&heir, 4));
    world.put(heir);
    let spec = world.round(T + 20);
    assert!(leads_onto_the_mesh(&spec, "192.0.2.2/32"));
    assert!(spec.routes.contains(&blackhole(POD_TABLE, "2001:db8::2/128")));
    assert!(spec.problems.is_empty(), "{:?}", spec.problems);
    // It is the new one's now: when that goes, nobody else may have it, the first one's name neither.
    world.delete("d");
    world.round(T + 30);
    let mut again = node("b", 2);
    again.uid = "another".to_owned();
    world.put(again);
    assert!(!world.round(T + 40).known["b"].addresses.contains(&ip("192.0.2.2")));
    // Ours, or in pods' networks: never closed.
    let mut world = deleted();
    world.round(T + 10);
    world.edit("a", |a| a.addresses.push(ip("192.0.2.2")));
    assert!(!world.round(T + 20).lock.nodes.contains(&ip("192.0.2.2")));
}

#[test]
fn an_address_that_was_never_believed_is_not_closed_when_its_node_is_gone() {
    let mut world = World::seen_by("a");
    world.edit("b", |b| b.addresses.push(ip("198.51.100.53")));
    world.round(T);
    world.delete("b");
    assert!(!world.round(T + 10).lock.nodes.contains(&ip("198.51.100.53")));
}

#[test]
fn where_nobody_knows_any_more_who_had_what_all_of_it_stays_closed_but_what_living_nodes_have() {
    let mut world = World::seen_by("a");
    let addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.77"].map(ip);
    world.memory = Memory::of_nobody(addresses.into(), [net("10.244.0.0/16"), net("10.250.0.0/24")].into());
    let honest = World::seen_by("a").compile();
    world.now = T;
    let spec = world.round(T);
    assert_eq!((&spec.devices, &spec.problems), (&honest.devices, &honest.problems));
    assert_eq!(spec.lock.nodes.difference(&honest.lock.nodes).collect::<Vec<_>>(), [&ip("192.0.2.77")]);
    assert!(spec.routes.contains(&blackhole(POD_TABLE, "192.0.2.77/32")));
    assert!(spec.routes.contains(&blackhole(MAIN_TABLE, "10.250.0.0/24")));
    let told = |spec: &MeshSpec| spec.warnings.iter().any(|w| w.contains("nodes.json") && w.contains(".77"));
    assert!(told(&spec), "{:?}", spec.warnings);
    assert!(told(&world.round(T + HOLD - 1)));
    assert_eq!(world.round(T + HOLD).lock.nodes, honest.lock.nodes);
    assert_eq!(world.compile().warnings, honest.warnings);
}
