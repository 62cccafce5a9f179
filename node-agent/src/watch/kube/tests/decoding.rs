use super::super::event::{self, Event};
use super::super::{fields, page};
use crate::watch::{Kind, Object, Update, decode};
use serde::de::DeserializeSeed;
use serde_json::{Value, json};

fn sample(kind: Kind) -> Value {
    let meta = json!({
        "name": "web", "namespace": "shop", "uid": "u-1", "resourceVersion": "7", "labels": {"app": "web"},
        "creationTimestamp": "2026-01-01T00:00:00Z", "annotations": {"kubectl.kubernetes.io/last-applied": "{}"},
        "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {"f:containers": {}}}}],
    });
    let rest = match kind {
        Kind::Namespace => json!({"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}}),
        Kind::Node => json!({
            "spec": {"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24", "fd00:1::/64"], "taints": [{"key": "x"}]},
            "status": {
                "addresses": [{"type": "InternalIP", "address": "192.0.2.7"}, {"type": "Hostname", "address": "web"}],
                "images": [{"names": ["a"], "sizeBytes": 12345}], "conditions": [{"type": "Ready", "status": "True"}],
            },
        }),
        Kind::Pod => json!({
            "spec": {
                "nodeName": "n1", "hostNetwork": false, "volumes": [{"name": "v", "emptyDir": {}}],
                "initContainers": [
                    {"name": "side", "restartPolicy": "Always", "ports": [{"containerPort": 9000, "name": "metrics"}]},
                    {"name": "once", "ports": [{"containerPort": 1}]},
                ],
                "containers": [{
                    "name": "web", "image": "web:1", "env": [{"name": "A", "value": "B"}], "resources": {"limits": {}},
                    "ports": [{"containerPort": 80, "hostPort": 8080, "hostIP": "127.0.0.1", "protocol": "TCP", "name": "http"},
                              {"containerPort": 53, "protocol": "UDP"}],
                }],
            },
            "status": {
                "phase": "Running", "podIP": "10.1.0.5", "podIPs": [{"ip": "10.1.0.5"}, {"ip": "fd00:1::5"}],
                "containerStatuses": [{"name": "web", "ready": true}],
            },
        }),
        Kind::Service => json!({
            "spec": {
                "type": "LoadBalancer", "selector": {"app": "web"}, "clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"],
                "externalIPs": ["198.51.100.1"], "externalTrafficPolicy": "Local", "ipFamilies": ["IPv4"],
                "ports": [{"name": "http", "port": 80, "targetPort": "http", "nodePort": 30080, "protocol": "TCP"}],
            },
            "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.4"}]}, "conditions": []},
        }),
        Kind::EndpointSlice => json!({
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.1.0.5"], "conditions": {"ready": true, "serving": true},
                           "nodeName": "n1", "targetRef": {"kind": "Pod", "name": "web"}, "zone": "a"}],
            "ports": [{"name": "http", "port": 80, "protocol": "TCP", "appProtocol": "h2c"}],
        }),
        Kind::NetworkPolicy => json!({
            "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"],
                     "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": "http"}]}]},
        }),
        Kind::RingfenceNode => json!({
            "spec": {"nodeUID": "u-1", "epoch": 4, "endpoints": ["192.0.2.7"], "serial": 3, "turns": 1, "planes": [
                {"plane": "rf-wg0", "publicKey": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "epoch": 4, "port": 51871},
                {"plane": "rf-wg1", "publicKey": "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=", "epoch": 5, "port": 51872,
                 "leaving": true}]},
        }),
        Kind::RingfenceMesh => json!({"spec": {"epoch": 4, "since": 1_700_000_000}}),
        Kind::RingfenceRotation => json!({"spec": {"from": 4, "node": "n1", "force": true}}),
        Kind::RingfenceRevocation => json!({"spec": {"nodeUID": "u-9", "number": 2, "revoked": true}}),
    };
    let mut object = json!({"apiVersion": kind.api_version(), "kind": kind.to_string(), "metadata": meta});
    object.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    if !kind.namespaced() {
        object["metadata"].as_object_mut().unwrap().remove("namespace");
    }
    if kind == Kind::RingfenceMesh {
        object["metadata"]["name"] = json!("mesh");
    }
    object
}

fn pruned(kind: Kind, object: &Value) -> Value {
    let text = object.to_string();
    fields::of(kind).deserialize(&mut serde_json::Deserializer::from_str(&text)).unwrap()
}

#[test]
fn what_is_left_out_of_an_object_changes_nothing_of_what_is_made_of_it() {
    for kind in Kind::ALL {
        let object = sample(kind);
        let whole = decode(kind, &object, "api").unwrap();
        assert!(
            matches!(&whole, Update::Applied { problems, .. } if problems.is_empty()),
            "the sample of {kind} must be a good one: {whole:?}"
        );
        assert_eq!(decode(kind, &pruned(kind, &object), "api").unwrap(), whole, "{kind}");
    }
}

#[test]
fn a_static_pod_has_the_uid_that_its_node_knows_it_by() {
    let mut pod = sample(Kind::Pod);
    pod["metadata"]["annotations"]["kubernetes.io/config.mirror"] = json!("abc123");
    let Some(Update::Applied { object: Object::Pod(read), .. }) =
        decode(Kind::Pod, &pruned(Kind::Pod, &pod), "api")
    else {
        panic!()
    };
    assert_eq!(read.uid, "abc123");
}

#[test]
fn what_nobody_decodes_is_not_kept() {
    let text = pruned(Kind::Pod, &sample(Kind::Pod)).to_string();
    for gone in ["managedFields", "last-applied", "env", "image", "volumes", "containerStatuses", "resources"]
    {
        assert!(!text.contains(gone), "{gone} in {text}");
    }
}

#[test]
fn a_field_of_another_shape_than_the_api_s_is_left_to_the_decoder_to_name() {
    let mut pod = sample(Kind::Pod);
    pod["spec"]["containers"] = json!("none");
    let whole = decode(Kind::Pod, &pod, "api").unwrap();
    assert!(matches!(whole, Update::Refused { .. }));
    assert_eq!(decode(Kind::Pod, &pruned(Kind::Pod, &pod), "api").unwrap(), whole);
}

#[test]
fn unknown_fields_of_a_policy_reach_its_decoder() {
    let mut policy = sample(Kind::NetworkPolicy);
    policy["spec"]["ingress"][0]["from"][0]["clusterSelector"] = json!({"x": "y"});
    let update = decode(Kind::NetworkPolicy, &pruned(Kind::NetworkPolicy, &policy), "api").unwrap();
    assert!(matches!(update, Update::Applied { problems, .. } if problems.len() == 1));
}

#[test]
fn a_page_gives_its_objects_its_version_and_where_the_next_is() {
    // Objects of lists do not say what they are.
    let items: Vec<Value> = Kind::ALL.map(sample).to_vec();
    for (kind, mut item) in Kind::ALL.into_iter().zip(items) {
        let alone = decode(kind, &item, "api").unwrap();
        item.as_object_mut().unwrap().remove("apiVersion");
        item.as_object_mut().unwrap().remove("kind");
        let list = json!({"items": [item], "metadata": {"resourceVersion": "12", "continue": "abc"}, "kind": "List"});
        let page = page::read(kind, list.to_string().as_bytes(), "api").unwrap();
        assert_eq!(
            (page.batch, page.more.as_deref(), page.version.as_deref()),
            (vec![alone], Some("abc"), Some("12"))
        );
    }
}

#[test]
fn one_object_that_is_not_understood_does_not_spoil_its_page() {
    let mut bad = sample(Kind::Pod);
    bad["metadata"]["name"] = json!("bad");
    bad["spec"] = json!([1, 2]);
    let list = json!({"metadata": {"resourceVersion": "12"}, "items": [bad, sample(Kind::Pod)]});
    let page = page::read(Kind::Pod, list.to_string().as_bytes(), "api").unwrap();
    assert!(
        matches!(&page.batch[..], [Update::Refused { name, .. }, Update::Applied { .. }] if name.name == "bad")
    );
    assert_eq!(page.more, None);
}

#[test]
fn what_is_no_list_is_an_error_and_an_empty_one_is_none() {
    assert!(page::read(Kind::Pod, b"{\"metadata\": {}}", "api").is_err());
    assert!(page::read(Kind::Pod, b"{\"items\": [", "api").is_err());
    let empty =
        page::read(Kind::Pod, b"{\"metadata\": {\"resourceVersion\": \"1\"}, \"items\": null}", "api");
    assert_eq!(empty.unwrap().batch, []);
}

#[test]
fn events_say_what_became_of_an_object_and_from_where_to_go_on() {
    let line = |what: &str, object: Value| json!({"type": what, "object": object}).to_string();
    let read = |line: String| event::read(Kind::Pod, line.as_bytes(), "api");
    let pod = sample(Kind::Pod);
    let applied = decode(Kind::Pod, &pod, "api").unwrap();
    for what in ["ADDED", "MODIFIED"] {
        let event = read(line(what, pod.clone())).unwrap();
        assert_eq!(event, Some(Event::Said(Box::new(applied.clone()), Some("7".into()))));
    }
    let Some(Event::Said(update, version)) = read(line("DELETED", pod)).unwrap() else { panic!() };
    assert!(
        matches!(*update, Update::Deleted { kind: Kind::Pod, ref name } if name.to_string() == "shop/web")
    );
    assert_eq!(version.as_deref(), Some("7"));
    let bookmark = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}, "spec": {"containers": null}});
    assert_eq!(read(line("BOOKMARK", bookmark)).unwrap(), Some(Event::Bookmark("9".into())));
    let gone = json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"});
    assert!(read(line("ERROR", gone)).unwrap_err().is_gone());
    assert!(read("{}".to_owned()).is_err());
}

#[test]
fn a_pod_that_has_finished_is_gone() {
    let mut pod = sample(Kind::Pod);
    pod["status"]["phase"] = json!("Succeeded");
    let line = json!({"type": "MODIFIED", "object": pod}).to_string();
    let Some(Event::Said(update, _)) = event::read(Kind::Pod, line.as_bytes(), "api").unwrap() else {
        panic!()
    };
    assert!(matches!(*update, Update::Deleted { .. }));
}
