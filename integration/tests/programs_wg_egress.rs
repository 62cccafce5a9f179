//! `wg_egress`: what leaves for the mesh, judged by where it really goes.
use anyhow::Result;
use ringfence_abi::{Counter, EndpointValue, Mark, Origin, Reason, names};
use ringfence_integration::testrun::packet::{Echo, flags::SYN, protocol};
use ringfence_integration::testrun::world::{EVERYTHING, entered, ports};
use ringfence_integration::testrun::{Context, Family, Packet, Who, World};

const PEER: &[Counter] = &[Counter::ToPeer];
const EGRESS: u32 = 1000;
const HOOK: &str = names::WG_EGRESS;

fn isolated() -> Result<World> {
    let mut world = World::new()?;
    world.a.egress_profile = EGRESS;
    world.write()?;
    world.rig.set_ports(2, &[80])?;
    world.allow(EGRESS, 21, ports(protocol::TCP, 2))?;
    Ok(world)
}

fn syn(from: Who, to: Who, family: Family, port: u16) -> Packet {
    Packet::tcp(from.ip(family), to.ip(family), (40_000, port), SYN)
}

fn at(mark: Mark, ingress_ifindex: u32) -> Context {
    Context { mark: mark.write(0, Mark::SHIFT_DEFAULT), ingress_ifindex, ifindex: 0 }
}

#[test]
fn egress_policy_is_by_the_real_destinations_class_protocol_and_port() -> Result<()> {
    let mut world = isolated()?;
    for family in Family::BOTH {
        let out = world.of_a(HOOK, &syn(Who::A, Who::Remote, family, 80), 0)?;
        assert!(out.passed(entered(Origin::LocalPod), PEER), "{out:?}");
        let (a, remote) = (Who::A.ip(family), Who::Remote.ip(family));
        for packet in [
            syn(Who::A, Who::Remote, family, 81),
            syn(Who::A, Who::OtherRemote, family, 80),
            syn(Who::A, Who::UnknownRemote, family, 80),
            syn(Who::A, Who::RemoteNode, family, 80),
            Packet::udp(a, remote, (40_000, 80)),
            Packet::sctp(a, remote, (40_000, 80), 1),
            Packet::echo(a, remote, Echo::Request, 80),
            Packet::other(a, remote, protocol::GRE),
        ] {
            let out = world.of_a(HOOK, &packet, 0)?;
            assert!(out.dropped(Reason::PolicyEgress, PEER), "{packet:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn the_pod_is_found_by_its_veth_though_its_source_was_masqueraded() -> Result<()> {
    let mut world = isolated()?;
    for family in Family::BOTH {
        for from in [Who::Node, Who::Gateway] {
            let out = world.of_a(HOOK, &syn(from, Who::OtherRemote, family, 80), 0)?;
            assert!(out.dropped(Reason::PolicyEgress, PEER), "{out:?}");
            let out = world.of_a(HOOK, &syn(from, Who::Remote, family, 80), 0)?;
            assert!(out.passed(entered(Origin::LocalPod), PEER), "{out:?}");
        }
    }
    Ok(())
}

#[test]
fn a_fragment_that_lost_its_veth_is_judged_by_its_source_or_dropped() -> Result<()> {
    let mut world = isolated()?;
    let lost = at(entered(Origin::LocalPod), 0);
    for family in Family::BOTH {
        let out = world.rig.run(HOOK, &syn(Who::A, Who::Remote, family, 80).frame(), lost)?;
        assert!(out.passed(entered(Origin::LocalPod), PEER), "{out:?}");
        let out = world.rig.run(HOOK, &syn(Who::A, Who::OtherRemote, family, 80).frame(), lost)?;
        assert!(out.dropped(Reason::PolicyEgress, PEER), "{out:?}");
        for from in [Who::Node, Who::Remote, Who::Far, Who::Vacant, Who::Pending] {
            let out = world.rig.run(HOOK, &syn(from, Who::Remote, family, 80).frame(), lost)?;
            assert!(out.dropped(Reason::OriginLost, PEER), "{from:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn a_pods_packet_from_a_veth_that_is_no_endpoint_any_more_is_judged_by_its_source_or_dropped() -> Result<()> {
    let mut world = isolated()?;
    let gone = at(entered(Origin::LocalPod), 4711);
    let out = world.rig.run(HOOK, &syn(Who::Node, Who::Remote, Family::V4, 80).frame(), gone)?;
    assert!(out.dropped(Reason::OriginLost, PEER), "{out:?}");
    let out = world.rig.run(HOOK, &syn(Who::A, Who::OtherRemote, Family::V4, 80).frame(), gone)?;
    assert!(out.dropped(Reason::PolicyEgress, PEER), "{out:?}");
    Ok(())
}

#[test]
fn what_came_by_a_device_without_programs_is_dropped() -> Result<()> {
    let mut world = isolated()?;
    for family in Family::BOTH {
        for from in [Who::A, Who::Vacant, Who::Near] {
            let unstamped = at(entered(Origin::None), 4711);
            let out = world.rig.run(HOOK, &syn(from, Who::Remote, family, 80).frame(), unstamped)?;
            assert!(out.dropped(Reason::OriginLost, PEER), "{from:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn what_is_of_no_local_pod_passes() -> Result<()> {
    let mut world = isolated()?;
    for family in Family::BOTH {
        for (origin, by) in [(Origin::None, 0), (Origin::Peer, 5), (Origin::Outside, 6), (Origin::Outside, 0)]
        {
            let packet = syn(Who::Gateway, Who::OtherRemote, family, 80);
            let out = world.rig.run(HOOK, &packet.frame(), at(entered(origin), by))?;
            assert!(out.passed(entered(origin), PEER), "{origin:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn a_pods_veth_counts_even_where_the_mark_is_lost() -> Result<()> {
    let mut world = isolated()?;
    let unmarked = at(Mark(0), 11);
    let out = world.rig.run(HOOK, &syn(Who::A, Who::OtherRemote, Family::V4, 80).frame(), unmarked)?;
    assert!(out.dropped(Reason::PolicyEgress, PEER), "{out:?}");
    Ok(())
}

#[test]
fn a_free_pods_packet_passes_and_makes_no_flow() -> Result<()> {
    let mut world = isolated()?;
    for family in Family::BOTH {
        let out = world.rig.run(
            HOOK,
            &syn(Who::B, Who::Remote, family, 80).frame(),
            at(entered(Origin::FreePod), 12),
        )?;
        assert!(out.passed(entered(Origin::FreePod), PEER), "{out:?}");
        let out = world.rig.run(
            HOOK,
            &syn(Who::B, Who::Remote, family, 80).frame(),
            at(entered(Origin::LocalPod), 12),
        )?;
        assert!(out.passed(entered(Origin::LocalPod), PEER), "{out:?}");
    }
    assert!(world.rig.flows()?.is_empty());
    Ok(())
}

#[test]
fn an_endpoint_that_denies_all_sends_nothing() -> Result<()> {
    let mut world = isolated()?;
    world.a.flags = EndpointValue::DENY_ALL;
    world.write()?;
    let out = world.of_a(HOOK, &syn(Who::A, Who::Remote, Family::V4, 80), Mark::JUDGED)?;
    assert!(out.dropped(Reason::EndpointDenied, PEER), "{out:?}");
    Ok(())
}

#[test]
fn a_settled_packet_passes_and_one_judged_for_the_outside_is_judged_again() -> Result<()> {
    let mut world = isolated()?;
    for family in Family::BOTH {
        let packet = syn(Who::A, Who::OtherRemote, family, 80);
        let out = world.of_a(HOOK, &packet, Mark::JUDGED)?;
        assert!(out.passed(entered(Origin::LocalPod).with(Mark::JUDGED), PEER), "{out:?}");
        for bits in [Mark::EGRESS_JUDGED, Mark::INGRESS_JUDGED] {
            let out = world.of_a(HOOK, &packet, bits)?;
            assert!(out.dropped(Reason::PolicyEgress, PEER), "{bits:#x}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn a_node_port_of_another_node_is_judged_by_its_backends_and_not_by_the_node() -> Result<()> {
    let mut world = isolated()?;
    for family in Family::BOTH {
        world.rig.set_service(Who::RemoteNode.ip(family), 30_080, 6, 82)?;
    }
    for family in Family::BOTH {
        let (node_port, other) =
            (syn(Who::A, Who::RemoteNode, family, 30_080), syn(Who::A, Who::RemoteNode, family, 9100));
        world.allow(EGRESS, 50, EVERYTHING)?;
        let out = world.of_a(HOOK, &node_port, 0)?;
        assert!(out.dropped(Reason::PolicyEgress, PEER), "the node alone is allowed: {out:?}");
        let out = world.of_a(HOOK, &other, 0)?;
        assert!(out.passed(entered(Origin::LocalPod), PEER), "{out:?}");
        world.rig.remove_policy(EGRESS, 50)?;
        world.allow(EGRESS, 82, EVERYTHING)?;
        let out = world.of_a(HOOK, &node_port, 0)?;
        assert!(out.passed(entered(Origin::LocalPod), PEER), "{out:?}");
        let out = world.of_a(HOOK, &other, 0)?;
        assert!(out.dropped(Reason::PolicyEgress, PEER), "{out:?}");
        world.rig.remove_policy(EGRESS, 82)?;
    }
    Ok(())
}

#[test]
fn an_opening_of_an_ingress_isolated_pod_makes_a_flow_only_where_policy_would_stop_the_reply() -> Result<()> {
    let mut world = World::new()?;
    world.a.ingress_profile = 1001;
    world.write()?;
    world.rig.set_ports(3, &[40_000])?;
    for family in Family::BOTH {
        let out = world.of_a(HOOK, &syn(Who::A, Who::Remote, family, 80), 0)?;
        assert!(out.passed(entered(Origin::LocalPod), &[Counter::ToPeer, Counter::FlowInserted]), "{out:?}");
        // The port the reply goes to is one that class may reach anyway.
        world.allow(1001, 22, ports(protocol::TCP, 3))?;
        let out = world.of_a(HOOK, &syn(Who::A, Who::OtherRemote, family, 80), 0)?;
        assert!(out.passed(entered(Origin::LocalPod), PEER), "{out:?}");
        // But what was masqueraded comes back to an address that only NAT knows.
        let out = world.of_a(HOOK, &syn(Who::Node, Who::OtherRemote, family, 80), 0)?;
        assert!(out.passed(entered(Origin::LocalPod), &[Counter::ToPeer, Counter::FlowInserted]), "{out:?}");
        world.rig.remove_policy(1001, 22)?;
    }
    Ok(())
}

#[test]
fn what_comes_off_a_veth_before_it_bears_programs_and_has_a_pods_address_is_dropped() -> Result<()> {
    let mut world = isolated()?;
    const BARE_VETH: u32 = 4_000;
    for family in Family::BOTH {
        for (hook, to, counted) in [(HOOK, Who::Remote, PEER), (names::UNDERLAY_EGRESS, Who::Far, &[])] {
            let unstamped = at(Mark::default(), BARE_VETH);
            for pod in [Who::A, Who::Pending, Who::Vacant] {
                let out = world.rig.run(hook, &syn(pod, to, family, 80).frame(), unstamped)?;
                assert!(out.dropped(Reason::OriginLost, counted), "{hook}: {out:?}");
            }
        }
    }
    Ok(())
}
