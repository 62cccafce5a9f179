//! `wg_egress`, the second lock on sources (P2): peers believe this node every address of its pod CIDRs, so nobody but the
//! pod itself may leave for the mesh under one.
use anyhow::Result;
use ringfence_abi::{Counter, EndpointValue, Mark, Origin, Reason, names};
use ringfence_integration::testrun::packet::flags::SYN;
use ringfence_integration::testrun::world::{EVERYTHING, VETH_A, entered};
use ringfence_integration::testrun::{Context, Family, Outcome, Packet, Who, World};

const PEER: &[Counter] = &[Counter::ToPeer];
/// Addresses that peers take for pods of this node.
const OF_PODS: [Who; 3] = [Who::B, Who::Pending, Who::Vacant];
/// A device of the node that is no pod's.
const DEVICE: u32 = 6;

/// From this address to the remote pod, stamped with this origin, off this device.
fn leaves(world: &mut World, from: Who, family: Family, mark: Mark, ingress_ifindex: u32) -> Result<Outcome> {
    let packet = Packet::tcp(from.ip(family), Who::Remote.ip(family), (40_000, 80), SYN);
    let context = Context { mark: mark.write(0, Mark::SHIFT_DEFAULT), ingress_ifindex, ifindex: 0 };
    world.rig.run(names::WG_EGRESS, &packet.frame(), context)
}

/// Pod A isolated or not, and allowed to send anything to the remote pod.
fn worlds() -> Result<[World; 2]> {
    let mut isolated = World::new()?;
    isolated.a.egress_profile = 1000;
    isolated.write()?;
    isolated.allow(1000, 21, EVERYTHING)?;
    Ok([isolated, World::new()?])
}

#[test]
fn a_pod_leaves_under_no_other_pods_address_isolated_or_not() -> Result<()> {
    for mut world in worlds()? {
        for family in Family::BOTH {
            for origin in [Origin::LocalPod, Origin::FreePod] {
                for judged in [0, Mark::EGRESS_JUDGED, Mark::JUDGED] {
                    let mark = entered(origin).with(judged);
                    let out = leaves(&mut world, Who::A, family, mark, VETH_A)?;
                    assert!(out.passed(mark, PEER), "{out:?}");
                    for from in OF_PODS {
                        let out = leaves(&mut world, from, family, mark, VETH_A)?;
                        assert!(out.dropped(Reason::SpoofedPod, PEER), "{from:?}: {out:?}");
                    }
                }
            }
        }
    }
    Ok(())
}

#[test]
fn what_came_from_outside_or_off_the_mesh_leaves_under_no_pods_address() -> Result<()> {
    for mut world in worlds()? {
        for family in Family::BOTH {
            for origin in [Origin::Outside, Origin::Peer] {
                for judged in [0, Mark::JUDGED] {
                    // Off a tunnel of the node, say: the packet around it was stamped, and what was in it kept the stamp.
                    let mark = entered(origin).with(judged);
                    for (from, by) in [Who::A, Who::B, Who::Pending, Who::Vacant].map(|who| (who, DEVICE)) {
                        let out = leaves(&mut world, from, family, mark, by)?;
                        assert!(out.dropped(Reason::SpoofedUnderlay, PEER), "{from:?}: {out:?}");
                        let out = leaves(&mut world, from, family, mark, 0)?;
                        assert!(out.dropped(Reason::SpoofedUnderlay, PEER), "{from:?}: {out:?}");
                    }
                    let out = leaves(&mut world, Who::Gateway, family, mark, DEVICE)?;
                    assert!(out.passed(mark, PEER), "masqueraded: {out:?}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn this_node_speaks_for_its_pods_where_it_refuses_in_their_name() -> Result<()> {
    for mut world in worlds()? {
        for family in Family::BOTH {
            let out = leaves(&mut world, Who::A, family, Mark::default(), 0)?;
            assert!(out.passed(Mark::default(), PEER), "{out:?}");
        }
    }
    Ok(())
}

#[test]
fn a_free_pods_fragment_that_lost_its_veth_leaves_under_a_pods_address_that_exists_or_the_nodes() -> Result<()>
{
    let [_, mut world] = worlds()?;
    let mark = entered(Origin::FreePod);
    for family in Family::BOTH {
        for (from, allowed) in [
            (Who::A, true),
            (Who::Node, true),
            (Who::Gateway, true),
            (Who::Pending, false),
            (Who::Vacant, false),
        ] {
            let out = leaves(&mut world, from, family, mark, 0)?;
            let right = if allowed { out.passed(mark, PEER) } else { out.dropped(Reason::SpoofedPod, PEER) };
            assert!(right, "{from:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn a_pod_that_is_shut_off_sends_nothing_though_it_was_free_when_its_packet_entered() -> Result<()> {
    let [_, mut world] = worlds()?;
    world.a.flags = EndpointValue::DENY_ALL;
    world.write()?;
    let out = leaves(&mut world, Who::A, Family::V4, entered(Origin::FreePod), VETH_A)?;
    assert!(out.dropped(Reason::EndpointDenied, PEER), "{out:?}");
    Ok(())
}
