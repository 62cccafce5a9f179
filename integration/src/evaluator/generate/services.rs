//! Services of every type, and the EndpointSlices of those without selector.
use std::net::IpAddr;

use serde_json::{Value, json};

use super::{KEYS, NAMES, PORTS, PROTOCOLS, Shape, VALUES, World};
use crate::evaluator::cluster::Family;

pub(super) fn services(world: &mut World, shape: &Shape) -> Vec<Value> {
    let count = world.dice.within(&shape.services);
    (0..count).flat_map(|i| service(world, i)).collect()
}

fn service(world: &mut World, number: usize) -> Vec<Value> {
    let namespace = world.dice.pick(&world.namespaces).clone();
    let name = format!("svc-{number}");
    let kind =
        *world.dice.pick(&["ClusterIP", "ClusterIP", "NodePort", "NodePort", "LoadBalancer", "headless"]);
    let host = 10 + number;
    let ips = match kind {
        "headless" => vec![json!("None")],
        _ => addresses(&world.dual(&format!("10.96.0.{host}"), &format!("fd00:10:96::{host}"))),
    };
    let mut spec = json!({
        "type": if kind == "headless" { "ClusterIP" } else { kind },
        "clusterIP": ips[0], "clusterIPs": ips,
        "ipFamilyPolicy": if world.families.len() == 2 { "RequireDualStack" } else { "SingleStack" },
        "ipFamilies": world.families,
    });
    let external = kind == "NodePort" || kind == "LoadBalancer";
    if external && world.dice.chance(35) {
        spec["externalTrafficPolicy"] = json!("Local");
    }
    if kind != "headless" && world.dice.chance(10) {
        spec["internalTrafficPolicy"] = json!("Local");
    }
    if kind != "headless" && world.dice.chance(20) {
        spec["externalIPs"] =
            json!(addresses(&world.dual(&format!("198.51.100.{host}"), &format!("2001:db8:100::1{host}"))));
    }
    let mut ports = Vec::new();
    for i in 0..1 + world.dice.below(2) {
        let mut port = json!({
            "name": format!("port-{i}"), "port": 1000 + i, "protocol": *world.dice.pick(&PROTOCOLS),
        });
        match world.dice.below(4) {
            0 => {}
            1 => port["targetPort"] = json!(*world.dice.pick(&NAMES)),
            _ => port["targetPort"] = json!(*world.dice.pick(&PORTS)),
        }
        if external {
            port["nodePort"] = json!(30000 + number * 4 + i);
        }
        ports.push(port);
    }
    let mut objects = Vec::new();
    if kind != "headless" && world.dice.chance(20) {
        objects.extend(slices(world, &namespace, &name, &ports));
    } else {
        spec["selector"] = json!({*world.dice.pick(&KEYS): *world.dice.pick(&VALUES)});
    }
    spec["ports"] = json!(ports);
    let mut service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"namespace": namespace, "name": name}, "spec": spec,
    });
    if kind == "LoadBalancer" {
        let ips = world.dual(&format!("198.51.100.1{host}"), &format!("2001:db8:100::2{host}"));
        let ingress: Vec<Value> = ips.iter().map(|ip| json!({"ip": ip})).collect();
        service["status"] = json!({"loadBalancer": {"ingress": ingress}});
    }
    objects.push(service);
    objects
}

fn addresses(ips: &[IpAddr]) -> Vec<Value> {
    ips.iter().map(|ip| json!(ip)).collect()
}

/// One slice of each family, with one or two backends that are pods, nodes or neither.
fn slices(world: &mut World, namespace: &str, service: &str, ports: &[Value]) -> Vec<Value> {
    let target = |port: &Value| {
        let number = port.get("targetPort").and_then(Value::as_u64).unwrap_or(8443);
        json!({"name": port["name"], "protocol": port["protocol"], "port": number})
    };
    let ports: Vec<Value> = ports.iter().map(target).collect();
    let count = 1 + world.dice.below(2);
    let mut slices = Vec::new();
    for family in world.families.clone() {
        let mut ips: Vec<IpAddr> = (0..count).map(|_| world.interesting_address(family)).collect();
        ips.dedup();
        let endpoints: Vec<Value> =
            ips.iter().map(|ip| json!({"addresses": [ip], "conditions": {"ready": true}})).collect();
        let suffix = if family == Family::IPv4 { "v4" } else { "v6" };
        slices.push(json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {
                "namespace": namespace, "name": format!("{service}-{suffix}"),
                "labels": {"kubernetes.io/service-name": service},
            },
            "addressType": family, "endpoints": endpoints, "ports": ports,
        }));
    }
    slices
}
