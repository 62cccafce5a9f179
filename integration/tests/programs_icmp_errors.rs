//! ICMP errors: what reports on something allowed passes, or path MTU discovery would die; nothing else does.
use anyhow::Result;
use ringfence_abi::{Counter, Mark, Origin, Reason, names};
use ringfence_integration::testrun::packet::flags::SYN;
use ringfence_integration::testrun::packet::{Echo, protocol};
use ringfence_integration::testrun::world::{EVERYTHING, entered, ports};
use ringfence_integration::testrun::{Family, Outcome, Packet, Verdict, Who, World};

const PEER_ERROR: &[Counter] = &[Counter::FromPeer, Counter::IcmpError];

/// Pod A, isolated both ways, may open TCP 80 of the remote pod.
fn world() -> Result<World> {
    let mut world = World::new()?;
    (world.a.egress_profile, world.a.ingress_profile) = (1000, 1001);
    world.write()?;
    world.rig.set_ports(2, &[80])?;
    world.allow(1000, 21, ports(protocol::TCP, 2))?;
    Ok(world)
}

fn there(family: Family, port: u16) -> Packet {
    Packet::tcp(Who::A.ip(family), Who::Remote.ip(family), (40_000, port), SYN)
}

fn settled(out: &Outcome) -> bool {
    out.passed(entered(Origin::Peer).with(Mark::JUDGED), PEER_ERROR)
}

fn refused(out: &Outcome) -> bool {
    out.dropped(Reason::PolicyIngress, &[Counter::FromPeer])
}

#[test]
fn an_error_about_what_the_receiver_may_send_passes_from_anyone_on_the_way() -> Result<()> {
    let mut world = world()?;
    for family in Family::BOTH {
        let a = Who::A.ip(family);
        for from in [Who::Remote, Who::RemoteNode, Who::RemoteGateway] {
            let from = from.ip(family);
            let out = world.at(names::WG_INGRESS, &Packet::too_big(from, a, &there(family, 80)))?;
            assert!(settled(&out), "{out:?}");
            let out = world.at(names::WG_INGRESS, &Packet::too_big(from, a, &there(family, 81)))?;
            assert!(refused(&out), "{out:?}");
        }
    }
    Ok(())
}

#[test]
fn every_kind_of_error_counts_and_nothing_else_does() -> Result<()> {
    let mut world = world()?;
    for (family, errors, others) in [
        (Family::V4, vec![3, 11, 12], vec![0, 4, 5, 8, 9, 10, 13]),
        (Family::V6, vec![1, 2, 3, 4], vec![128, 129, 133, 135, 137]),
    ] {
        let (remote, a) = (Who::Remote.ip(family), Who::A.ip(family));
        for kind in errors {
            let out = world.at(names::WG_INGRESS, &Packet::error(remote, a, kind, 0, &there(family, 80)))?;
            assert!(settled(&out), "{kind}: {out:?}");
        }
        for kind in others {
            let out = world.at(names::WG_INGRESS, &Packet::error(remote, a, kind, 0, &there(family, 80)))?;
            assert!(refused(&out), "{kind}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn an_error_must_quote_a_packet_of_its_receiver() -> Result<()> {
    let mut world = world()?;
    for family in Family::BOTH {
        let (a, remote) = (Who::A.ip(family), Who::Remote.ip(family));
        let of_b = Packet::tcp(Who::B.ip(family), remote, (40_000, 80), SYN);
        let of_remote = Packet::tcp(remote, a, (80, 40_000), SYN);
        for quoted in [of_b, of_remote] {
            let out = world.at(names::WG_INGRESS, &Packet::too_big(remote, a, &quoted))?;
            assert!(refused(&out), "{quoted:?}: {out:?}");
        }
        for bytes in [8, 12, 27, 35, 47] {
            let out =
                world.at(names::WG_INGRESS, &Packet::too_big(remote, a, &there(family, 80)).cut(bytes))?;
            let whole = if family == Family::V4 { 8 + 20 + 8 } else { 8 + 40 + 8 };
            assert_eq!(refused(&out), bytes < whole, "{bytes}: {out:?}");
        }
        let later = there(family, 80).later_fragment(1, 185);
        let out = world.at(names::WG_INGRESS, &Packet::too_big(remote, a, &later))?;
        assert!(refused(&out), "{out:?}");
        let first = there(family, 80).first_fragment(1);
        let out = world.at(names::WG_INGRESS, &Packet::too_big(remote, a, &first))?;
        assert!(settled(&out), "{out:?}");
    }
    Ok(())
}

#[test]
fn an_error_about_a_live_flow_passes_whichever_end_is_told() -> Result<()> {
    let mut world = World::new()?;
    (world.b.egress_profile, world.b.ingress_profile) = (1002, 1003);
    world.write()?;
    world.allow(1003, 21, EVERYTHING)?;
    for family in Family::BOTH {
        let (remote, b) = (Who::Remote.ip(family), Who::B.ip(family));
        let opens = Packet::udp(remote, b, (40_000, 53));
        let answers = Packet::udp(b, remote, (53, 40_000));
        world.at(names::WG_INGRESS, &opens)?;
        // To B about its answer: its own egress policy does not admit it, but the flow does. A router on the way says so.
        world.allow(1003, 50, ports(protocol::UDP, 1))?;
        let router = Who::RemoteNode.ip(family);
        let out = world.at(names::WG_INGRESS, &Packet::too_big(router, b, &answers))?;
        assert!(settled(&out), "{out:?}");
        // From B about what it was asked.
        let out =
            world.from_b(&Packet::error(b, remote, if family == Family::V4 { 3 } else { 1 }, 3, &opens))?;
        let mark = entered(Origin::LocalPod).with(Mark::JUDGED);
        assert!(out.passed(mark, &[Counter::FromPod, Counter::IcmpError]), "{out:?}");
        world.rig.forget_flows()?;
        let out = world.at(names::WG_INGRESS, &Packet::too_big(router, b, &answers))?;
        assert!(refused(&out), "{out:?}");
    }
    Ok(())
}

#[test]
fn a_pod_cannot_report_on_a_connection_that_is_not_its_own() -> Result<()> {
    let mut world = world()?;
    (world.b.egress_profile, world.b.ingress_profile) = (1002, 1003);
    world.write()?;
    for family in Family::BOTH {
        // A's flow with the remote pod lives; B claims to be a router on its way.
        world.of_a(names::WG_EGRESS, &there(family, 80), 0)?;
        let forged = Packet::too_big(Who::B.ip(family), Who::A.ip(family), &there(family, 80));
        let out = world.from_b(&forged)?;
        assert!(out.passed(entered(Origin::LocalPod), &[Counter::FromPod]), "not settled: {out:?}");
        let out = world.at(
            names::WG_INGRESS,
            &Packet::too_big(Who::Remote.ip(family), Who::A.ip(family), &there(family, 80)),
        )?;
        assert!(settled(&out), "{out:?}");
    }
    Ok(())
}

#[test]
fn errors_about_masqueraded_flows_are_settled_where_they_enter() -> Result<()> {
    let mut world = World::new()?;
    (world.a.egress_profile, world.a.ingress_profile) = (1000, 1001);
    world.write()?;
    for class in [21, 70] {
        world.allow(1000, class, EVERYTHING)?;
    }
    for family in Family::BOTH {
        let node = Who::Node.ip(family);
        let out = Packet::tcp(node, Who::Near.ip(family), (40_000, 443), SYN);
        world.of_a(names::UNDERLAY_EGRESS, &out, Mark::EGRESS_JUDGED)?;
        let answer = world.at(names::UNDERLAY_INGRESS, &Packet::too_big(Who::Far.ip(family), node, &out))?;
        assert!(
            answer.passed(entered(Origin::Outside).with(Mark::JUDGED), &[Counter::IcmpError]),
            "{answer:?}"
        );
        let mesh = Packet::echo(node, Who::Remote.ip(family), Echo::Request, 8);
        world.of_a(names::WG_EGRESS, &mesh, 0)?;
        let answer =
            world.at(names::WG_INGRESS, &Packet::too_big(Who::RemoteNode.ip(family), node, &mesh))?;
        assert!(settled(&answer), "{answer:?}");
        let stranger = Packet::tcp(node, Who::Near.ip(family), (40_001, 443), SYN);
        let answer =
            world.at(names::UNDERLAY_INGRESS, &Packet::too_big(Who::Far.ip(family), node, &stranger))?;
        assert!(answer.passed(entered(Origin::Outside), &[]), "{answer:?}");
    }
    Ok(())
}

#[test]
fn at_its_own_veth_a_pod_is_told_about_what_it_may_send() -> Result<()> {
    let mut world = World::new()?;
    world.b.ingress_profile = 1003;
    world.write()?;
    for family in Family::BOTH {
        let (b, far) = (Who::B.ip(family), Who::Far.ip(family));
        let sent = Packet::tcp(b, far, (40_000, 443), SYN);
        let outside = entered(Origin::Outside);
        let out = world.to_b(&Packet::too_big(Who::Near.ip(family), b, &sent), outside, 6)?;
        assert!(out.passed(outside, &[Counter::ToPod, Counter::IcmpError]), "{out:?}");
        let out = world.to_b(&Packet::echo(Who::Near.ip(family), b, Echo::Request, 1), outside, 6)?;
        assert_eq!(out.verdict, Verdict::Drop, "{out:?}");
        world.b.egress_profile = 1002;
        world.write()?;
        let out = world.to_b(&Packet::too_big(Who::Near.ip(family), b, &sent), outside, 6)?;
        assert!(out.dropped(Reason::PolicyIngress, &[Counter::ToPod]), "{out:?}");
        world.b.egress_profile = 0;
        world.write()?;
    }
    Ok(())
}
