//! Replies: recognised where they enter, before NAT is undone, in both isolations and all protocols.
use anyhow::Result;
use ringfence_abi::{Counter, Mark, Origin, PolicyValue, Reason, names};
use ringfence_integration::testrun::packet::flags::{ACK, SYN};
use ringfence_integration::testrun::packet::{Echo, protocol};
use ringfence_integration::testrun::world::{EVERYTHING, entered};
use ringfence_integration::testrun::{Family, Outcome, Packet, Who, World};
use std::net::IpAddr;

/// Both pods isolated both ways; A may open anything to anyone here, B may be opened by A; nothing else.
fn world() -> Result<World> {
    let mut world = World::new()?;
    (world.a.egress_profile, world.a.ingress_profile) = (1000, 1001);
    (world.b.egress_profile, world.b.ingress_profile) = (1002, 1003);
    world.write()?;
    for class in [12, 21, 70] {
        world.allow(1000, class, EVERYTHING)?;
    }
    for class in [11, 21, 90, 91] {
        world.allow(1003, class, EVERYTHING)?;
    }
    Ok(world)
}

/// A packet and its answer, for every kind of protocol.
fn exchanges(from: IpAddr, to: IpAddr) -> Vec<(Packet, Packet)> {
    vec![
        (Packet::tcp(from, to, (40_000, 80), SYN), Packet::tcp(to, from, (80, 40_000), SYN | ACK)),
        (Packet::udp(from, to, (40_000, 53)), Packet::udp(to, from, (53, 40_000))),
        (Packet::sctp(from, to, (40_000, 80), 1), Packet::sctp(to, from, (80, 40_000), 2)),
        (Packet::echo(from, to, Echo::Request, 4), Packet::echo(to, from, Echo::Reply, 4)),
        (Packet::other(from, to, protocol::GRE), Packet::other(to, from, protocol::GRE)),
    ]
}

/// No reply: the same end opens something of its own, or answers what nobody asked.
fn strangers(from: IpAddr, to: IpAddr) -> Vec<Packet> {
    vec![
        Packet::tcp(from, to, (80, 40_000), SYN),
        Packet::tcp(from, to, (80, 40_001), SYN | ACK),
        Packet::udp(from, to, (54, 40_000)),
        Packet::sctp(from, to, (80, 40_000), 1),
        Packet::echo(from, to, Echo::Request, 4),
        Packet::echo(from, to, Echo::Reply, 5),
        Packet::other(from, to, 50),
    ]
}

fn inserted(out: &Outcome) -> bool {
    out.passed_by(Counter::FlowInserted)
}

/// What B sends is known as a reply where it enters, and bears both bits from there on.
fn replies(world: &mut World, back: &Packet, origin: Origin) -> Result<()> {
    let out = world.from_b(back)?;
    let settled = entered(origin).with(Mark::JUDGED);
    assert!(out.passed(settled, &[Counter::FromPod, Counter::FlowHit]), "{back:?}: {out:?}");
    Ok(())
}

/// What B sends is left to be judged at a later hook.
fn is_left(world: &mut World, packet: &Packet) -> Result<()> {
    let out = world.from_b(packet)?;
    assert!(out.passed(entered(Origin::LocalPod), &[Counter::FromPod]), "{packet:?}: {out:?}");
    Ok(())
}

#[test]
fn of_a_local_backend_behind_a_service() -> Result<()> {
    let mut world = world()?;
    for family in Family::BOTH {
        let (a, b) = (Who::A.ip(family), Who::B.ip(family));
        for (there, back) in exchanges(a, b) {
            // Nothing yet: no reply.
            is_left(&mut world, &back)?;
            let out = world.of_a(names::POD_INGRESS, &there, 0)?;
            assert!(inserted(&out), "{there:?}: {out:?}");
            replies(&mut world, &back, Origin::LocalPod)?;
        }
        for packet in strangers(b, a) {
            is_left(&mut world, &packet)?;
        }
        // What was not settled where it entered is refused at A's veth, under whatever address NAT gave it.
        let mut late = Packet::tcp(Who::ClusterIp.ip(family), a, (80, 40_000), ACK);
        for from in [b, Who::ClusterIp.ip(family)] {
            late.src = from;
            world.rig.forget_flows()?;
            let out = world.of_b(names::POD_INGRESS, &late, 0)?;
            assert!(out.dropped(Reason::PolicyEgress, &[Counter::ToPod]), "{from}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn of_a_backend_that_saw_a_masqueraded_source() -> Result<()> {
    let mut world = world()?;
    for family in Family::BOTH {
        let (gateway, b) = (Who::Gateway.ip(family), Who::B.ip(family));
        for (there, back) in exchanges(gateway, b) {
            is_left(&mut world, &back)?;
            let out = world.of_a(names::POD_INGRESS, &there, 0)?;
            assert!(inserted(&out), "{there:?}: {out:?}");
            replies(&mut world, &back, Origin::PodToNode)?;
        }
        for packet in strangers(b, gateway) {
            is_left(&mut world, &packet)?;
        }
    }
    Ok(())
}

#[test]
fn of_a_free_backend_to_an_isolated_pod_that_was_masqueraded() -> Result<()> {
    let mut world = world()?;
    (world.b.egress_profile, world.b.ingress_profile) = (0, 0);
    world.write()?;
    for family in Family::BOTH {
        let (gateway, b) = (Who::Gateway.ip(family), Who::B.ip(family));
        for (there, back) in exchanges(gateway, b) {
            let out = world.of_a(names::POD_INGRESS, &there, 0)?;
            assert!(inserted(&out), "{there:?}: {out:?}");
            replies(&mut world, &back, Origin::FreePodToNode)?;
        }
    }
    Ok(())
}

#[test]
fn of_an_isolated_pod_to_a_peer() -> Result<()> {
    let mut world = world()?;
    for family in Family::BOTH {
        let (remote, b) = (Who::Remote.ip(family), Who::B.ip(family));
        for (there, back) in exchanges(remote, b) {
            let out = world.at(names::WG_INGRESS, &there)?;
            assert!(inserted(&out), "{there:?}: {out:?}");
            replies(&mut world, &back, Origin::LocalPod)?;
        }
        for packet in strangers(b, remote) {
            is_left(&mut world, &packet)?;
        }
    }
    Ok(())
}

#[test]
fn of_an_isolated_pod_to_the_outside() -> Result<()> {
    let mut world = world()?;
    world.allow(1003, 71, EVERYTHING)?;
    for family in Family::BOTH {
        let (far, b) = (Who::Far.ip(family), Who::B.ip(family));
        for (there, back) in exchanges(far, b) {
            let out = world.from_b(&back)?;
            assert!(out.dropped(Reason::PolicyEgress, &[Counter::FromPod]), "{out:?}");
            let out = world.to_b(&there, entered(Origin::Outside), 6)?;
            assert!(inserted(&out), "{there:?}: {out:?}");
            replies(&mut world, &back, Origin::LocalPod)?;
        }
        for packet in strangers(b, far) {
            let out = world.from_b(&packet)?;
            assert!(out.dropped(Reason::PolicyEgress, &[Counter::FromPod]), "{packet:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn of_a_peer_to_an_isolated_pod() -> Result<()> {
    let mut world = world()?;
    for family in Family::BOTH {
        let (a, remote) = (Who::A.ip(family), Who::Remote.ip(family));
        for (there, back) in exchanges(a, remote) {
            let out = world.at(names::WG_INGRESS, &back)?;
            assert!(out.dropped(Reason::PolicyIngress, &[Counter::FromPeer]), "{out:?}");
            let out = world.of_a(names::WG_EGRESS, &there, 0)?;
            assert!(inserted(&out), "{there:?}: {out:?}");
            let out = world.at(names::WG_INGRESS, &back)?;
            let settled = entered(Origin::Peer).with(Mark::JUDGED);
            assert!(out.passed(settled, &[Counter::FromPeer, Counter::FlowHit]), "{back:?}: {out:?}");
        }
        for packet in strangers(remote, a) {
            let out = world.at(names::WG_INGRESS, &packet)?;
            assert!(out.dropped(Reason::PolicyIngress, &[Counter::FromPeer]), "{packet:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn where_policy_admits_the_reply_by_itself_no_flow_is_asked() -> Result<()> {
    let mut world = world()?;
    world.allow(1002, 11, EVERYTHING)?;
    world.allow(1001, 12, EVERYTHING)?;
    for family in Family::BOTH {
        for (there, back) in exchanges(Who::A.ip(family), Who::B.ip(family)) {
            let out = world.of_a(names::POD_INGRESS, &there, 0)?;
            assert!(out.passed(entered(Origin::LocalPod), &[Counter::ToPod]), "{out:?}");
            is_left(&mut world, &back)?;
        }
    }
    Ok(())
}

#[test]
fn one_direction_of_isolation_alone_needs_its_flow_too() -> Result<()> {
    for (ingress_of_a, egress_of_b) in [(1001, 0), (0, 1002)] {
        let mut world = World::new()?;
        (world.a.ingress_profile, world.b.egress_profile) = (ingress_of_a, egress_of_b);
        world.write()?;
        world.allow(1001, 99, PolicyValue::default())?;
        for family in Family::BOTH {
            for (there, back) in exchanges(Who::A.ip(family), Who::B.ip(family)) {
                let out = world.of_a(names::POD_INGRESS, &there, 0)?;
                assert!(inserted(&out), "{there:?}: {out:?}");
                let out = world.from_b(&back)?;
                assert!(out.bits().egress_judged() && out.bits().ingress_judged(), "{back:?}: {out:?}");
            }
        }
    }
    Ok(())
}
