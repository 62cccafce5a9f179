//! What people must not overlook in a report.
use super::{
    BackendStatus, MeshStatus, PeerStatus, PlaneStatus, RetryStatus, StatusReport, TableStatus, render,
};
use std::collections::BTreeMap;

fn ready() -> StatusReport {
    StatusReport {
        node: "worker-1".to_owned(),
        ready: true,
        mesh: MeshStatus { backend: BackendStatus::Kernel, ..MeshStatus::default() },
        ..StatusReport::default()
    }
}

#[test]
fn plaintext_is_shouted_and_its_absence_is_said() {
    assert!(render(&ready()).contains("plaintext   0 packets"));
    let text = render(&StatusReport { plaintext: 3, ..ready() });
    assert!(text.contains("3 PACKETS TRIED TO LEAVE IN THE CLEAR"), "{text}");
}

#[test]
fn a_node_that_is_not_ready_says_what_it_waits_for() {
    let waiting_for = vec!["the source of objects".to_owned(), "the mesh to stand".to_owned()];
    let text = render(&StatusReport { ready: false, waiting_for, ..ready() });
    assert!(text.contains("NOT READY: waiting for the source of objects, the mesh to stand"), "{text}");
}

#[test]
fn userspace_encryption_is_said_loudly() {
    let mesh = MeshStatus { backend: BackendStatus::Userspace, ..MeshStatus::default() };
    assert!(render(&StatusReport { mesh, ..ready() }).contains("USERSPACE WIREGUARD"));
}

#[test]
fn a_mesh_that_is_tried_again_and_again_says_how_often_and_when_next() {
    assert!(!render(&ready()).contains("NOT AS IT SHALL BE"));
    let retry = Some(RetryStatus { attempts: 7, next_milliseconds: 4200 });
    let text = render(&StatusReport { mesh: MeshStatus { retry, ..MeshStatus::default() }, ..ready() });
    assert!(text.contains("tried 7 times, again in 4.2 s"), "{text}");
}

#[test]
fn reasons_that_dropped_nothing_are_not_listed_and_full_tables_are() {
    let drops = BTreeMap::from([("policy-ingress".to_owned(), 7), ("malformed".to_owned(), 0)]);
    let table = |used| TableStatus { name: "RF_POLICY".to_owned(), used, capacity: 100 };
    let text = render(&StatusReport { drops: drops.clone(), tables: vec![table(10)], ..ready() });
    assert!(
        text.contains("policy-ingress") && !text.contains("malformed") && !text.contains("RF_POLICY"),
        "{text}"
    );
    assert!(render(&StatusReport { drops, tables: vec![table(60)], ..ready() }).contains("RF_POLICY"));
}

#[test]
fn a_peer_that_was_never_heard_is_told_from_one_that_was() {
    let peer = |node: &str, handshake_seconds| PeerStatus {
        node: node.to_owned(),
        handshake_seconds,
        ..PeerStatus::default()
    };
    let plane =
        PlaneStatus { peers: vec![peer("near", Some(4)), peer("far", None)], ..PlaneStatus::default() };
    let mesh = MeshStatus { planes: vec![plane], ..MeshStatus::default() };
    let text = render(&StatusReport { mesh, ..ready() });
    let line =
        |node: &str| text.lines().find(|line| line.starts_with(node)).map(str::to_owned).unwrap_or_default();
    assert!(line("near").contains("4 s ago") && line("far").contains("never"), "{text}");
}

#[test]
fn a_report_survives_its_json() -> Result<(), serde_json::Error> {
    let report = StatusReport { plaintext: 1, ..ready() };
    let json = serde_json::to_string(&report)?;
    assert!(json.contains("\"waitingFor\""), "{json}");
    assert_eq!(serde_json::from_str::<StatusReport>(&json)?, report);
    Ok(())
}
