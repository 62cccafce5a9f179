//! `pod_egress`: what a pod may send at all, and what is judged where it enters.
use anyhow::Result;
use ringfence_abi::{Counter, EndpointValue, Mark, NearEndpoint, Origin, Reason, names};
use ringfence_integration::testrun::packet::Extension;
use ringfence_integration::testrun::world::{VETH_A, entered};
use ringfence_integration::testrun::{Context, Family, Packet, Who, World};
use std::net::IpAddr;

const FROM_POD: &[Counter] = &[Counter::FromPod];
const LINK_LOCAL: &str = "fe80::11";
const ALL_NODES: &str = "ff02::1";

fn ip(text: &str) -> Result<IpAddr> {
    Ok(text.parse()?)
}

fn isolated() -> Result<World> {
    let mut world = World::new()?;
    (world.a.ingress_profile, world.a.egress_profile) = (1001, 1000);
    world.write()?;
    Ok(world)
}

#[test]
fn a_free_pod_sends_to_anyone_and_is_marked_free() -> Result<()> {
    let mut world = World::new()?;
    for family in Family::BOTH {
        for to in [
            Who::B,
            Who::Remote,
            Who::UnknownRemote,
            Who::Node,
            Who::RemoteNode,
            Who::Near,
            Who::Far,
            Who::ClusterIp,
        ] {
            let out = world.from_a(&Packet::udp(Who::A.ip(family), to.ip(family), (40_000, 53)))?;
            assert!(out.passed(entered(Origin::FreePod), FROM_POD), "{family:?} {to:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn any_other_source_is_dropped_as_spoofed() -> Result<()> {
    let mut world = World::new()?;
    for family in Family::BOTH {
        for from in [Who::B, Who::Remote, Who::Node, Who::Gateway, Who::RemoteNode, Who::Near, Who::ClusterIp]
        {
            let out = world.from_a(&Packet::udp(from.ip(family), Who::Far.ip(family), (40_000, 53)))?;
            assert!(out.dropped(Reason::SpoofedPod, FROM_POD), "{family:?} {from:?}: {out:?}");
        }
    }
    let out = world.from_a(&Packet::udp(ip("0.0.0.0")?, Who::Far.ip(Family::V4), (68, 67)))?;
    assert!(out.dropped(Reason::SpoofedPod, FROM_POD), "{out:?}");
    Ok(())
}

#[test]
fn a_pod_without_an_ipv6_address_owns_none() -> Result<()> {
    let mut world = World::new()?;
    world.a.v6 = ringfence_abi::Addr::NONE;
    world.write()?;
    let out = world.from_a(&Packet::udp(ip("::")?, Who::Far.ip(Family::V6), (1, 2)))?;
    assert!(out.dropped(Reason::LinkLocal, FROM_POD), "{out:?}");
    let out = world.from_a(&Packet::udp(Who::A.ip(Family::V6), Who::Far.ip(Family::V6), (1, 2)))?;
    assert!(out.dropped(Reason::SpoofedPod, FROM_POD), "{out:?}");
    Ok(())
}

#[test]
fn of_link_local_and_unspecified_sources_only_neighbour_discovery_passes() -> Result<()> {
    for mut world in [World::new()?, isolated()?] {
        let mark = entered(if world.a.egress_profile == 0 { Origin::FreePod } else { Origin::LocalPod });
        for from in ["::", LINK_LOCAL] {
            let from = ip(from)?;
            for kind in [133, 135, 136] {
                let out = world.from_a(&Packet::neighbour(from, ip(ALL_NODES)?, kind))?;
                assert!(out.passed(mark, FROM_POD), "type {kind} from {from}: {out:?}");
                let far = Packet::neighbour(from, ip(ALL_NODES)?, kind).hop_limit(254);
                let out = world.from_a(&far)?;
                assert!(out.dropped(Reason::LinkLocal, FROM_POD), "routed type {kind} from {from}: {out:?}");
            }
            for kind in [130, 131, 132, 143] {
                let report = Packet::icmp(from, ip(ALL_NODES)?, kind, 0, [0; 4]);
                let out = world.from_a(&report.clone().hop_limit(1).extensions(&[Extension::HopByHop]))?;
                assert!(out.passed(mark, FROM_POD), "type {kind} from {from}: {out:?}");
                let out = world.from_a(&report.hop_limit(64))?;
                assert!(out.dropped(Reason::LinkLocal, FROM_POD), "type {kind} from {from}: {out:?}");
            }
            for packet in [
                Packet::udp(from, Who::Far.ip(Family::V6), (546, 547)),
                Packet::tcp(from, ip(ALL_NODES)?, (1, 2), 2),
                Packet::icmp(from, ip(ALL_NODES)?, 128, 0, [0; 4]).hop_limit(255),
            ] {
                let out = world.from_a(&packet)?;
                assert!(out.dropped(Reason::LinkLocal, FROM_POD), "{packet:?}: {out:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn neighbour_discovery_from_the_pods_own_address_passes_and_from_anothers_does_not() -> Result<()> {
    let mut world = isolated()?;
    for kind in [133, 135, 136] {
        let own = Packet::neighbour(Who::A.ip(Family::V6), ip(ALL_NODES)?, kind);
        let out = world.from_a(&own)?;
        assert!(out.passed(entered(Origin::LocalPod), FROM_POD), "{out:?}");
        let others = Packet::neighbour(Who::B.ip(Family::V6), ip(ALL_NODES)?, kind);
        let out = world.from_a(&others)?;
        assert!(out.dropped(Reason::SpoofedPod, FROM_POD), "{out:?}");
    }
    Ok(())
}

#[test]
fn router_advertisement_and_redirect_never_pass() -> Result<()> {
    let mut world = World::new()?;
    for from in [ip(LINK_LOCAL)?, ip("::")?, Who::A.ip(Family::V6), Who::B.ip(Family::V6)] {
        for kind in [134, 137] {
            for hops in [255, 64] {
                let out = world.from_a(&Packet::neighbour(from, ip(ALL_NODES)?, kind).hop_limit(hops))?;
                assert!(out.dropped(Reason::RouterMessage, FROM_POD), "type {kind} from {from}: {out:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn address_resolution_lives_whatever_the_endpoint() -> Result<()> {
    let at = Context { ifindex: VETH_A, ingress_ifindex: VETH_A, mark: 0 };
    let mut world = isolated()?;
    let out = world.rig.run(names::POD_EGRESS, &Packet::arp(), at)?;
    assert!(out.passed(Mark(0), FROM_POD), "{out:?}");
    world.a.flags = EndpointValue::DENY_ALL;
    world.write()?;
    let out = world.rig.run(names::POD_EGRESS, &Packet::arp(), at)?;
    assert!(out.passed(Mark(0), FROM_POD), "{out:?}");
    world.rig.remove_endpoint(VETH_A)?;
    let out = world.rig.run(names::POD_EGRESS, &Packet::arp(), at)?;
    assert!(out.passed(Mark(0), FROM_POD), "{out:?}");
    Ok(())
}

#[test]
fn a_veth_without_an_endpoint_sends_nothing() -> Result<()> {
    let mut world = World::new()?;
    world.rig.remove_endpoint(VETH_A)?;
    for family in Family::BOTH {
        let out = world.from_a(&Packet::udp(Who::A.ip(family), Who::B.ip(family), (1, 2)))?;
        assert!(out.dropped(Reason::NoEndpoint, FROM_POD), "{out:?}");
    }
    Ok(())
}

#[test]
fn an_endpoint_is_found_also_where_another_has_its_place_or_none() -> Result<()> {
    let packet = Packet::udp(Who::A.ip(Family::V4), Who::Far.ip(Family::V4), (1, 2));
    let mut world = isolated()?;
    for ifindex in [0, VETH_A + NearEndpoint::LEN] {
        // Whoever reads this instead would let the packet pass.
        let free = EndpointValue { ingress_profile: 0, egress_profile: 0, ..world.a };
        world.rig.set_near(VETH_A, NearEndpoint { ifindex, value: free, ..NearEndpoint::default() })?;
        let out = world.from_a(&packet)?;
        assert!(out.dropped(Reason::PolicyEgress, FROM_POD), "{out:?}");
    }
    Ok(())
}

#[test]
fn an_endpoint_that_denies_all_sends_only_neighbour_discovery() -> Result<()> {
    let mut world = World::new()?;
    world.a.flags = EndpointValue::DENY_ALL;
    world.write()?;
    for family in Family::BOTH {
        for to in [Who::B, Who::Remote, Who::Node, Who::Far] {
            let out = world.from_a(&Packet::udp(Who::A.ip(family), to.ip(family), (1, 2)))?;
            assert!(out.dropped(Reason::EndpointDenied, FROM_POD), "{to:?}: {out:?}");
        }
    }
    let out = world.from_a(&Packet::neighbour(Who::A.ip(Family::V6), ip(ALL_NODES)?, 135))?;
    assert!(out.passed(entered(Origin::FreePod), FROM_POD), "{out:?}");
    Ok(())
}

#[test]
fn an_address_of_this_node_that_no_pod_has_is_dropped_at_once() -> Result<()> {
    for mut world in [World::new()?, isolated()?] {
        for family in Family::BOTH {
            for to in [Who::Vacant, Who::Pending] {
                let out = world.from_a(&Packet::udp(Who::A.ip(family), to.ip(family), (1, 2)))?;
                assert!(out.dropped(Reason::NoEndpoint, FROM_POD), "{to:?}: {out:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn whatever_mark_a_packet_comes_with_is_overwritten_and_foreign_bits_stay() -> Result<()> {
    for (mut world, origin) in [(World::new()?, Origin::FreePod), (isolated()?, Origin::LocalPod)] {
        let packet = Packet::udp(Who::A.ip(Family::V4), Who::Remote.ip(Family::V4), (1, 2));
        let forged = Context { mark: 0xffff_ffff, ingress_ifindex: VETH_A, ifindex: VETH_A };
        let out = world.rig.run(names::POD_EGRESS, &packet.frame(), forged)?;
        assert!(out.passed(entered(origin), FROM_POD), "{out:?}");
        assert_eq!(out.mark & 0xe0ff_ffff, 0xe0ff_ffff, "{out:?}");
    }
    Ok(())
}

#[test]
fn other_ethertypes_pass_from_a_free_pod_only() -> Result<()> {
    let at = Context { ifindex: VETH_A, ingress_ifindex: VETH_A, mark: 0 };
    let frame = Packet::frame_of(0x88cc, &[0; 46]);
    let out = World::new()?.rig.run(names::POD_EGRESS, &frame, at)?;
    assert!(out.passed(entered(Origin::FreePod), FROM_POD), "{out:?}");
    let out = isolated()?.rig.run(names::POD_EGRESS, &frame, at)?;
    assert!(out.dropped(Reason::Malformed, FROM_POD), "{out:?}");
    Ok(())
}

#[test]
fn a_frame_whose_vlan_tags_hide_its_source_is_dropped_whoever_sent_it() -> Result<()> {
    let at = Context { ifindex: VETH_A, ingress_ifindex: VETH_A, mark: 0 };
    for mut world in [World::new()?, isolated()?] {
        for tag in [0x8100, 0x88a8] {
            let out = world.rig.run(names::POD_EGRESS, &Packet::frame_of(tag, &[0; 46]), at)?;
            assert!(out.dropped(Reason::Malformed, FROM_POD), "{out:?}");
        }
    }
    Ok(())
}

#[test]
fn the_nodes_loopback_addresses_are_out_of_reach() -> Result<()> {
    for mut world in [World::new()?, isolated()?] {
        for (family, to) in [(Family::V4, "127.0.0.1"), (Family::V4, "127.255.0.9"), (Family::V6, "::1")] {
            let out = world.from_a(&Packet::udp(Who::A.ip(family), to.parse()?, (1, 2)))?;
            assert!(out.dropped(Reason::Loopback, FROM_POD), "{to}: {out:?}");
        }
        let out = world.from_a(&Packet::udp(Who::A.ip(Family::V4), "128.0.0.1".parse()?, (1, 2)))?;
        assert!(!out.dropped(Reason::Loopback, FROM_POD), "{out:?}");
    }
    Ok(())
}
