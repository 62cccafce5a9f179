//! `pod_ingress`: sources that are no local pod, and how far each is believed.
use anyhow::Result;
use ringfence_abi::{Counter, Mark, Origin, Reason};
use ringfence_integration::testrun::packet::flags::SYN;
use ringfence_integration::testrun::world::{EVERYTHING, entered};
use ringfence_integration::testrun::{Family, Packet, Who, World};

const TO_POD: &[Counter] = &[Counter::ToPod];
const INGRESS: u32 = 1003;
const WG: u32 = 5;
const UNDERLAY: u32 = 6;

fn isolated() -> Result<World> {
    let mut world = World::new()?;
    world.b.ingress_profile = INGRESS;
    world.write()?;
    Ok(world)
}

fn syn(from: Who, family: Family) -> Packet {
    Packet::tcp(from.ip(family), Who::B.ip(family), (40_000, 80), SYN)
}

/// Whether pod B takes this packet exactly when its policy admits this class.
fn judged_by(world: &mut World, packet: &Packet, mark: Mark, by: u32, class: u32) -> Result<bool> {
    let without = world.to_b(packet, mark, by)?;
    world.allow(INGRESS, class, EVERYTHING)?;
    let with = world.to_b(packet, mark, by)?;
    world.rig.remove_policy(INGRESS, class)?;
    Ok(without.dropped(Reason::PolicyIngress, TO_POD) && with.passed(mark, TO_POD))
}

#[test]
fn what_came_off_the_mesh_is_judged_by_its_source() -> Result<()> {
    let mut world = isolated()?;
    for family in Family::BOTH {
        for (from, class) in [(Who::Remote, 21), (Who::UnknownRemote, 29), (Who::RemoteNode, 50)] {
            let packet = syn(from, family);
            assert!(judged_by(&mut world, &packet, entered(Origin::Peer), WG, class)?, "{from:?}");
        }
    }
    Ok(())
}

#[test]
fn what_this_node_masqueraded_for_others_is_nobody_and_not_this_node() -> Result<()> {
    let mut world = isolated()?;
    for (family, class) in [(Family::V4, 90), (Family::V6, 91)] {
        for from in [Who::Node, Who::Gateway] {
            let packet = syn(from, family);
            for (origin, by) in [(Origin::Peer, WG), (Origin::Outside, UNDERLAY)] {
                assert!(judged_by(&mut world, &packet, entered(origin), by, class)?, "{from:?} {origin:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn the_outside_is_judged_by_its_cidr() -> Result<()> {
    let mut world = isolated()?;
    for family in Family::BOTH {
        for (from, class) in [(Who::Near, 70), (Who::Far, 71)] {
            let (packet, origin) = (syn(from, family), entered(Origin::Outside));
            assert!(judged_by(&mut world, &packet, origin, UNDERLAY, class)?, "{from:?}");
        }
    }
    Ok(())
}

/// A pod before its CNI ADD is such a device.
#[test]
fn what_a_device_without_programs_brings_reaches_no_isolated_pod_whatever_its_source() -> Result<()> {
    let mut world = isolated()?;
    for class in [11, 21, 40, 50, 70, 71, 90, 91] {
        world.allow(INGRESS, class, EVERYTHING)?;
    }
    for family in Family::BOTH {
        for from in [Who::Near, Who::Far, Who::Node, Who::Gateway, Who::RemoteNode] {
            let out = world.to_b(&syn(from, family), entered(Origin::None), UNDERLAY)?;
            assert!(out.dropped(Reason::OriginLost, TO_POD), "{from:?}: {out:?}");
            let out = world.to_b(&syn(from, family), entered(Origin::Outside), UNDERLAY)?;
            assert!(out.passed(entered(Origin::Outside), TO_POD), "{from:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn a_node_without_a_key_to_show_for_it_is_nobody() -> Result<()> {
    let mut world = isolated()?;
    for (family, class) in [(Family::V4, 90), (Family::V6, 91)] {
        let packet = syn(Who::RemoteNode, family);
        assert!(judged_by(&mut world, &packet, entered(Origin::Outside), UNDERLAY, class)?);
        world.allow(INGRESS, 50, EVERYTHING)?;
        let out = world.to_b(&packet, entered(Origin::Outside), UNDERLAY)?;
        assert!(out.dropped(Reason::PolicyIngress, TO_POD), "{out:?}");
        world.rig.remove_policy(INGRESS, 50)?;
    }
    Ok(())
}

#[test]
fn a_pods_address_that_neither_its_veth_nor_a_peer_vouches_for_is_dropped() -> Result<()> {
    for mut world in [World::new()?, isolated()?] {
        world.allow(INGRESS, 11, EVERYTHING)?;
        world.allow(INGRESS, 21, EVERYTHING)?;
        for family in Family::BOTH {
            for from in [Who::A, Who::Remote, Who::UnknownRemote, Who::RemoteGateway, Who::Vacant] {
                let packet = syn(from, family);
                let out = world.to_b(&packet, entered(Origin::Outside), UNDERLAY)?;
                assert!(out.dropped(Reason::SpoofedUnderlay, TO_POD), "{from:?}: {out:?}");
                let out = world.to_b(&packet, entered(Origin::None), UNDERLAY)?;
                assert!(out.dropped(Reason::OriginLost, TO_POD), "{from:?}: {out:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_free_pod_takes_what_anyone_sends_it() -> Result<()> {
    let mut world = World::new()?;
    for family in Family::BOTH {
        for (from, origin, by) in [
            (Who::Remote, Origin::Peer, WG),
            (Who::Node, Origin::Peer, WG),
            (Who::Far, Origin::Outside, UNDERLAY),
            (Who::Gateway, Origin::Outside, UNDERLAY),
            (Who::RemoteNode, Origin::Outside, UNDERLAY),
            (Who::Far, Origin::None, UNDERLAY),
        ] {
            let out = world.to_b(&syn(from, family), entered(origin), by)?;
            assert!(out.passed(entered(origin), TO_POD), "{from:?} {origin:?}: {out:?}");
        }
    }
    assert!(world.rig.flows()?.is_empty());
    Ok(())
}

#[test]
fn a_flow_is_kept_where_the_reply_meets_the_pods_egress_policy() -> Result<()> {
    let mut world = World::new()?;
    world.b.egress_profile = 1002;
    world.write()?;
    world.allow(1002, 71, EVERYTHING)?;
    let counted = [Counter::ToPod, Counter::FlowInserted];
    for family in Family::BOTH {
        for (from, origin, by, makes) in [
            (Who::Near, Origin::Outside, UNDERLAY, true),
            // B may reach the far outside by itself.
            (Who::Far, Origin::Outside, UNDERLAY, false),
            // The masqueraded reply bears this node's address, but goes on to who knows whom.
            (Who::Gateway, Origin::Outside, UNDERLAY, true),
            (Who::Node, Origin::Peer, WG, true),
            (Who::Remote, Origin::Peer, WG, true),
        ] {
            let out = world.to_b(&syn(from, family), entered(origin), by)?;
            let counted: &[Counter] = if makes { &counted } else { TO_POD };
            assert!(out.passed(entered(origin), counted), "{from:?}: {out:?}");
        }
    }
    Ok(())
}
