//! Pods that no policy isolates, that are isolated at their next packet, or shut off.
use crate::talk::{FROM_POD, TO_POD, across, answer, ask, at_b, called, free};
use anyhow::Result;
use ringfence_abi::{EndpointValue, Origin, Reason};
use ringfence_integration::testrun::packet::protocol;
use ringfence_integration::testrun::world::{VETH_B, entered, ports};
use ringfence_integration::testrun::{Family, Packet, Who};

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
