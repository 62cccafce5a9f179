//! The registry across restarts, deletions and reused addresses.
use super::{Record, Registry};
use crate::control::{AddRequest, Sandbox};
use crate::model::ObjectName;
use std::collections::HashMap;
use std::path::Path;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn request(container: &str, pod: &str, address: &str) -> Result<AddRequest, Box<dyn std::error::Error>> {
    Ok(AddRequest {
        sandbox: Sandbox { container_id: container.to_owned(), ifname: "eth0".to_owned() },
        host_device: format!("veth-{container}"),
        addresses: vec![address.parse()?],
        pod: ObjectName::new("shop", pod),
        uid: None,
        deadline_ms: 10_000,
    })
}

fn open(dir: &Path) -> Result<Registry, Box<dyn std::error::Error>> {
    let (registry, damaged) = Registry::open(dir)?;
    assert!(damaged.is_empty(), "{damaged:?}");
    Ok(registry)
}

fn devices(records: &[&Record]) -> HashMap<u32, String> {
    records.iter().map(|r| (r.ifindex, r.host_device.clone())).collect()
}

#[test]
fn attachments_are_there_again_after_a_restart() -> Outcome {
    let dir = tempfile::tempdir()?;
    let added = open(dir.path())?.add(&request("c1", "web", "10.1.0.2")?, 7)?;
    assert_eq!(open(dir.path())?.records().cloned().collect::<Vec<_>>(), vec![added]);
    Ok(())
}

#[test]
fn a_number_is_never_given_out_twice_not_even_by_an_agent_that_was_killed() -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut seen = std::collections::HashSet::new();
    for i in 0..200 {
        // Every third agent is killed right after the ADD; every pod goes at once.
        let mut registry = open(dir.path())?;
        for j in 0..=(i % 3) {
            let record = registry.add(&request(&format!("c{i}x{j}"), "web", "10.1.0.2")?, 7)?;
            assert!(seen.insert(record.id), "{} was given out twice", record.id);
        }
        registry.forget_gone(&HashMap::new())?;
    }
    Ok(())
}

#[test]
fn numbers_that_the_kernel_still_knows_are_not_given_out() -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut registry = open(dir.path())?;
    registry.skip_to(41);
    assert_eq!(registry.add(&request("c1", "web", "10.1.0.2")?, 7)?.id, 42);
    assert!(open(dir.path())?.add(&request("c2", "web", "10.1.0.3")?, 8)?.id > 42);
    Ok(())
}

#[test]
fn the_same_add_again_keeps_its_number_and_another_one_does_not() -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut registry = open(dir.path())?;
    let first = registry.add(&request("c1", "web", "10.1.0.2")?, 7)?;
    assert_eq!(registry.add(&request("c1", "web", "10.1.0.2")?, 7)?, first);
    assert_ne!(registry.add(&request("c1", "web", "10.1.0.9")?, 7)?.id, first.id);
    Ok(())
}

#[test]
fn an_attachment_goes_with_its_device_and_with_nothing_else() -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut registry = open(dir.path())?;
    let kept = registry.add(&request("c1", "web", "10.1.0.2")?, 7)?;
    let gone = registry.add(&request("c2", "db", "10.1.0.3")?, 8)?;
    // Another device has been given the index of the one that is gone.
    let mut present = devices(&[&kept]);
    present.insert(gone.ifindex, "eth1".to_owned());
    assert_eq!(registry.forget_gone(&present)?, vec![gone]);
    assert_eq!(open(dir.path())?.records().cloned().collect::<Vec<_>>(), vec![kept]);
    Ok(())
}

#[test]
fn a_deleted_pod_is_closing_also_after_a_restart() -> Outcome {
    let dir = tempfile::tempdir()?;
    let mut registry = open(dir.path())?;
    let record = registry.add(&request("c1", "web", "10.1.0.2")?, 7)?;
    assert!(registry.close(&record.sandbox)?);
    assert!(open(dir.path())?.local().iter().all(|e| e.closing));
    assert!(!registry.close(&Sandbox { container_id: "other".to_owned(), ifname: "eth0".to_owned() })?);
    Ok(())
}

#[test]
fn a_damaged_file_is_named_and_costs_only_its_own_pod() -> Outcome {
    let dir = tempfile::tempdir()?;
    open(dir.path())?.add(&request("c1", "web", "10.1.0.2")?, 7)?;
    std::fs::write(dir.path().join("endpoints/c2@eth0.json"), b"{\"id\": 3,")?;
    let (registry, damaged) = Registry::open(dir.path())?;
    assert_eq!(registry.records().count(), 1);
    assert!(damaged.iter().any(|e| e.to_string().contains("c2@eth0.json")), "{damaged:?}");
    Ok(())
}
