//! Answers to this node's addresses: whom they are for is NAT's to know, and if the kernel has forgotten the connection, they may
//! be anything but answers.
use anyhow::{Context as _, Result};
use ringfence_abi::{Counter, Mark, Origin, Reason, names};
use ringfence_integration::testrun::world::{EVERYTHING, VETH_A, VETH_B, entered};
use ringfence_integration::testrun::{Context, Family, Outcome, Packet, Who, World};
use std::net::IpAddr;

/// The port that the caller was masqueraded to, and that is a NodePort, too.
const NODE_PORT: u16 = 30_002;
const ANSWERED: &[Counter] = &[Counter::FromPod, Counter::FlowHit];

/// Both pods isolated both ways. A caller from outside, masqueraded, may reach B; B nobody.
fn world() -> Result<World> {
    let mut world = World::new()?;
    (world.a.egress_profile, world.a.ingress_profile) = (1000, 1001);
    (world.b.egress_profile, world.b.ingress_profile) = (1002, 1003);
    world.write()?;
    for class in [90, 91] {
        world.allow(1003, class, EVERYTHING)?;
    }
    Ok(world)
}

/// The caller asks B, and B answers as far as it can be seen where its answer enters the node.
fn answered(world: &mut World, family: Family) -> Result<Outcome> {
    let (node, b) = (Who::Node.ip(family), Who::B.ip(family));
    let out = world.to_b(&Packet::udp(node, b, (NODE_PORT, 53)), entered(Origin::Outside), 6)?;
    assert!(out.passed_by(Counter::FlowInserted), "{out:?}");
    world.from_b(&Packet::udp(b, node, (53, NODE_PORT)))
}

/// What NAT made of B's packet, at a later hook.
fn later(world: &mut World, hook: &str, (from, to): (IpAddr, IpAddr)) -> Result<Outcome> {
    let mark = entered(Origin::PodToNode).with(Mark::JUDGED).write(0, Mark::SHIFT_DEFAULT);
    let ifindex = if hook == names::POD_INGRESS { VETH_A } else { 0 };
    let packet = Packet::udp(from, to, (53, 8080));
    world.rig.run(hook, &packet.frame(), Context { mark, ingress_ifindex: VETH_B, ifindex })
}

#[test]
fn an_answer_that_the_kernel_takes_for_a_new_connection_is_judged_as_one() -> Result<()> {
    for family in Family::BOTH {
        let mut world = world()?;
        let out = answered(&mut world, family)?;
        let mark = entered(Origin::PodToNode).with(Mark::JUDGED);
        assert!(out.passed(mark, ANSWERED), "{out:?}");
        let (a, b, remote) = (Who::A.ip(family), Who::B.ip(family), Who::Remote.ip(family));
        for (hook, to, counted) in
            [(names::POD_INGRESS, a, Counter::ToPod), (names::WG_EGRESS, remote, Counter::ToPeer)]
        {
            let out = later(&mut world, hook, (b, to))?;
            assert!(out.dropped(Reason::PolicyEgress, &[counted]), "{hook}: {out:?}");
        }
        // What egress policy allows has ingress policy before it still.
        world.allow(1002, 11, EVERYTHING)?;
        world.allow(1002, 21, EVERYTHING)?;
        let out = later(&mut world, names::POD_INGRESS, (b, a))?;
        assert!(out.dropped(Reason::PolicyIngress, &[Counter::ToPod]), "{out:?}");
        assert!(later(&mut world, names::WG_EGRESS, (b, remote))?.passed_by(Counter::ToPeer));
        world.allow(1001, 12, EVERYTHING)?;
        assert!(later(&mut world, names::POD_INGRESS, (b, a))?.passed_by(Counter::ToPod));
    }
    Ok(())
}

#[test]
fn an_answer_whose_translation_was_undone_passes_wherever_it_goes() -> Result<()> {
    for family in Family::BOTH {
        let mut world = world()?;
        let service = Who::Node.ip(family);
        for (hook, to) in [
            (names::POD_INGRESS, Who::A),
            (names::WG_EGRESS, Who::RemoteNode),
            (names::UNDERLAY_EGRESS, Who::Far),
        ] {
            let out = later(&mut world, hook, (service, to.ip(family)))?;
            let mark = entered(Origin::PodToNode).with(Mark::JUDGED);
            let counted: &[Counter] = match hook {
                names::POD_INGRESS => &[Counter::ToPod],
                names::WG_EGRESS => &[Counter::ToPeer],
                _ => &[],
            };
            assert!(out.passed(mark, counted), "{hook}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn a_datagram_to_a_node_port_whose_backends_policy_refuses_and_no_later_hook_judges_is_no_answer()
-> Result<()> {
    for family in Family::BOTH {
        let mut world = world()?;
        world.rig.set_service(Who::Node.ip(family), NODE_PORT, 17, 71)?;
        let out = answered(&mut world, family)?;
        assert!(out.dropped(Reason::PolicyEgress, &[Counter::FromPod]), "{out:?}");
        world.allow(1002, 71, EVERYTHING)?;
        world.rig.forget_flows()?;
        let out = answered(&mut world, family).context("allowed")?;
        assert!(out.passed(entered(Origin::PodToNode).with(Mark::JUDGED), ANSWERED), "{out:?}");
    }
    Ok(())
}
