//! Flows that were just found.
use crate::talk::{FROM_POD, LATER, REPLIED, TO_POD, across, answer, ask, called};
use anyhow::Result;
use ringfence_abi::{Counter, Mark, Origin, Reason};
use ringfence_integration::testrun::packet::flags::{ACK, FIN, RST, SYN};
use ringfence_integration::testrun::packet::protocol;
use ringfence_integration::testrun::world::{VETH_B, entered, ports};
use ringfence_integration::testrun::{Family, Outcome, Packet, Who};

#[test]
fn what_policy_forbids_is_cut_with_the_next_packet_also_on_a_flow_just_used() -> Result<()> {
    let mut world = called()?;
    world.rig.remove_policy(1003, 11)?;
    world.next_generation()?;
    for family in Family::BOTH {
        let (_, arrived) = across(&mut world, &ask(family))?;
        let cut = |out: &Outcome| out.dropped(Reason::PolicyIngress, &[Counter::ToPod, Counter::FlowRevoked]);
        assert!(arrived.as_ref().is_some_and(cut), "{arrived:?}");
        let out = world.from_b(&answer(family))?;
        assert!(out.passed(entered(Origin::LocalPod), FROM_POD), "{out:?}");
    }
    Ok(())
}

#[test]
fn a_flow_just_used_speaks_for_no_other_packet() -> Result<()> {
    let mut world = called()?;
    let judged = entered(Origin::LocalPod).with(Mark::JUDGED);
    for family in Family::BOTH {
        let (a, b) = (Who::A.ip(family), Who::B.ip(family));
        for other in [
            Packet::udp(b, a, (53, 40_001)),
            Packet::udp(b, a, (54, 40_000)),
            Packet::udp(b, a, (40_000, 53)),
            Packet::tcp(b, a, (53, 40_000), ACK),
            Packet::sctp(b, a, (53, 40_000), 0),
        ] {
            let out = world.from_b(&other)?;
            assert!(
                out.bits() != judged && !out.counted.contains_key(Counter::FlowHit.name()),
                "{other:?}: {out:?}"
            );
        }
        // The other pod's id changes: another pod has its veth now.
        let was = world.a;
        world.a.id += 1;
        world.write()?;
        let out = world.from_b(&answer(family))?;
        assert!(out.passed(entered(Origin::LocalPod), FROM_POD), "{out:?}");
        world.a = was;
        world.write()?;
    }
    Ok(())
}

#[test]
fn a_packet_that_opens_a_connection_is_judged_whatever_was_just_used() -> Result<()> {
    let mut world = called()?;
    world.allow(1003, 11, ports(protocol::TCP, 2))?;
    for family in Family::BOTH {
        let (a, b) = (Who::A.ip(family), Who::B.ip(family));
        let tcp = |flags| Packet::tcp(a, b, (40_000, 80), flags);
        let back = |flags| Packet::tcp(b, a, (80, 40_000), flags);
        across(&mut world, &tcp(SYN))?;
        for flags in [SYN | ACK, ACK, ACK, ACK] {
            let out = world.from_b(&back(flags))?;
            assert!(out.passed(entered(Origin::LocalPod).with(Mark::JUDGED), REPLIED), "{flags}: {out:?}");
        }
        let out = world.from_b(&back(SYN))?;
        assert!(out.passed(entered(Origin::LocalPod), FROM_POD), "{out:?}");
        for flags in [FIN | ACK, RST] {
            // Known by the flow, which has to note them.
            let out = world.from_b(&back(flags))?;
            assert!(out.passed(entered(Origin::LocalPod).with(Mark::JUDGED), REPLIED), "{flags}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn a_flow_just_used_is_remembered_for_some_seconds_at_most() -> Result<()> {
    let mut world = called()?;
    world.rig.forget_flows()?;
    std::thread::sleep(LATER);
    for family in Family::BOTH {
        let out = world.from_b(&answer(family))?;
        assert!(out.passed(entered(Origin::LocalPod), FROM_POD), "{out:?}");
    }
    Ok(())
}

#[test]
fn a_packet_off_another_device_or_of_another_origin_is_not_taken_for_the_pods() -> Result<()> {
    let mut world = called()?;
    for family in Family::BOTH {
        for (origin, came_by) in [(Origin::Outside, 1), (Origin::None, 1), (Origin::None, VETH_B)] {
            let out = world.to_b(&ask(family), entered(origin), came_by)?;
            assert!(!out.counted.contains_key(Counter::FlowHit.name()), "{origin:?}: {out:?}");
        }
        let out = world.to_b(&ask(family), entered(Origin::Outside), 1)?;
        assert!(out.dropped(Reason::SpoofedUnderlay, TO_POD), "{out:?}");
    }
    Ok(())
}
