//! Completed values back into the API's JSON.
//!
//! What was read is kept, fields we do not know included; what was filled in is written into it.
use super::gather::Raw;
use super::loaded::Entry;
use crate::model::{Endpoint, EndpointSlice, Labels, Namespace, Node, ObjectName, Pod, Service, SlicePort};
use crate::watch::object::{Kind, SERVICE_NAME};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The object as it was read, with its kind and name spelt out.
pub(super) fn as_read(raw: &Raw, kind: Kind, name: &ObjectName) -> Value {
    Value::Object(named(raw, kind, name))
}

fn named(raw: &Raw, kind: Kind, name: &ObjectName) -> Map<String, Value> {
    let value = match raw {
        Raw::Object(value) => Some(&**value),
        Raw::Template(workload, pointer) => workload.pointer(pointer),
        Raw::Made => None,
    };
    let mut object = value.and_then(Value::as_object).cloned().unwrap_or_default();
    object.insert("apiVersion".into(), kind.api_version().into());
    object.insert("kind".into(), kind.to_string().into());
    within(&mut object, "metadata", |metadata| {
        metadata.insert("name".into(), (*name.name).into());
        if kind.namespaced() {
            metadata.insert("namespace".into(), (*name.namespace).into());
        }
        metadata.remove("generateName");
        metadata.retain(|_, value| !value.is_null());
    });
    object
}

pub(super) fn namespace(entry: &Entry<Namespace>) -> Value {
    let mut object = named(&entry.raw, Kind::Namespace, &ObjectName::new("", &*entry.value.name));
    labels(&mut object, &entry.value.labels);
    Value::Object(object)
}

pub(super) fn node(entry: &Entry<Node>) -> Value {
    let node = &*entry.value;
    let mut object = named(&entry.raw, Kind::Node, &ObjectName::new("", &*node.name));
    uid(&mut object, &node.uid);
    labels(&mut object, &node.labels);
    within(&mut object, "spec", |spec| {
        if let Some(first) = node.pod_cidrs.first() {
            spec.insert("podCIDR".into(), first.to_string().into());
        }
        spec.insert("podCIDRs".into(), texts(&node.pod_cidrs));
    });
    within(&mut object, "status", |status| {
        let others = status.get("addresses").and_then(Value::as_array).cloned().unwrap_or_default();
        let others =
            others.into_iter().filter(|a| a.get("type").and_then(Value::as_str) != Some("InternalIP"));
        let own = node.addresses.iter().map(|a| json!({"type": "InternalIP", "address": a.to_string()}));
        let all: Vec<Value> = own.chain(others).collect();
        status.insert("addresses".into(), all.into());
    });
    Value::Object(object)
}

pub(super) fn pod(entry: &Entry<Pod>, nodes: &BTreeMap<String, Entry<Node>>) -> Value {
    let pod = &*entry.value;
    let mut object = named(&entry.raw, Kind::Pod, &pod.name);
    uid(&mut object, &pod.uid);
    if let Raw::Template(workload, _) = &entry.raw {
        within(&mut object, "metadata", |metadata| {
            metadata.insert("ownerReferences".into(), owners(workload))
        });
    }
    labels(&mut object, &pod.labels);
    if let Some(node) = &pod.node {
        within(&mut object, "spec", |spec| spec.insert("nodeName".into(), (**node).into()));
    }
    within(&mut object, "status", |status| {
        if status.get("phase").is_none_or(|phase| phase.as_str() == Some("Pending")) {
            status.insert("phase".into(), "Running".into());
        }
        if let Some(first) = pod.addresses.first() {
            let all: Vec<Value> = pod.addresses.iter().map(|a| json!({"ip": a.to_string()})).collect();
            status.insert("podIP".into(), first.to_string().into());
            status.insert("podIPs".into(), all.into());
        }
        let node = pod.node.as_ref().and_then(|name| nodes.get(name));
        if let Some(first) = node.and_then(|n| n.value.addresses.first()) {
            status.insert("hostIP".into(), first.to_string().into());
        }
    });
    Value::Object(object)
}

pub(super) fn service(entry: &Entry<Service>, addressless: bool) -> Value {
    let service = &*entry.value;
    let mut object = named(&entry.raw, Kind::Service, &service.name);
    within(&mut object, "spec", |spec| {
        if let (Some(first), false) = (service.cluster_ips.first(), addressless) {
            spec.insert("clusterIP".into(), first.to_string().into());
            spec.insert("clusterIPs".into(), texts(&service.cluster_ips));
        }
        // The ports were read in this order, none left out: else the manifest would have been refused.
        let ports = spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten();
        for (wire, port) in ports.zip(&service.ports) {
            if let (Some(wire), Some(node_port)) = (wire.as_object_mut(), port.node_port) {
                wire.insert("nodePort".into(), node_port.into());
            }
        }
    });
    Value::Object(object)
}

/// What a controller writes into the pods it makes.
fn owners(workload: &Value) -> Value {
    let metadata = &workload["metadata"];
    let (kind, name) = (&workload["kind"], &metadata["name"]);
    let of = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let namespace = metadata["namespace"].as_str().unwrap_or("default");
    let uid = match metadata["uid"].as_str() {
        Some(uid) => uid.to_owned(),
        None => super::uid::of(&of(kind), &ObjectName::new(namespace, of(name))),
    };
    json!([{"apiVersion": workload["apiVersion"], "kind": kind, "name": name, "uid": uid, "controller": true}])
}

pub(super) fn slice(entry: &Entry<EndpointSlice>) -> Value {
    let slice = &*entry.value;
    let mut object = named(&entry.raw, Kind::EndpointSlice, &slice.name);
    if let Raw::Made = entry.raw {
        let ipv4 = slice.endpoints.iter().flat_map(|e| &e.addresses).all(|a| a.is_ipv4());
        let endpoint = |e: &Endpoint| json!({"addresses": texts(&e.addresses), "conditions": {"ready": e.ready}, "nodeName": e.node});
        let port =
            |p: &SlicePort| json!({"name": p.name, "protocol": p.protocol.to_string(), "port": p.port});
        within(&mut object, "metadata", |metadata| {
            metadata.insert("labels".into(), json!({SERVICE_NAME: slice.service}));
        });
        object.insert("addressType".into(), if ipv4 { "IPv4" } else { "IPv6" }.into());
        object.insert("endpoints".into(), slice.endpoints.iter().map(endpoint).collect());
        object.insert("ports".into(), slice.ports.iter().map(port).collect());
    }
    Value::Object(object)
}

fn uid(object: &mut Map<String, Value>, uid: &str) {
    within(object, "metadata", |metadata| metadata.insert("uid".into(), uid.into()));
}

fn labels(object: &mut Map<String, Value>, labels: &Labels) {
    if !labels.is_empty() {
        within(object, "metadata", |metadata| metadata.insert("labels".into(), json!(labels)));
    }
}

fn texts<T: ToString>(list: &[T]) -> Value {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().into()
}

/// Changes the object at `key`, made if it is not there.
fn within<T>(object: &mut Map<String, Value>, key: &str, change: impl FnOnce(&mut Map<String, Value>) -> T) {
    let mut inner = match object.remove(key) {
        Some(Value::Object(inner)) => inner,
        _ => Map::new(),
    };
    change(&mut inner);
    object.insert(key.to_owned(), Value::Object(inner));
}
