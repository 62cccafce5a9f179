//! NetworkPolicies with every feature.
use serde_json::{Map, Value, json};

use super::blocks::ip_block;
use super::{Dice, KEYS, NAMES, PORTS, PROTOCOLS, Shape, VALUES, World};

pub(super) fn policies(world: &mut World, shape: &Shape) -> Vec<Value> {
    (0..world.dice.within(&shape.policies)).map(|i| policy(world, i)).collect()
}

fn policy(world: &mut World, number: usize) -> Value {
    let mut spec = Map::new();
    if world.dice.chance(95) {
        let selector = if world.dice.chance(3) { Value::Null } else { selector(&mut world.dice) };
        spec.insert("podSelector".to_owned(), selector);
    }
    let types = match world.dice.below(12) {
        0 => None,
        1 => Some(Value::Null),
        2 => Some(json!([])),
        3..=5 => Some(json!(["Ingress"])),
        6..=8 => Some(json!(["Egress"])),
        9 => Some(json!(["Egress", "Ingress"])),
        _ => Some(json!(["Ingress", "Egress"])),
    };
    if let Some(types) = types {
        spec.insert("policyTypes".to_owned(), types);
    }
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        if let Some(rules) = list(world, 20, 3, |world| rule(world, peers)) {
            spec.insert(direction.to_owned(), rules);
        }
    }
    let namespace = world.dice.pick(&world.namespaces).clone();
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"namespace": namespace, "name": format!("policy-{number}")}, "spec": spec,
    })
}

/// Missing, null, empty, or up to `most` items; the first three with about `percent` chance together.
fn list(
    world: &mut World,
    percent: usize,
    most: usize,
    mut item: impl FnMut(&mut World) -> Value,
) -> Option<Value> {
    if world.dice.chance(percent) {
        return match world.dice.below(3) {
            0 => None,
            1 => Some(Value::Null),
            _ => Some(json!([])),
        };
    }
    let count = 1 + world.dice.below(most);
    Some((0..count).map(|_| item(world)).collect())
}

fn rule(world: &mut World, peers: &str) -> Value {
    let mut rule = Map::new();
    if let Some(list) = list(world, 20, 3, peer) {
        rule.insert(peers.to_owned(), list);
    }
    if let Some(list) = list(world, 45, 3, |world| port(&mut world.dice)) {
        rule.insert("ports".to_owned(), list);
    }
    Value::Object(rule)
}

fn peer(world: &mut World) -> Value {
    let dice = &mut world.dice;
    match dice.below(10) {
        0..=3 => json!({"podSelector": selector(dice)}),
        4 => json!({"namespaceSelector": namespace_selector(world)}),
        5 => json!({"namespaceSelector": namespace_selector(world), "podSelector": null, "ipBlock": null}),
        6 => {
            json!({"namespaceSelector": namespace_selector(world), "podSelector": selector(&mut world.dice)})
        }
        _ => json!({"ipBlock": ip_block(world)}),
    }
}

fn namespace_selector(world: &mut World) -> Value {
    if world.dice.chance(30) {
        let name = world.dice.pick(&world.namespaces).clone();
        return json!({"matchLabels": {"kubernetes.io/metadata.name": name}});
    }
    selector(&mut world.dice)
}

fn selector(dice: &mut Dice) -> Value {
    let mut selector = Map::new();
    if dice.chance(50) {
        selector.insert("matchLabels".to_owned(), json!({*dice.pick(&KEYS): *dice.pick(&VALUES)}));
    }
    if dice.chance(45) {
        let count = 1 + dice.below(2);
        selector.insert("matchExpressions".to_owned(), (0..count).map(|_| expression(dice)).collect());
    }
    if dice.chance(5) {
        selector.entry("matchLabels").or_insert(Value::Null);
    }
    Value::Object(selector)
}

fn expression(dice: &mut Dice) -> Value {
    let key = *dice.pick(&KEYS);
    let values: Vec<&str> = (0..1 + dice.below(2)).map(|_| *dice.pick(&VALUES)).collect();
    match dice.below(4) {
        0 => json!({"key": key, "operator": "In", "values": values}),
        1 => json!({"key": key, "operator": "NotIn", "values": values}),
        2 => json!({"key": key, "operator": "Exists"}),
        _ => json!({"key": key, "operator": "DoesNotExist", "values": []}),
    }
}

/// `endPort` only beside a number and never below it.
fn port(dice: &mut Dice) -> Value {
    let mut item = Map::new();
    if dice.chance(70) {
        item.insert("protocol".to_owned(), json!(*dice.pick(&PROTOCOLS)));
    }
    let first = *dice.pick(&PORTS);
    match dice.below(10) {
        0 => {}
        1..=3 => {
            let name = if dice.chance(10) { "unknown" } else { *dice.pick(&NAMES) };
            item.insert("port".to_owned(), json!(name));
        }
        4..=6 => {
            let last = (*dice.pick(&PORTS)).max(first);
            item.insert("port".to_owned(), json!(first));
            item.insert("endPort".to_owned(), json!(last));
        }
        _ => {
            item.insert("port".to_owned(), json!(first));
        }
    }
    Value::Object(item)
}
