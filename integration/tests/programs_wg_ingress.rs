//! `wg_ingress`: what comes off the mesh.
use anyhow::Result;
use ringfence_abi::{Counter, EndpointValue, Mark, Origin, Reason, names};
use ringfence_integration::testrun::packet::{Echo, flags::SYN, protocol};
use ringfence_integration::testrun::world::{EVERYTHING, entered, ports};
use ringfence_integration::testrun::{Family, Packet, Who, World};

const PEER: &[Counter] = &[Counter::FromPeer];
const INGRESS: u32 = 1003;

fn judged() -> Mark {
    entered(Origin::Peer).with(Mark::INGRESS_JUDGED)
}

fn isolated() -> Result<World> {
    let mut world = World::new()?;
    world.b.ingress_profile = INGRESS;
    world.write()?;
    world.rig.set_ports(2, &[80])?;
    world.allow(INGRESS, 21, ports(protocol::TCP, 2))?;
    Ok(world)
}

fn syn(from: Who, to: Who, family: Family, port: u16) -> Packet {
    Packet::tcp(from.ip(family), to.ip(family), (40_000, port), SYN)
}

#[test]
fn only_addresses_of_other_nodes_may_come_from_them() -> Result<()> {
    let mut world = World::new()?;
    for family in Family::BOTH {
        for from in [Who::Remote, Who::UnknownRemote, Who::RemoteNode, Who::RemoteGateway] {
            let out = world.at(names::WG_INGRESS, &syn(from, Who::B, family, 80))?;
            assert!(out.passed(judged(), PEER), "{family:?} {from:?}: {out:?}");
        }
        for from in [
            Who::A,
            Who::B,
            Who::Vacant,
            Who::Pending,
            Who::Node,
            Who::Gateway,
            Who::Near,
            Who::Far,
            Who::ClusterIp,
        ] {
            let out = world.at(names::WG_INGRESS, &syn(from, Who::B, family, 80))?;
            assert!(out.dropped(Reason::SpoofedPeer, PEER), "{family:?} {from:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn only_addresses_of_this_node_are_reached() -> Result<()> {
    for mut world in [World::new()?, isolated()?] {
        for family in Family::BOTH {
            for to in [Who::Node, Who::Gateway] {
                let out = world.at(names::WG_INGRESS, &syn(Who::Remote, to, family, 80))?;
                assert!(out.passed(entered(Origin::Peer), PEER), "{family:?} {to:?}: {out:?}");
            }
            for to in [
                Who::OtherRemote,
                Who::UnknownRemote,
                Who::RemoteNode,
                Who::RemoteGateway,
                Who::Far,
                Who::ClusterIp,
            ] {
                let out = world.at(names::WG_INGRESS, &syn(Who::Remote, to, family, 80))?;
                assert!(out.dropped(Reason::NotLocal, PEER), "{family:?} {to:?}: {out:?}");
            }
            for to in [Who::Vacant, Who::Pending] {
                let out = world.at(names::WG_INGRESS, &syn(Who::Remote, to, family, 80))?;
                assert!(out.dropped(Reason::NoEndpoint, PEER), "{family:?} {to:?}: {out:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn an_address_whose_endpoint_has_gone_is_dropped() -> Result<()> {
    let mut world = World::new()?;
    world.rig.remove_endpoint(12)?;
    let out = world.at(names::WG_INGRESS, &syn(Who::Remote, Who::B, Family::V4, 80))?;
    assert!(out.dropped(Reason::NoEndpoint, PEER), "{out:?}");
    Ok(())
}

#[test]
fn an_endpoint_that_denies_all_gets_nothing() -> Result<()> {
    let mut world = World::new()?;
    world.b.flags = EndpointValue::DENY_ALL;
    world.write()?;
    for family in Family::BOTH {
        let out = world.at(names::WG_INGRESS, &syn(Who::Remote, Who::B, family, 80))?;
        assert!(out.dropped(Reason::EndpointDenied, PEER), "{out:?}");
    }
    Ok(())
}

#[test]
fn ingress_policy_is_by_class_protocol_and_port() -> Result<()> {
    let mut world = isolated()?;
    for family in Family::BOTH {
        let out = world.at(names::WG_INGRESS, &syn(Who::Remote, Who::B, family, 80))?;
        assert!(out.passed(judged(), PEER), "{out:?}");
        let (remote, b) = (Who::Remote.ip(family), Who::B.ip(family));
        for packet in [
            syn(Who::Remote, Who::B, family, 81),
            syn(Who::OtherRemote, Who::B, family, 80),
            syn(Who::UnknownRemote, Who::B, family, 80),
            syn(Who::RemoteNode, Who::B, family, 80),
            syn(Who::RemoteGateway, Who::B, family, 80),
            Packet::udp(remote, b, (40_000, 80)),
            Packet::sctp(remote, b, (40_000, 80), 1),
            Packet::echo(remote, b, Echo::Request, 80),
            Packet::other(remote, b, protocol::GRE),
        ] {
            let out = world.at(names::WG_INGRESS, &packet)?;
            assert!(out.dropped(Reason::PolicyIngress, PEER), "{packet:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn each_kind_of_remote_has_the_class_its_table_entry_or_prefix_says() -> Result<()> {
    let mut world = isolated()?;
    for (from, v4, v6) in [
        (Who::OtherRemote, 22, 22),
        (Who::UnknownRemote, 29, 29),
        (Who::RemoteNode, 50, 50),
        (Who::RemoteGateway, 90, 91),
    ] {
        for (family, class) in [(Family::V4, v4), (Family::V6, v6)] {
            world.allow(INGRESS, class, EVERYTHING)?;
            let out = world.at(names::WG_INGRESS, &syn(from, Who::B, family, 80))?;
            assert!(out.passed(judged(), PEER), "{from:?} {family:?}: {out:?}");
            world.rig.remove_policy(INGRESS, class)?;
            let out = world.at(names::WG_INGRESS, &syn(from, Who::B, family, 80))?;
            assert!(out.dropped(Reason::PolicyIngress, PEER), "{from:?} {family:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn neighbour_discovery_does_not_come_over_the_mesh() -> Result<()> {
    let mut world = isolated()?;
    let (remote, b) = (Who::Remote.ip(Family::V6), Who::B.ip(Family::V6));
    let out = world.at(names::WG_INGRESS, &Packet::neighbour(remote, b, 136))?;
    assert!(out.dropped(Reason::PolicyIngress, PEER), "{out:?}");
    let out = world.at(names::WG_INGRESS, &Packet::neighbour("fe80::1".parse()?, b, 136))?;
    assert!(out.dropped(Reason::SpoofedPeer, PEER), "{out:?}");
    Ok(())
}

#[test]
fn an_opening_to_an_egress_isolated_pod_makes_a_flow_only_where_policy_would_stop_the_reply() -> Result<()> {
    let mut world = World::new()?;
    world.b.egress_profile = 1002;
    world.write()?;
    for family in Family::BOTH {
        let counted = [Counter::FromPeer, Counter::FlowInserted];
        let out = world.at(names::WG_INGRESS, &syn(Who::Remote, Who::B, family, 80))?;
        assert!(out.passed(judged(), &counted), "{out:?}");
        // The reply goes to a port and class that B may reach by itself.
        world.allow(1002, 22, EVERYTHING)?;
        let out = world.at(names::WG_INGRESS, &syn(Who::OtherRemote, Who::B, family, 80))?;
        assert!(out.passed(judged(), PEER), "{out:?}");
        world.rig.remove_policy(1002, 22)?;
    }
    assert_eq!(world.rig.flows()?.len(), 2);
    Ok(())
}

#[test]
fn a_flow_remembers_its_opener_and_its_target() -> Result<()> {
    let mut world = World::new()?;
    world.b.egress_profile = 1002;
    world.write()?;
    world.at(names::WG_INGRESS, &syn(Who::Remote, Who::B, Family::V4, 80))?;
    let flows = world.rig.flows()?;
    let [(key, flow)] = flows.as_slice() else { anyhow::bail!("{flows:?}") };
    assert_eq!(key.protocol, 6);
    assert_eq!((flow.opener_endpoint, flow.opener_ifindex), (0, 0));
    assert_eq!((flow.target_endpoint, flow.target_ifindex), (102, 12));
    assert_eq!((flow.opener_class, flow.origin), (21, Origin::Peer as u8));
    assert_eq!(flow.generation, world.config.generation);
    let opener = if flow.opener_is_lo == 1 { (key.lo, key.lo_port) } else { (key.hi, key.hi_port) };
    assert_eq!(opener, (Who::Remote.ip(Family::V4).into(), 40_000u16.to_be()));
    Ok(())
}

#[test]
fn a_masqueraded_connections_reply_to_this_node_is_settled_and_nothing_else_is() -> Result<()> {
    let mut world = isolated()?;
    world.a.ingress_profile = 1001;
    world.write()?;
    for family in Family::BOTH {
        // Pod A's packet, masqueraded to the node's address on its way out.
        let there = Packet::tcp(Who::Node.ip(family), Who::Remote.ip(family), (40_000, 80), SYN);
        let out = world.of_a(names::WG_EGRESS, &there, 0)?;
        assert!(out.passed(entered(Origin::LocalPod), &[Counter::ToPeer, Counter::FlowInserted]), "{out:?}");
        let back = |port| Packet::tcp(Who::Remote.ip(family), Who::Node.ip(family), (80, port), 0x12);
        let out = world.at(names::WG_INGRESS, &back(40_000))?;
        let settled = entered(Origin::Peer).with(Mark::JUDGED);
        assert!(out.passed(settled, &[Counter::FromPeer, Counter::FlowHit]), "{out:?}");
        let out = world.at(names::WG_INGRESS, &back(40_001))?;
        assert!(out.passed(entered(Origin::Peer), PEER), "{out:?}");
    }
    Ok(())
}
