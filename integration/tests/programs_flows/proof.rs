//! Flows prove themselves again when policy or pods have changed.
use crate::one::{FAMILY, back, hit, missed, only, revoked, there, world};
use anyhow::Result;
use ringfence_abi::{Counter, EndpointValue, Mark, Origin, Reason, names};
use ringfence_integration::testrun::packet::flags::{ACK, SYN};
use ringfence_integration::testrun::world::{EVERYTHING, VETH_A, entered};
use ringfence_integration::testrun::{Family, Packet, Who, World};

#[test]
fn a_flow_of_an_older_generation_proves_itself_and_goes_on() -> Result<()> {
    let mut world = world()?;
    world.of_a(names::WG_EGRESS, &there(SYN), 0)?;
    world.next_generation()?;
    assert!(hit(&world.at(names::WG_INGRESS, &back(ACK))?));
    assert_eq!(only(&mut world)?.1.generation, world.config.generation);
    world.next_generation()?;
    world.of_a(names::WG_EGRESS, &there(ACK), 0)?;
    assert_eq!(only(&mut world)?.1.generation, world.config.generation, "the opener proves it too");
    Ok(())
}

#[test]
fn a_flow_that_policy_no_longer_allows_is_cut_at_its_next_packet() -> Result<()> {
    for narrowed in [None, Some(81)] {
        let mut world = world()?;
        world.of_a(names::WG_EGRESS, &there(SYN), 0)?;
        assert!(hit(&world.at(names::WG_INGRESS, &back(ACK))?));
        match narrowed {
            None => world.rig.remove_policy(1000, 21)?,
            Some(port) => {
                world.rig.set_ports(3, &[port])?;
                world.allow(1000, 21, ringfence_integration::testrun::world::ports(6, 3))?;
            }
        }
        assert!(hit(&world.at(names::WG_INGRESS, &back(ACK))?), "policy has not moved on yet");
        world.next_generation()?;
        let out = world.at(names::WG_INGRESS, &back(ACK))?;
        assert!(revoked(&out), "{out:?}");
        assert!(world.rig.flows()?.is_empty());
        assert!(missed(&world.at(names::WG_INGRESS, &back(ACK))?), "and stays so");
        let out = world.of_a(names::WG_EGRESS, &there(ACK), 0)?;
        assert!(out.dropped(Reason::PolicyEgress, &[Counter::ToPeer]), "{out:?}");
    }
    Ok(())
}

#[test]
fn a_flow_ends_with_the_pod_that_had_its_address() -> Result<()> {
    type Change = fn(&mut World) -> Result<()>;
    let changes: [Change; 3] = [
        |world| {
            world.a.id += 100;
            world.write()
        },
        |world| {
            world.a.flags = EndpointValue::DENY_ALL;
            world.next_generation()?;
            world.a.flags = 0;
            world.a.id += 100;
            world.next_generation()
        },
        |world| {
            world.rig.remove_endpoint(VETH_A)?;
            // The new pod has another veth.
            let a = EndpointValue { id: 900, ..world.a };
            world.rig.set_endpoint(19, a)?;
            for family in Family::BOTH {
                world.rig.set_address(Who::A.ip(family), ringfence_abi::AddressKind::LocalPod, 11, 19)?;
            }
            Ok(())
        },
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut world = world()?;
        world.of_a(names::WG_EGRESS, &there(SYN), 0)?;
        assert!(hit(&world.at(names::WG_INGRESS, &back(ACK))?));
        change(&mut world)?;
        let out = world.at(names::WG_INGRESS, &back(ACK))?;
        assert!(missed(&out), "{index}: {out:?}");
    }
    Ok(())
}

#[test]
fn a_flow_whose_other_end_was_another_pod_is_not_this_ones() -> Result<()> {
    let mut world = world()?;
    (world.b.egress_profile, world.b.ingress_profile) = (1002, 1003);
    world.write()?;
    world.allow(1000, 12, EVERYTHING)?;
    world.allow(1003, 11, EVERYTHING)?;
    let (a, b) = (Who::A.ip(FAMILY), Who::B.ip(FAMILY));
    let (there, back) = (Packet::udp(a, b, (40_000, 53)), Packet::udp(b, a, (53, 40_000)));
    world.of_a(names::POD_INGRESS, &there, 0)?;
    let out = world.from_b(&back)?;
    let settled = entered(Origin::LocalPod).with(Mark::JUDGED);
    assert!(out.passed(settled, &[Counter::FromPod, Counter::FlowHit]), "{out:?}");
    for (a, b) in [(201, 102), (101, 202)] {
        (world.a.id, world.b.id) = (a, b);
        world.write()?;
        let out = world.from_b(&back)?;
        assert!(out.passed(entered(Origin::LocalPod), &[Counter::FromPod]), "{out:?}");
        let out = world.of_a(names::POD_INGRESS, &there, 0)?;
        let counted = [Counter::ToPod, Counter::FlowInserted];
        assert!(out.passed(entered(Origin::LocalPod), &counted), "made anew for them: {out:?}");
    }
    Ok(())
}
