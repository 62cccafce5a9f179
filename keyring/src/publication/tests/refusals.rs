use super::*;

/// The error for the good object with one change in it.
fn refusal(change: impl FnOnce(&mut Value)) -> PublicationError {
    let mut changed = object();
    change(&mut changed);
    let by_value = Publication::from_value(changed.clone()).unwrap_err();
    assert_eq!(by_value.field, Publication::from_json(&changed.to_string()).unwrap_err().field);
    by_value
}

fn set(pointer: &str, value: Value) -> PublicationError {
    refusal(|object| *object.pointer_mut(pointer).unwrap() = value)
}

fn remove(parent: &str, field: &str) -> PublicationError {
    refusal(|object| {
        object.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field).unwrap();
    })
}

#[test]
fn every_bad_public_key_is_refused_with_its_object_and_field() {
    let good = key(7).to_base64();
    let mut low_order = [0; 32];
    low_order[0] = 1;
    let encode = |bytes: [u8; 32]| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(bytes)
    };
    let cases = [
        (String::new(), "empty"),
        ("AAAA".to_owned(), "3 bytes long"),
        (good[..43].to_owned(), "not base64"),
        (good[..40].to_owned(), "30 bytes long"),
        (encode([0; 32]), "all zero"),
        (encode(low_order), "low order"),
        (encode([0xff; 32]), "canonical"),
        ("not a key".to_owned(), "not base64"),
    ];
    for (text, expected) in cases {
        let refused = set("/spec/planes/1/publicKey", json!(text));
        assert_eq!(refused.object, "RingfenceNode worker-1");
        assert_eq!(refused.field, "spec.planes[1].publicKey");
        assert!(refused.reason.contains(expected), "{text:?}: {refused}");
    }
}

#[test]
fn one_key_or_one_port_for_both_planes_is_refused() {
    let refused = set("/spec/planes/1/publicKey", json!(key(0)));
    assert_eq!(refused.field, "spec.planes");
    assert!(refused.reason.contains(&format!("duplicate public key {}", key(0))), "{refused}");
    let refused = set("/spec/planes/1/port", json!(51871));
    assert!(refused.reason.contains("both planes have port 51871"), "{refused}");
}

#[test]
fn a_plane_that_does_not_exist_is_missing_or_is_there_twice_is_refused() {
    let refused = set("/spec/planes/0/plane", json!("rf-wg2"));
    assert_eq!(refused.field, "spec.planes[0].plane");
    assert!(refused.reason.contains("no plane \"rf-wg2\""), "{refused}");
    let refused = refusal(|object| object["spec"]["planes"].as_array_mut().unwrap().truncate(1));
    assert_eq!(refused.to_string(), "RingfenceNode worker-1: spec.planes: rf-wg1 is missing");
    let refused = refusal(|object| {
        let first = object["spec"]["planes"][0].clone();
        object["spec"]["planes"].as_array_mut().unwrap().push(first);
    });
    assert_eq!(refused.to_string(), "RingfenceNode worker-1: spec.planes[2].plane: rf-wg0 is there twice");
    assert!(set("/spec/planes", json!([])).reason.contains("rf-wg0 is missing"));
}

#[test]
fn huge_and_ill_fitting_epochs_are_refused() {
    let huge = Epoch::MAX.get() + 1;
    for (pointer, field) in [("/spec/epoch", "spec.epoch"), ("/spec/planes/0/epoch", "spec.planes[0].epoch")]
    {
        for number in
            [json!(huge), json!(u64::MAX), json!(1e300), json!(-1), json!(1.5), json!("4"), json!(null)]
        {
            assert_eq!(set(pointer, number.clone()).field, field, "{number}");
        }
    }
    let text =
        object().to_string().replacen("\"epoch\":4", "\"epoch\":340282366920938463463374607431768211456", 1);
    assert!(Publication::from_json(&text).unwrap_err().field.ends_with("epoch"));
    assert!(set("/spec/planes/0/epoch", json!(5)).reason.contains("epoch 5 cannot be one of rf-wg0"));
    for (pointer, number) in
        [("/spec/epoch", 6), ("/spec/epoch", 3), ("/spec/planes/1/epoch", 7), ("/spec/planes/0/epoch", 2)]
    {
        let refused = set(pointer, json!(number));
        assert_eq!(refused.field, "spec.epoch", "{refused}");
        assert!(refused.reason.contains("do not fit"), "{refused}");
    }
}

#[test]
fn half_a_file_and_more_than_a_file_are_refused() {
    let text = object().to_string();
    for cut in 0..text.len() {
        let refused = Publication::from_json(&text[..cut]).unwrap_err();
        assert_eq!(refused.object, "RingfenceNode (unnamed)");
    }
    let refused = Publication::from_json(&format!("{text}{text}")).unwrap_err();
    assert!(refused.reason.contains("more follows"), "{refused}");
    assert!(Publication::from_json(&format!("{text}\n ")).is_ok());
}

#[test]
fn a_field_that_is_missing_or_of_another_type_is_named() {
    for (parent, field, place) in [
        ("", "apiVersion", "."),
        ("", "spec", "."),
        ("/metadata", "name", "metadata"),
        ("/spec", "nodeUID", "spec"),
        ("/spec", "planes", "spec"),
        ("/spec/planes/0", "publicKey", "spec.planes[0]"),
        ("/spec/planes/1", "port", "spec.planes[1]"),
    ] {
        let refused = remove(parent, field);
        assert_eq!(refused.field, place);
        assert!(refused.reason.contains(&format!("missing field `{field}`")), "{refused}");
    }
    let refused = set("/spec/planes/1/port", json!("51872"));
    assert_eq!(
        (refused.object.as_str(), refused.field.as_str()),
        ("RingfenceNode worker-1", "spec.planes[1].port")
    );
    assert_eq!(set("/spec/endpoints", json!("192.0.2.7")).field, "spec.endpoints");
    assert!(Publication::from_value(json!([])).is_err());
    assert!(Publication::from_value(json!(null)).is_err());
}

#[test]
fn a_field_given_twice_is_refused() {
    let text = object().to_string().replacen("\"epoch\":4", "\"epoch\":4,\"epoch\":4", 1);
    assert!(Publication::from_json(&text).unwrap_err().reason.contains("duplicate field"));
}

#[test]
fn another_kind_version_name_uid_or_port_is_refused_by_name() {
    let cases = [
        ("/apiVersion", json!("v1"), "apiVersion"),
        ("/kind", json!("Node"), "kind"),
        ("/metadata/name", json!(""), "metadata.name"),
        ("/metadata/name", json!("Worker"), "metadata.name"),
        ("/metadata/name", json!("a..b"), "metadata.name"),
        ("/metadata/name", json!("a/../b"), "metadata.name"),
        ("/metadata/name", json!("x".repeat(254)), "metadata.name"),
        ("/spec/nodeUID", json!(""), "spec.nodeUID"),
        ("/spec/nodeUID", json!("a b"), "spec.nodeUID"),
        ("/spec/planes/0/port", json!(0), "spec.planes[0].port"),
        ("/spec/planes/0/port", json!(65536), "spec.planes[0].port"),
    ];
    for (pointer, value, field) in cases {
        assert_eq!(set(pointer, value.clone()).field, field, "{value}");
    }
}

#[test]
fn addresses_at_which_no_other_node_reaches_this_one_are_refused() {
    let bad = [
        "",
        "x",
        "192.0.2.7/24",
        "192.0.2.7:51871",
        "192.0.2.007",
        "fe80::1%eth0",
        "0.0.0.0",
        "::",
        "127.0.0.1",
        "::1",
        "224.0.0.1",
        "ff02::1",
        "255.255.255.255",
        "169.254.1.1",
        "fe80::1",
        "::ffff:192.0.2.7",
    ];
    for text in bad {
        assert_eq!(set("/spec/endpoints/1", json!(text)).field, "spec.endpoints[1]", "{text}");
    }
    let refused = set("/spec/endpoints/1", json!("192.0.2.7"));
    assert_eq!(refused.to_string(), "RingfenceNode worker-1: spec.endpoints[1]: 192.0.2.7 is there twice");
    assert_eq!(set("/spec/endpoints", json!([])).field, "spec.endpoints");
    let many: Vec<_> = (0..17).map(|last| format!("192.0.2.{last}")).collect();
    assert!(set("/spec/endpoints", json!(many)).reason.contains("17 addresses"));
}

#[test]
fn what_is_made_in_code_is_checked_like_what_is_read() {
    let address = ["192.0.2.7".parse().unwrap()];
    let new = |planes, mesh| Publication::new("n1", "uid", epoch(mesh), planes, &address);
    assert!(new(planes(), 4).is_ok() && new(planes(), 5).is_ok());
    assert_eq!(new(planes(), 6).unwrap_err().field, "spec.epoch");
    let swapped = PerPlane { zero: planes().one, one: planes().zero };
    assert!(new(swapped, 4).unwrap_err().reason.contains("cannot be one of rf-wg0"));
    let mut no_port = planes();
    no_port.one.port = 0;
    assert!(new(no_port, 4).unwrap_err().reason.contains("port of rf-wg1 is 0"));
    assert_eq!(Publication::new("n1", "uid", epoch(4), planes(), &[]).unwrap_err().field, "spec.endpoints");
}
