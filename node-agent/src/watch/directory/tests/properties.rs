//! Whatever is read: no panic, the same again, and the same after being written back.
use super::support::{essence, write_all};
use crate::model::{Peer, Peers};
use crate::watch::directory::{Mode, read};
use crate::watch::queries;
use crate::watch::{Kind, Object, Update, decode};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fs;

/// Any JSON, made of words that mean something to us more often than not.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "v1",
        "Pod",
        "spec",
        "metadata",
        "name",
        "ports",
        "port",
        "ingress",
        "from",
        "podSelector",
        "matchLabels",
        "In",
        "10.0.0.0/8",
        "fd00::1",
        "None",
        "a",
        "",
        "-",
        "TCP",
        "80",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0i64..70000).prop_map(Value::from),
        any::<f64>().prop_map(|f| json!(f)),
        word.clone().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(word.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// An object of one of our kinds with any contents where something is expected.
fn any_object() -> impl Strategy<Value = Value> {
    let heads = vec![
        ("v1", "Pod"),
        ("v1", "Node"),
        ("v1", "Namespace"),
        ("v1", "Service"),
        ("discovery.k8s.io/v1", "EndpointSlice"),
        ("networking.k8s.io/v1", "NetworkPolicy"),
        ("apps/v1", "Deployment"),
        ("batch/v1", "CronJob"),
        ("v1", "List"),
        ("ringfence.dev/v1alpha1", "RingfenceNode"),
    ];
    (prop::sample::select(heads), any_json(), any_json(), any_json(), any_json()).prop_map(|((version, kind), a, b, c, d)| {
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": "x", "labels": a}, "status": b,
               "spec": {"podSelector": c, "ingress": [{"from": [d.clone()], "ports": [d.clone()]}], "ports": [d.clone()],
                        "containers": [d.clone()], "replicas": 2, "template": {"spec": {"containers": [d]}}},
               "items": c, "endpoints": b, "addressType": "IPv4"})
    })
}

fn read_text(name: &str, text: &[u8]) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(name), text).unwrap();
    for mode in [Mode::Accept, Mode::Watch] {
        if let Ok(loaded) = read(directory.path(), mode) {
            loaded.snapshot();
            loaded.objects();
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_text("a.yaml", &bytes);
        read_text("a.json", &bytes);
        let _ = queries::parse("q", &String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn text_that_looks_like_yaml_never_panics(text in "([a-z]{1,3}:|- |---\n|\\{|\\}|\\[|\\]|\"|'|&a |\\*a|<<: |!t |\\||>|[ \n\t]|[0-9.]{1,3}|kind: List\n|items:\n){0,40}") {
        read_text("a.yaml", text.as_bytes());
    }

    #[test]
    fn arbitrary_json_never_panics(value in any_json()) {
        read_text("a.json", value.to_string().as_bytes());
        for kind in Kind::ALL {
            decode(kind, &value, "test");
        }
        let _ = queries::parse("q", &value.to_string());
    }

    #[test]
    fn arbitrary_objects_never_panic_and_are_the_same_as_yaml(object in any_object()) {
        read_text("a.json", object.to_string().as_bytes());
        let directory = tempfile::tempdir().unwrap();
        let (json, yaml) = (directory.path().join("a.json"), directory.path().join("a.yaml"));
        fs::write(&json, object.to_string()).unwrap();
        fs::write(&yaml, serde_yaml_ng::to_string(&object).unwrap()).unwrap();
        let what = |path: &std::path::Path| read(path, Mode::Watch).map(|l| essence(&l)).map_err(|e| e.0.len());
        prop_assert_eq!(what(&json), what(&yaml));
    }

    #[test]
    fn a_policy_never_allows_more_for_being_damaged(damage in any_json(), place in 0usize..6) {
        let pointers = ["/spec", "/spec/podSelector", "/spec/policyTypes", "/spec/ingress/0", "/spec/ingress/0/from/0",
                        "/spec/ingress/0/from"];
        let mut object = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "p", "namespace": "ns"},
            "spec": {"podSelector": {"matchLabels": {"a": "b"}}, "policyTypes": ["Ingress"],
                     "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}});
        *object.pointer_mut(pointers[place]).unwrap() = damage;
        let Some(Update::Applied { object: Object::NetworkPolicy(policy), problems, .. }) = decode(Kind::NetworkPolicy, &object, "test")
        else { return Err(TestCaseError::fail("not applied")) };
        prop_assert!(policy.ingress.is_some() || policy.egress.is_some(), "it isolates nothing");
        // With a problem, no rule may be there that matches everybody unless it was written so.
        if !problems.is_empty() && place != 3 && place != 5 && place != 0 {
            let everybody = policy.ingress.iter().flatten().any(|rule| rule.peers == Peers::Any);
            prop_assert!(!everybody, "{policy:?}");
        }
        if place == 4 && !problems.is_empty() {
            prop_assert_eq!(&policy.ingress.as_ref().unwrap()[0].peers, &Peers::Only(vec![Peer::Nothing]));
        }
    }
}

/// A cluster of pods, nodes, Services and workloads, some with places and addresses of their own.
fn any_cluster() -> impl Strategy<Value = Vec<Value>> {
    let name = prop::sample::select(vec!["a", "b", "c", "d"]);
    let namespace = prop::sample::select(vec!["x", "y"]);
    let template = json!({"metadata": {"labels": {"app": "t"}}, "spec": {"containers": [{"name": "c"}]}});
    let pod = (name.clone(), namespace.clone(), prop::option::of(name.clone()), any::<bool>(), 2u8..250, any::<bool>()).prop_map(
        |(name, ns, node, host, address, addressed)| {
            let status = if addressed && !host { json!({"podIPs": [{"ip": format!("10.9.{}.{address}", name.len() + usize::from(name.as_bytes()[0]))}]}) } else { json!({}) };
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": ns}, "status": status,
                   "spec": {"nodeName": node, "hostNetwork": host, "containers": [{"name": "c"}]}})
        },
    );
    let node = (name.clone(), prop::option::of(1u8..4)).prop_map(|(name, cidr)| {
        let cidrs = cidr.map(|c| vec![format!("10.{}.{c}.0/24", name.as_bytes()[0])]);
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"podCIDRs": cidrs}})
    });
    let service = (name.clone(), prop::sample::select(vec!["ClusterIP", "NodePort"])).prop_map(|(name, kind)| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"type": kind, "ports": [{"port": 80}]}})
    });
    let kinds = prop::sample::select(vec!["Deployment", "StatefulSet", "DaemonSet"]);
    let workload = (name, namespace, kinds, 0u8..4).prop_map(move |(name, ns, kind, replicas)| {
        json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": ns},
               "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "t"}}, "template": template}})
    });
    prop::collection::vec(prop_oneof![4 => pod, 1 => node, 1 => service, 2 => workload], 0..14)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_cluster_is_the_same_however_it_is_cut_into_files_and_after_being_written_back(objects in any_cluster()) {
        let (one, many) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(one.path().join("all.json"), json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()).unwrap();
        for (i, object) in objects.iter().enumerate() {
            fs::write(many.path().join(format!("{:03}.yaml", 999 - i)), serde_yaml_ng::to_string(object).unwrap()).unwrap();
        }
        match (read(one.path(), Mode::Accept), read(many.path(), Mode::Accept)) {
            (Ok(one), Ok(many)) => {
                prop_assert_eq!(essence(&one), essence(&many));
                let written = tempfile::tempdir().unwrap();
                write_all(&one, written.path());
                let again = read(written.path(), Mode::Accept).unwrap();
                prop_assert_eq!(essence(&one), essence(&again));
                prop_assert_eq!(one.objects(), again.objects());
            }
            (one, many) => prop_assert_eq!(one.map_err(|e| e.0.len()).err(), many.map_err(|e| e.0.len()).err()),
        }
    }

    #[test]
    fn written_back_an_unrelated_object_changes_nothing(objects in any_cluster()) {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("all.json"), json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()).unwrap();
        let Ok(before) = read(directory.path(), Mode::Accept) else { return Ok(()) };
        let written = tempfile::tempdir().unwrap();
        write_all(&before, written.path());
        let more = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "0", "namespace": "0"}, "spec": {"containers": [{"name": "c"}]}}"#;
        fs::write(written.path().join("more.json"), more).unwrap();
        let after = read(written.path(), Mode::Accept).unwrap();
        for (name, pod) in &before.pods {
            prop_assert_eq!(&after.pods[name].value, &pod.value);
        }
        prop_assert_eq!(after.pods.len(), before.pods.len() + 1);
    }
}
