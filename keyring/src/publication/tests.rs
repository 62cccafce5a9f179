mod progress;
mod refusals;

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn epoch(number: u64) -> Epoch {
    Epoch::new(number).unwrap()
}

/// A public key told by one number.
fn key(number: u8) -> PublicKey {
    let mut bytes = [0x11; 32];
    bytes[1] = number;
    PublicKey::from_bytes(bytes).unwrap()
}

fn object() -> Value {
    json!({
        "apiVersion": "ringfence.dev/v1alpha1",
        "kind": "RingfenceNode",
        "metadata": {"name": "worker-1"},
        "spec": {
            "nodeUID": "6f0c1d8e-0d0a",
            "epoch": 4,
            "endpoints": ["192.0.2.7", "2001:db8::7"],
            "planes": [
                {"plane": "rf-wg0", "publicKey": key(0).to_base64(), "epoch": 4, "port": 51871},
                {"plane": "rf-wg1", "publicKey": key(1).to_base64(), "epoch": 5, "port": 51872},
            ],
        },
    })
}

fn planes() -> PerPlane<PublishedPlane> {
    PerPlane {
        zero: PublishedPlane { public_key: key(0), epoch: epoch(4), port: 51871 },
        one: PublishedPlane { public_key: key(1), epoch: epoch(5), port: 51872 },
    }
}

#[test]
fn a_publication_is_written_as_the_custom_resource_and_read_back() {
    let endpoints = ["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
    let publication = Publication::new("worker-1", "6f0c1d8e-0d0a", epoch(4), planes(), &endpoints).unwrap();
    assert_eq!(publication.to_value(), object());
    assert_eq!(Publication::from_value(object()).unwrap(), publication);
    assert_eq!(Publication::from_json(&publication.to_json()).unwrap(), publication);
    let text = serde_json::to_string(&publication).unwrap();
    assert_eq!(serde_json::from_str::<Publication>(&text).unwrap(), publication);
    assert_eq!(publication.node(), "worker-1");
    assert_eq!(publication.uid(), "6f0c1d8e-0d0a");
    assert_eq!(publication.epoch(), epoch(4));
    assert_eq!(publication.planes(), &planes());
    assert_eq!(publication.endpoints(), endpoints);
}

#[test]
fn the_order_of_the_planes_and_fields_that_a_newer_agent_adds_do_not_matter() {
    let mut changed = object();
    changed["spec"]["planes"].as_array_mut().unwrap().reverse();
    changed["spec"]["tomorrow"] = json!({"x": 1});
    changed["metadata"]["resourceVersion"] = json!("17");
    changed["status"] = json!({});
    assert_eq!(Publication::from_value(changed).unwrap(), Publication::from_value(object()).unwrap());
}

#[test]
fn two_nodes_that_claim_one_key_are_found_on_whichever_planes() {
    let ours = Publication::from_value(object()).unwrap();
    let theirs = |zero, one| {
        let mut other = object();
        other["metadata"]["name"] = json!("worker-2");
        other["spec"]["planes"][0]["publicKey"] = json!(key(zero));
        other["spec"]["planes"][1]["publicKey"] = json!(key(one));
        Publication::from_value(other).unwrap()
    };
    assert_eq!(ours.shared_key(&theirs(8, 9)), None);
    assert_eq!(ours.shared_key(&theirs(0, 9)), Some(key(0)));
    assert_eq!(ours.shared_key(&theirs(8, 0)), Some(key(0)));
    assert_eq!(ours.shared_key(&theirs(1, 8)), Some(key(1)));
}

fn publications() -> impl Strategy<Value = Publication> {
    let name = "[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?){0,2}";
    let uid = "[-._A-Za-z0-9]{1,128}";
    let keys = (any::<[u8; 32]>(), any::<[u8; 32]>()).prop_filter_map("two keys", |(one, other)| {
        let (one, other) = (PublicKey::from_bytes(one).ok()?, PublicKey::from_bytes(other).ok()?);
        (one != other).then_some([one, other])
    });
    let ports = (1..u16::MAX).prop_flat_map(|port| (Just(port), (port + 1)..=u16::MAX));
    let v4 = (1..=223_u8, any::<[u8; 3]>()).prop_map(|(a, [b, c, d])| Ipv4Addr::new(a, b, c, d).into());
    let v6 =
        any::<[u16; 7]>().prop_map(|[b, c, d, e, f, g, h]| Ipv6Addr::new(0x2001, b, c, d, e, f, g, h).into());
    let endpoints = prop::collection::btree_set(prop_oneof![v4, v6], 1..=MAX_ENDPOINTS);
    (name, uid, 1..Epoch::MAX.get(), any::<bool>(), keys, ports, endpoints).prop_filter_map(
        "addresses that can be reached",
        |(node, uid, mesh, rotating, keys, ports, endpoints)| {
            let mesh = epoch(mesh);
            let idle = if rotating { mesh.previous()? } else { mesh.next()? };
            let planes = PerPlane::from_fn(|plane| PublishedPlane {
                public_key: keys[plane.index()],
                epoch: if plane == mesh.plane() { mesh } else { idle },
                port: [ports.0, ports.1][plane.index()],
            });
            let endpoints: Vec<_> = endpoints.into_iter().collect();
            Publication::new(&node, &uid, mesh, planes, &endpoints).ok()
        },
    )
}

proptest! {
    #[test]
    fn publications_survive_the_way_through_json(publication in publications()) {
        prop_assert_eq!(&Publication::from_json(&publication.to_json()).unwrap(), &publication);
        prop_assert_eq!(&Publication::from_value(publication.to_value()).unwrap(), &publication);
    }

    #[test]
    fn a_publication_cut_off_anywhere_is_refused(publication in publications(), at: prop::sample::Index) {
        let text = publication.to_json();
        let text = text.trim_end();
        let cut = at.index(text.len());
        prop_assert!(Publication::from_json(&text[..cut]).is_err());
    }

    #[test]
    fn a_publication_with_any_byte_changed_is_refused_or_another_one_that_keeps_the_rules(
        publication in publications(), at: prop::sample::Index, byte in 0x20..0x7f_u8,
    ) {
        let mut text = publication.to_json().into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        if let Ok(read) = Publication::from_json(&String::from_utf8(text).unwrap()) {
            prop_assert!(check::all(&read).is_ok());
            prop_assert_eq!(Publication::from_json(&read.to_json()).unwrap(), read);
        }
    }
}
