//! The short way that most packets go skips no check. Each test first sends what goes that way often enough that programs
//! have learnt all they can, then the packet that must not go with it.
use anyhow::Result;
use ringfence_abi::{Counter, EndpointValue, Mark, Origin, Reason, names};
use ringfence_integration::testrun::packet::flags::{ACK, FIN, RST, SYN};
use ringfence_integration::testrun::packet::protocol;
use ringfence_integration::testrun::world::{EVERYTHING, VETH_A, VETH_B, entered, ports};
use ringfence_integration::testrun::{Context, Family, Outcome, Packet, Who, World};
use std::time::Duration;

const FROM_POD: &[Counter] = &[Counter::FromPod];
const TO_POD: &[Counter] = &[Counter::ToPod];
const REPLIED: &[Counter] = &[Counter::FromPod, Counter::FlowHit];
const FOUND: &[Counter] = &[Counter::ToPod, Counter::FlowHit];
/// Longer than any hint of a flow is good for.
const LATER: Duration = Duration::from_millis(2600);

fn ask(family: Family) -> Packet {
    Packet::udp(Who::A.ip(family), Who::B.ip(family), (40_000, 53))
}

fn answer(family: Family) -> Packet {
    Packet::udp(Who::B.ip(family), Who::A.ip(family), (53, 40_000))
}

/// A packet of pod A's veth at pod B's, with this mark.
fn at_b(world: &mut World, packet: &Packet, mark: Mark) -> Result<Outcome> {
    let mark = mark.write(0, Mark::SHIFT_DEFAULT);
    let context = Context { mark, ingress_ifindex: VETH_A, ifindex: VETH_B };
    world.rig.run(names::POD_INGRESS, &packet.frame(), context)
}

/// From pod A's veth to pod B's; the second outcome only if it left the first.
fn across(world: &mut World, packet: &Packet) -> Result<(Outcome, Option<Outcome>)> {
    let left = world.from_a(packet)?;
    if !left.passed(left.bits(), FROM_POD) {
        return Ok((left, None));
    }
    let arrived = at_b(world, packet, left.bits())?;
    Ok((left, Some(arrived)))
}

/// Nobody is isolated, and the two have talked.
fn free() -> Result<World> {
    let mut world = World::new()?;
    for family in Family::BOTH {
        for _ in 0..3 {
            let (left, arrived) = across(&mut world, &ask(family))?;
            assert!(left.passed(entered(Origin::FreePod), FROM_POD), "{left:?}");
            assert!(arrived.is_some_and(|out| out.passed(entered(Origin::FreePod), TO_POD)));
        }
    }
    Ok(world)
}

/// Both are isolated both ways, A may call B at UDP 53 and TCP 80, and has done so at the former.
fn called() -> Result<World> {
    let mut world = World::new()?;
    (world.a.egress_profile, world.a.ingress_profile) = (1000, 1001);
    (world.b.egress_profile, world.b.ingress_profile) = (1002, 1003);
    world.write()?;
    world.allow(1000, 12, EVERYTHING)?;
    world.rig.set_ports(2, &[53, 80])?;
    world.allow(1003, 11, ports(protocol::UDP, 2))?;
    for family in Family::BOTH {
        across(&mut world, &ask(family))?;
        for _ in 0..3 {
            let out = world.from_b(&answer(family))?;
            assert!(out.passed(entered(Origin::LocalPod).with(Mark::JUDGED), REPLIED), "{out:?}");
            let (_, arrived) = across(&mut world, &ask(family))?;
            assert!(
                arrived.as_ref().is_some_and(|out| out.passed(entered(Origin::LocalPod), FOUND)),
                "{arrived:?}"
            );
        }
    }
    Ok(world)
}

#[test]
fn an_unselected_pod_sends_under_its_own_addresses_only() -> Result<()> {
    let mut world = free()?;
    for family in Family::BOTH {
        for who in [Who::B, Who::Pending, Who::Vacant, Who::Remote, Who::Node, Who::Gateway, Who::Far] {
            let out = world.from_a(&Packet::udp(who.ip(family), Who::B.ip(family), (40_000, 53)))?;
            assert!(out.dropped(Reason::SpoofedPod, FROM_POD), "{who:?}: {out:?}");
        }
    }
    for source in ["::", "0.0.0.0", "fe80::11"] {
        let source: std::net::IpAddr = source.parse()?;
        let family = if source.is_ipv4() { Family::V4 } else { Family::V6 };
        let out = world.from_a(&Packet::udp(source, Who::B.ip(family), (40_000, 53)))?;
        let reason = if source.is_ipv4() { Reason::SpoofedPod } else { Reason::LinkLocal };
        assert!(
            out.dropped(reason, FROM_POD) || out.dropped(Reason::LinkLocal, FROM_POD),
            "{source}: {out:?}"
        );
    }
    Ok(())
}

#[test]
fn a_pod_without_an_address_of_a_family_neither_sends_nor_takes_it() -> Result<()> {
    let mut world = free()?;
    for (family, index) in [(Family::V4, 0), (Family::V6, 1)] {
        let (a, b) = (world.a, world.b);
        for pod in [&mut world.a, &mut world.b] {
            *[&mut pod.v4, &mut pod.v6][index] = ringfence_abi::Addr::NONE;
        }
        world.write()?;
        let out = world.from_a(&ask(family))?;
        assert!(out.dropped(Reason::SpoofedPod, FROM_POD), "{out:?}");
        let out = at_b(&mut world, &ask(family), entered(Origin::FreePod))?;
        assert!(out.dropped(Reason::NotLocal, TO_POD), "{out:?}");
        (world.a, world.b) = (a, b);
    }
    Ok(())
}

#[test]
fn an_unselected_pods_packet_to_an_isolated_one_is_judged_there() -> Result<()> {
    let mut world = free()?;
    world.b.ingress_profile = 1003;
    world.write()?;
    world.rig.set_ports(2, &[53])?;
    world.allow(1003, 11, ports(protocol::UDP, 2))?;
    for family in Family::BOTH {
        for (port, allowed) in [(53, true), (54, false)] {
            let packet = Packet::udp(Who::A.ip(family), Who::B.ip(family), (40_000, port));
            for _ in 0..3 {
                let (left, arrived) = across(&mut world, &packet)?;
                assert!(left.passed(entered(Origin::FreePod), FROM_POD), "{left:?}");
                assert!(
                    arrived.as_ref().is_some_and(|out| match allowed {
                        true => out.passed(entered(Origin::FreePod), TO_POD),
                        false => out.dropped(Reason::PolicyIngress, TO_POD),
                    }),
                    "{port}: {arrived:?}"
                );
            }
        }
    }
    Ok(())
}

#[test]
fn a_pod_that_becomes_isolated_is_so_from_its_next_packet_on() -> Result<()> {
    for family in Family::BOTH {
        let mut world = free()?;
        world.b.ingress_profile = 1003;
        world.write()?;
        let (_, arrived) = across(&mut world, &ask(family))?;
        assert!(
            arrived.as_ref().is_some_and(|out| out.dropped(Reason::PolicyIngress, TO_POD)),
            "{arrived:?}"
        );

        let mut world = free()?;
        world.a.egress_profile = 1000;
        world.write()?;
        let (left, arrived) = across(&mut world, &ask(family))?;
        assert!(left.passed(entered(Origin::LocalPod), FROM_POD), "{left:?}");
        assert!(arrived.as_ref().is_some_and(|out| out.dropped(Reason::PolicyEgress, TO_POD)), "{arrived:?}");
    }
    Ok(())
}

#[test]
fn a_pod_that_is_shut_off_neither_sends_nor_takes_anything() -> Result<()> {
    for family in Family::BOTH {
        for make in [free, called] {
            let mut world = make()?;
            world.b.flags = EndpointValue::DENY_ALL;
            world.write()?;
            let (_, arrived) = across(&mut world, &ask(family))?;
            assert!(
                arrived.as_ref().is_some_and(|out| out.dropped(Reason::EndpointDenied, TO_POD)),
                "{arrived:?}"
            );
            let out = world.from_b(&answer(family))?;
            assert!(out.dropped(Reason::EndpointDenied, FROM_POD), "{out:?}");
        }
    }
    Ok(())
}

#[test]
fn addresses_that_no_veth_has_are_reached_by_nobody() -> Result<()> {
    let mut world = free()?;
    for family in Family::BOTH {
        for who in [Who::Pending, Who::Vacant] {
            let out = world.from_a(&Packet::udp(Who::A.ip(family), who.ip(family), (40_000, 53)))?;
            assert!(out.dropped(Reason::NoEndpoint, FROM_POD), "{who:?}: {out:?}");
        }
        // B's address is given back: what was learnt of it is of no use any more.
        world.rig.set_address(Who::B.ip(family), ringfence_abi::AddressKind::LocalPod, 12, 0)?;
    }
    world.rig.remove_endpoint(VETH_B)?;
    for family in Family::BOTH {
        let out = world.from_a(&ask(family))?;
        assert!(out.dropped(Reason::NoEndpoint, FROM_POD), "{out:?}");
    }
    Ok(())
}

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
    for family in Family::BOTH {
        // This is what shows that these tests are about the short way at all.
        let out = world.from_b(&answer(family))?;
        assert!(out.passed(entered(Origin::LocalPod).with(Mark::JUDGED), REPLIED), "{out:?}");
    }
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
