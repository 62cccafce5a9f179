//! `underlay_ingress`: what comes in on the node's other devices, where nobody vouches for a source.
use anyhow::Result;
use ringfence_abi::{Counter, Mark, Origin, Reason, names};
use ringfence_integration::testrun::packet::{Echo, flags::SYN};
use ringfence_integration::testrun::world::{EVERYTHING, VETH_A, entered};
use ringfence_integration::testrun::{Context, Family, Packet, Who, World};

const HOOK: &str = names::UNDERLAY_INGRESS;

fn worlds() -> Result<[World; 2]> {
    let mut isolated = World::new()?;
    (isolated.b.ingress_profile, isolated.b.egress_profile) = (1003, 1002);
    isolated.write()?;
    Ok([World::new()?, isolated])
}

fn syn(from: Who, to: Who, family: Family) -> Packet {
    Packet::tcp(from.ip(family), to.ip(family), (40_000, 80), SYN)
}

#[test]
fn wireguards_own_port_leaves_at_once() -> Result<()> {
    for mut world in worlds()? {
        for family in Family::BOTH {
            for port in [51_820, 51_821] {
                for from in [Who::RemoteNode, Who::Far] {
                    let packet = Packet::udp(from.ip(family), Who::Node.ip(family), (51_820, port));
                    let out = world.at(HOOK, &packet)?;
                    assert!(out.passed(entered(Origin::Outside), &[Counter::WireguardIn]), "{out:?}");
                }
            }
            let other = Packet::udp(Who::RemoteNode.ip(family), Who::Node.ip(family), (51_820, 51_822));
            let out = world.at(HOOK, &other)?;
            assert!(out.passed(entered(Origin::Outside), &[]), "{out:?}");
            let elsewhere = Packet::udp(Who::Remote.ip(family), Who::B.ip(family), (51_820, 51_820));
            let out = world.at(HOOK, &elsewhere)?;
            assert!(out.dropped(Reason::SpoofedUnderlay, &[]), "{out:?}");
        }
        world.config.wireguard_ports = [0, 0];
        world.write()?;
        let zero = Packet::udp(Who::Far.ip(Family::V4), Who::Node.ip(Family::V4), (1, 0));
        let out = world.at(HOOK, &zero)?;
        assert!(out.passed(entered(Origin::Outside), &[]), "no port configured: {out:?}");
    }
    Ok(())
}

#[test]
fn a_pods_a_gateways_or_this_nodes_source_off_the_wire_is_spoofed() -> Result<()> {
    for mut world in worlds()? {
        for family in Family::BOTH {
            for from in [
                Who::A,
                Who::Pending,
                Who::Vacant,
                Who::Remote,
                Who::UnknownRemote,
                Who::RemoteGateway,
                Who::Gateway,
                Who::Node,
            ] {
                for to in [Who::Node, Who::B, Who::Far] {
                    let out = world.at(HOOK, &syn(from, to, family))?;
                    assert!(out.dropped(Reason::SpoofedUnderlay, &[]), "{from:?} to {to:?}: {out:?}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn another_node_reaches_this_node_but_no_pod_in_the_clear() -> Result<()> {
    for mut world in worlds()? {
        for family in Family::BOTH {
            let out = world.at(HOOK, &syn(Who::RemoteNode, Who::Node, family))?;
            assert!(out.passed(entered(Origin::Outside), &[]), "{out:?}");
            for to in [Who::B, Who::Pending, Who::Vacant] {
                let out = world.at(HOOK, &syn(Who::RemoteNode, to, family))?;
                assert!(out.dropped(Reason::SpoofedUnderlay, &[]), "{to:?}: {out:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn the_outside_reaches_pods_with_a_veth_here_and_none_elsewhere() -> Result<()> {
    for mut world in worlds()? {
        for family in Family::BOTH {
            for to in [Who::B, Who::Node, Who::Gateway, Who::RemoteNode, Who::Far, Who::ClusterIp] {
                let out = world.at(HOOK, &syn(Who::Far, to, family))?;
                assert!(out.passed(entered(Origin::Outside), &[]), "{to:?}: {out:?}");
            }
            for to in [Who::Vacant, Who::Pending] {
                let out = world.at(HOOK, &syn(Who::Far, to, family))?;
                assert!(out.dropped(Reason::NoEndpoint, &[]), "{to:?}: {out:?}");
            }
            for to in [Who::Remote, Who::UnknownRemote, Who::RemoteGateway] {
                let out = world.at(HOOK, &syn(Who::Far, to, family))?;
                assert!(out.dropped(Reason::NotLocal, &[]), "{to:?}: {out:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn whatever_mark_a_packet_comes_with_is_overwritten() -> Result<()> {
    let forged = Context { mark: 0xffff_ffff, ..Context::default() };
    for mut world in worlds()? {
        for frame in [
            syn(Who::Far, Who::B, Family::V4).frame(),
            Packet::udp(Who::Far.ip(Family::V4), Who::Node.ip(Family::V4), (1, 51_820)).frame(),
            Packet::arp(),
            Packet::frame_of(0x88cc, &[0; 46]),
        ] {
            let out = world.rig.run(HOOK, &frame, forged)?;
            assert_eq!(
                (out.bits(), out.mark & 0xe0ff_ffff),
                (entered(Origin::Outside), 0xe0ff_ffff),
                "{out:?}"
            );
        }
    }
    Ok(())
}

#[test]
fn neighbour_discovery_multicast_and_address_configuration_pass() -> Result<()> {
    for mut world in worlds()? {
        for (from, to, kind) in
            [("fe80::2", "ff02::1", 134), ("fe80::2", "fe80::1", 136), ("::", "ff02::1:ff00:1", 135)]
        {
            let out = world.at(HOOK, &Packet::neighbour(from.parse()?, to.parse()?, kind))?;
            assert!(out.passed(entered(Origin::Outside), &[]), "{out:?}");
        }
        let out = world.at(HOOK, &Packet::udp("0.0.0.0".parse()?, "255.255.255.255".parse()?, (68, 67)))?;
        assert!(out.passed(entered(Origin::Outside), &[]), "{out:?}");
    }
    Ok(())
}

#[test]
fn the_reply_to_a_masqueraded_connection_is_settled_and_nothing_else_is() -> Result<()> {
    let mut world = World::new()?;
    (world.a.ingress_profile, world.a.egress_profile) = (1001, 1000);
    world.write()?;
    world.allow(1000, 70, EVERYTHING)?;
    for family in Family::BOTH {
        let (node, near) = (Who::Node.ip(family), Who::Near.ip(family));
        let settled = entered(Origin::Outside).with(Mark::JUDGED);
        for (there, back, stray) in [
            (
                Packet::tcp(node, near, (40_000, 443), SYN),
                Packet::tcp(near, node, (443, 40_000), 0x12),
                Packet::tcp(near, node, (443, 40_001), 0x12),
            ),
            (
                Packet::udp(node, near, (40_000, 53)),
                Packet::udp(near, node, (53, 40_000)),
                Packet::udp(near, node, (54, 40_000)),
            ),
            (
                Packet::echo(node, near, Echo::Request, 5),
                Packet::echo(near, node, Echo::Reply, 5),
                Packet::echo(near, node, Echo::Request, 5),
            ),
            (Packet::other(node, near, 47), Packet::other(near, node, 47), Packet::other(near, node, 50)),
        ] {
            let out = world.of_a(names::UNDERLAY_EGRESS, &there, Mark::EGRESS_JUDGED)?;
            let left = entered(Origin::LocalPod).with(Mark::EGRESS_JUDGED);
            assert!(out.passed(left, &[Counter::FlowInserted]), "{there:?}: {out:?}");
            let out = world.at(HOOK, &back)?;
            assert!(out.passed(settled, &[Counter::FlowHit]), "{back:?}: {out:?}");
            let out = world.at(HOOK, &stray)?;
            assert!(out.passed(entered(Origin::Outside), &[]), "{stray:?}: {out:?}");
        }
        let flow = world.rig.flows()?.into_iter().find(|(key, _)| key.protocol == 6);
        let opener = flow.map(|(_, flow)| (flow.opener_endpoint, flow.opener_ifindex));
        assert_eq!(opener, Some((101, VETH_A)), "by its veth, though its address is gone");
        world.rig.forget_flows()?;
    }
    Ok(())
}

#[test]
fn a_frame_whose_vlan_tags_hide_its_source_is_dropped() -> Result<()> {
    for mut world in worlds()? {
        for tag in [0x8100, 0x88a8] {
            let out = world.rig.run(HOOK, &Packet::frame_of(tag, &[0; 46]), Context::default())?;
            assert!(out.dropped(Reason::Malformed, &[]), "{out:?}");
        }
    }
    Ok(())
}
