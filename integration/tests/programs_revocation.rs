//! Revocation bites, also between a packet and its answer: nothing that was in flight opens again what was forbidden.
use anyhow::Result;
use ringfence_abi::{Counter, Mark, Origin, Reason, names};
use ringfence_integration::testrun::packet::flags::{ACK, SYN};
use ringfence_integration::testrun::packet::{Echo, protocol};
use ringfence_integration::testrun::world::{EVERYTHING, VETH_B, entered};
use ringfence_integration::testrun::{Context, Family, Outcome, Packet, Verdict, Who, World};

/// Pod B at `wg_egress`.
fn leaves(world: &mut World, packet: &Packet) -> Result<Outcome> {
    let mark = entered(Origin::LocalPod).write(0, Mark::SHIFT_DEFAULT);
    world.rig.run(names::WG_EGRESS, &packet.frame(), Context { mark, ingress_ifindex: VETH_B, ifindex: 0 })
}

/// Policy has changed just now.
fn changed_now(world: &mut World) -> Result<()> {
    let up = std::fs::read_to_string("/proc/uptime")?;
    let seconds = up.split('.').next().unwrap_or_default().parse()?;
    world.config.changed = seconds;
    world.next_generation()
}

/// A packet of a client to pod B and B's answer: a stream of each transport.
fn streams(family: Family) -> Vec<(Packet, Packet)> {
    let (remote, b) = (Who::Remote.ip(family), Who::B.ip(family));
    vec![
        (Packet::tcp(remote, b, (40_000, 80), ACK), Packet::tcp(b, remote, (80, 40_000), ACK)),
        (Packet::udp(remote, b, (40_000, 53)), Packet::udp(b, remote, (53, 40_000))),
        (Packet::sctp(remote, b, (40_000, 80), 0), Packet::sctp(b, remote, (80, 40_000), 3)),
        (Packet::echo(remote, b, Echo::Request, 6), Packet::echo(b, remote, Echo::Reply, 6)),
    ]
}

#[test]
fn a_server_isolated_in_one_direction_does_not_reopen_the_stream_with_its_answers() -> Result<()> {
    let mut world = World::new()?;
    world.b.ingress_profile = 1003;
    world.write()?;
    for family in Family::BOTH {
        world.allow(1003, 21, EVERYTHING)?;
        world.from_b(&Packet::tcp(Who::B.ip(family), Who::Remote.ip(family), (80, 40_000), SYN | ACK))?;
        world.from_b(&Packet::sctp(Who::B.ip(family), Who::Remote.ip(family), (80, 40_000), 2))?;
        for (asks, answers) in streams(family) {
            let out = world.at(names::WG_INGRESS, &asks)?;
            assert!(
                out.passed(entered(Origin::Peer).with(Mark::INGRESS_JUDGED), &[Counter::FromPeer]),
                "{out:?}"
            );
            let out = leaves(&mut world, &answers)?;
            assert!(out.passed(entered(Origin::LocalPod), &[Counter::ToPeer]), "{out:?}");
        }
        world.rig.remove_policy(1003, 21)?;
        changed_now(&mut world)?;
        for (asks, answers) in streams(family) {
            // What B had in its queue still leaves, for B may send to anyone.
            let out = leaves(&mut world, &answers)?;
            assert!(out.passed(entered(Origin::LocalPod), &[Counter::ToPeer]), "{answers:?}: {out:?}");
            let out = world.at(names::WG_INGRESS, &asks)?;
            assert!(out.dropped(Reason::PolicyIngress, &[Counter::FromPeer]), "{asks:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn a_client_cut_off_in_one_direction_is_not_let_on_by_the_answers_still_coming() -> Result<()> {
    let mut world = World::new()?;
    world.b.egress_profile = 1002;
    world.write()?;
    for family in Family::BOTH {
        let (remote, b) = (Who::Remote.ip(family), Who::B.ip(family));
        world.allow(1002, 21, EVERYTHING)?;
        world.from_b(&Packet::tcp(b, remote, (40_000, 80), SYN))?;
        world.from_b(&Packet::sctp(b, remote, (40_000, 80), 1))?;
        let streams = [
            (Packet::tcp(b, remote, (40_000, 80), ACK), Packet::tcp(remote, b, (80, 40_000), ACK)),
            (Packet::udp(b, remote, (40_000, 53)), Packet::udp(remote, b, (53, 40_000))),
            (Packet::sctp(b, remote, (40_000, 80), 0), Packet::sctp(remote, b, (80, 40_000), 3)),
            (Packet::echo(b, remote, Echo::Request, 6), Packet::echo(remote, b, Echo::Reply, 6)),
        ];
        for (asks, answers) in &streams {
            assert!(leaves(&mut world, asks)?.passed(entered(Origin::LocalPod), &[Counter::ToPeer]));
            let out = world.at(names::WG_INGRESS, answers)?;
            assert!(
                out.passed(entered(Origin::Peer).with(Mark::INGRESS_JUDGED), &[Counter::FromPeer]),
                "{out:?}"
            );
        }
        world.rig.remove_policy(1002, 21)?;
        changed_now(&mut world)?;
        for (asks, answers) in &streams {
            let out = world.at(names::WG_INGRESS, answers)?;
            assert!(
                out.passed(entered(Origin::Peer).with(Mark::INGRESS_JUDGED), &[Counter::FromPeer]),
                "{out:?}"
            );
            let out = leaves(&mut world, asks)?;
            assert!(out.dropped(Reason::PolicyEgress, &[Counter::ToPeer]), "{asks:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn a_pod_isolated_while_connected_keeps_the_connections_it_opened_and_loses_the_others() -> Result<()> {
    let mut world = World::new()?;
    for family in Family::BOTH {
        let (remote, b) = (Who::Remote.ip(family), Who::B.ip(family));
        (world.b.ingress_profile, world.b.egress_profile) = (0, 0);
        changed_now(&mut world)?;
        world.from_b(&Packet::tcp(b, remote, (40_000, 5432), SYN))?;
        world.from_b(&Packet::tcp(b, remote, (80, 40_000), SYN | ACK))?;
        world.b.ingress_profile = 1003;
        changed_now(&mut world)?;
        let out = world.at(names::WG_INGRESS, &Packet::tcp(remote, b, (5432, 40_000), ACK))?;
        let counted = [Counter::FromPeer, Counter::FlowResumed];
        assert!(out.passed(entered(Origin::Peer).with(Mark::JUDGED), &counted), "{out:?}");
        let out = world.at(names::WG_INGRESS, &Packet::tcp(remote, b, (40_000, 80), ACK))?;
        assert!(out.dropped(Reason::PolicyIngress, &[Counter::FromPeer]), "{out:?}");
        // Its own datagrams are answered as soon as it sends again, at once.
        world.from_b(&Packet::udp(b, remote, (40_000, 53)))?;
        assert_eq!(leaves(&mut world, &Packet::udp(b, remote, (40_000, 53)))?.verdict, Verdict::Pass);
        let out = world.at(names::WG_INGRESS, &Packet::udp(remote, b, (53, 40_000)))?;
        assert!(
            out.passed(entered(Origin::Peer).with(Mark::JUDGED), &[Counter::FromPeer, Counter::FlowHit]),
            "{out:?}"
        );
        world.rig.forget_flows()?;
    }
    Ok(())
}

#[test]
fn once_policy_has_settled_a_datagram_from_a_low_port_opens_a_flow_too() -> Result<()> {
    let mut world = World::new()?;
    world.b.ingress_profile = 1003;
    changed_now(&mut world)?;
    let packet = Packet::udp(Who::B.ip(Family::V4), Who::Remote.ip(Family::V4), (500, 4500));
    let out = leaves(&mut world, &packet)?;
    assert!(out.passed(entered(Origin::LocalPod), &[Counter::ToPeer]), "{out:?}");
    world.config.changed -= 10;
    world.write()?;
    let out = leaves(&mut world, &packet)?;
    assert!(out.passed(entered(Origin::LocalPod), &[Counter::ToPeer, Counter::FlowInserted]), "{out:?}");
    Ok(())
}

#[test]
fn a_flow_both_ends_of_which_are_isolated_is_cut_by_either() -> Result<()> {
    for cut in [1000, 1003] {
        let mut world = World::new()?;
        (world.a.egress_profile, world.a.ingress_profile) = (1000, 1001);
        (world.b.egress_profile, world.b.ingress_profile) = (1002, 1003);
        world.write()?;
        world.allow(1000, 12, EVERYTHING)?;
        world.allow(1003, 11, EVERYTHING)?;
        let class = if cut == 1000 { 12 } else { 11 };
        for family in Family::BOTH {
            let (a, b) = (Who::A.ip(family), Who::B.ip(family));
            world.of_a(names::POD_INGRESS, &Packet::other(a, b, protocol::GRE), 0)?;
        }
        world.rig.remove_policy(cut, class)?;
        changed_now(&mut world)?;
        for family in Family::BOTH {
            let (a, b) = (Who::A.ip(family), Who::B.ip(family));
            let out = world.from_b(&Packet::other(b, a, protocol::GRE))?;
            let counted = [Counter::FromPod, Counter::FlowRevoked];
            assert!(out.passed(entered(Origin::LocalPod), &counted), "left for A's veth: {out:?}");
        }
    }
    Ok(())
}
