//! What stands, and what does not, where the state directory cannot be written.
use super::{Rotation, Start};
use crate::app::config::{Config, ObjectSource};
use crate::apply::bpf::AttachMode;
use crate::apply::mesh::BackendChoice;
use crate::desired::Snapshot;
use crate::mesh::{Pair, Pairs};
use crate::model::Node;
use crate::plan::mesh::ObservedMesh;
use ringfence_keyring::rotation::{Action, Event};
use ringfence_keyring::{PerPlane, Plane};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

fn config(state_dir: &Path) -> Config {
    Config {
        node: "a".to_owned(),
        source: ObjectSource::Directory(state_dir.join("objects")),
        state_dir: state_dir.to_owned(),
        run_dir: state_dir.join("run"),
        bpffs: state_dir.join("bpffs"),
        wireguard: BackendChoice::Auto,
        cluster_cidrs: BTreeSet::new(),
        node_cidrs: BTreeSet::new(),
        hold_departed: Duration::ZERO,
        mark_shift: 0,
        ports: PerPlane::DEFAULT_PORTS,
        flow_entries: 0,
        table_entries: 0,
        attach: AttachMode::Clsact,
        cni_conf_dir: None,
        rotate_every: None,
        drain: Duration::ZERO,
    }
}

/// Does what is to be done about keys and the record.
fn carry_out(rotation: &mut Rotation) -> Result<(), super::RotationError> {
    while let Some(action) = rotation.next() {
        match action {
            Action::Persist => rotation.persist()?,
            Action::MakeKey { plane, epoch } => rotation.make(plane, epoch)?,
            _ => {}
        }
    }
    Ok(())
}

#[test]
fn while_nothing_can_be_written_what_was_agreed_on_stands_and_who_is_revoked_is_no_part_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let config = config(&state);
    let node = Node {
        name: "a".to_owned(),
        uid: "uid-a".to_owned(),
        created: String::new(),
        labels: std::sync::Arc::default(),
        pod_cidrs: Vec::new(),
        addresses: Vec::new(),
    };
    let (snapshot, observed) = (Snapshot::default(), ObservedMesh::default());
    let (believed, networks) = (BTreeMap::new(), BTreeMap::new());
    let start = Start {
        config: &config,
        node: &node,
        snapshot: &snapshot,
        observed: &observed,
        believed: &believed,
        networks: &networks,
    };
    let mut rotation = Rotation::start(&start).unwrap();
    carry_out(&mut rotation).unwrap();
    for (name, uid) in [("b", "uid-b"), ("c", "uid-c")] {
        rotation.step(Event::Joined { node: name.into(), uid: uid.into() });
    }
    carry_out(&mut rotation).unwrap();
    drop(rotation);
    // Begun anew, as after a step that failed.
    let mut rotation = Rotation::start(&start).unwrap();
    std::fs::rename(&state, directory.path().join("away")).unwrap();
    carry_out(&mut rotation).unwrap();
    let pair = Pair { route: Some(Plane::Zero), ..Pair::default() };
    let pairs = ["b", "c"].map(|name| (name.to_owned(), pair));
    let mut brought = rotation.view();
    brought.pairs = Pairs::Agreed(BTreeMap::from(pairs));
    assert_eq!(rotation.remaining(), None);
    rotation.brought = Some(brought.clone());
    assert_eq!(rotation.remaining(), Some(brought.clone()));
    let (node, uid, keys) = ("b".into(), "uid-b".into(), BTreeSet::new());
    rotation.step(Event::Judged { node, uid, number: 1, revoked: true, keys });
    assert!(carry_out(&mut rotation).is_err(), "a revocation is news");
    brought.pairs = Pairs::Agreed(BTreeMap::from([("c".to_owned(), pair)]));
    assert_eq!(rotation.remaining(), Some(brought));
}
