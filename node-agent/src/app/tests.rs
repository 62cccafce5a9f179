//! The parts of the agent that decide without a kernel: roles of devices, who still waits for an answer.
use super::calls::Waiting;
use super::hooks::wanted;
use super::troubles::Troubles;
use crate::apply::bpf::Role;
use crate::apply::devices::NodeDevice;
use crate::control::{AddRequest, RefusalKind, Reply, Sandbox};
use crate::endpoint::Record;
use crate::model::ObjectName;
use crate::policy::tables::Tables;
use ringfence_abi::EndpointValue;
use std::collections::BTreeMap;
use tokio::sync::oneshot;

const VETH: u32 = 7;

fn request(deadline_ms: u64) -> AddRequest {
    AddRequest {
        sandbox: Sandbox { container_id: "c1".to_owned(), ifname: "eth0".to_owned() },
        host_device: "veth1".to_owned(),
        addresses: Vec::new(),
        pod: ObjectName::new("shop", "web"),
        uid: None,
        deadline_ms,
    }
}

fn tables(flags: Option<u32>) -> Tables {
    let entry = |flags| (VETH, EndpointValue { id: 1, flags, ..EndpointValue::default() });
    Tables { endpoints: flags.map(entry).into_iter().collect(), ..Tables::default() }
}

#[test]
fn devices_are_pods_by_name_and_index_wireguards_by_name_and_else_the_underlays() {
    let device = |(ifindex, name): (u32, &str)| {
        let device = NodeDevice {
            ifindex,
            name: name.to_owned(),
            loopback: name == "lo",
            mtu: 1500,
            addresses: Vec::new(),
        };
        (ifindex, device)
    };
    let all =
        [(1, "lo"), (2, "eth0"), (3, "rf-wg0"), (4, "rf-wg1"), (VETH, "veth1"), (8, "veth2"), (9, "rf-wg2")];
    let devices: BTreeMap<u32, NodeDevice> = all.into_iter().map(device).collect();
    let attached = Record::new(1, VETH, &request(0));
    // Its device is gone, and another has the index.
    let stale = Record::new(2, 8, &AddRequest { host_device: "veth-gone".to_owned(), ..request(0) });
    let roles: Vec<_> =
        wanted(&devices, [&attached, &stale].into_iter()).iter().map(|d| (d.ifindex, d.role)).collect();
    let expected = [
        (2, Role::Underlay),
        (3, Role::Mesh),
        (4, Role::Mesh),
        (VETH, Role::Pod),
        (8, Role::Underlay),
        (9, Role::Underlay),
    ];
    assert_eq!(roles, expected);
}

#[tokio::test]
async fn add_is_answered_once_the_pods_own_policy_is_in_force_and_not_before() {
    let (reply, mut answer) = oneshot::channel();
    let waiting = Waiting::add(request(10_000), VETH, reply);
    let Some(waiting) = waiting.settle(&tables(None), None) else { panic!("answered without an endpoint") };
    let Some(waiting) = waiting.settle(&tables(Some(EndpointValue::DENY_ALL)), None) else {
        panic!("answered while everything is denied");
    };
    assert!(answer.try_recv().is_err());
    assert!(waiting.settle(&tables(Some(0)), None).is_none());
    assert_eq!(answer.try_recv(), Ok(Reply::Done));
}

#[tokio::test]
async fn del_is_answered_once_nothing_passes() {
    let (reply, mut answer) = oneshot::channel();
    let waiting = Waiting::del(request(0).sandbox, VETH, reply);
    let Some(waiting) = waiting.settle(&tables(Some(0)), None) else {
        panic!("answered while traffic passes")
    };
    assert!(waiting.settle(&tables(Some(EndpointValue::DENY_ALL)), None).is_none());
    assert_eq!(answer.try_recv(), Ok(Reply::Done));
}

#[tokio::test]
async fn who_has_waited_too_long_is_told_what_was_missing() {
    for (trouble, expected) in [(None, "pod shop/web is not known"), (Some("table full"), "table full")] {
        let (reply, mut answer) = oneshot::channel();
        assert!(Waiting::add(request(0), VETH, reply).settle(&tables(None), trouble).is_none());
        let Ok(Reply::Refused { kind, message }) = answer.try_recv() else { panic!("not refused") };
        assert!(kind == RefusalKind::TryLater && message.contains(expected), "{message}");
    }
}

#[tokio::test]
async fn a_deadline_beyond_all_time_is_one_like_any_other() {
    let (reply, _answer) = oneshot::channel();
    let waiting = Waiting::add(request(u64::MAX), VETH, reply);
    assert!(waiting.deadline() < tokio::time::Instant::now() + std::time::Duration::from_secs(3600));
}

#[test]
fn a_trouble_is_there_until_its_concern_fares_well_again() {
    let mut troubles = Troubles::default();
    troubles.note("mesh", Err::<(), _>("no route"));
    troubles.note("hooks", Ok::<_, &str>(()));
    assert_eq!(troubles.all(), ["mesh: no route"]);
    assert_eq!(troubles.note("mesh", Ok::<_, &str>(5)), Some(5));
    assert!(troubles.all().is_empty() && troubles.of("mesh").is_none());
}
