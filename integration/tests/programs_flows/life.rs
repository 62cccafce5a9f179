//! How long flows live, and what they are good for meanwhile.
use crate::one::{FAMILY, age, back, hit, missed, only, there, world};
use anyhow::Result;
use ringfence_abi::{Counter, FlowValue, Origin, names};
use ringfence_integration::testrun::packet::Echo;
use ringfence_integration::testrun::packet::flags::{ACK, FIN, RST, SYN};
use ringfence_integration::testrun::world::{EVERYTHING, entered};
use ringfence_integration::testrun::{Packet, Who, World};

#[test]
fn an_idle_flow_is_a_miss_after_conntracks_timeout_for_its_protocol_and_state() -> Result<()> {
    let mut world = world()?;
    let (a, remote) = (Who::A.ip(FAMILY), Who::Remote.ip(FAMILY));
    let udp = (Packet::udp(a, remote, (40_000, 53)), Packet::udp(remote, a, (53, 40_000)));
    let sctp = (Packet::sctp(a, remote, (40_000, 80), 1), Packet::sctp(remote, a, (80, 40_000), 2));
    let echo = (Packet::echo(a, remote, Echo::Request, 4), Packet::echo(remote, a, Echo::Reply, 4));
    let gre = (Packet::other(a, remote, 47), Packet::other(remote, a, 47));
    for (name, (opens, answers), confirmed, seconds) in [
        ("TCP, no reply yet", (there(SYN), back(SYN | ACK)), false, 300),
        ("UDP, no reply yet", udp.clone(), false, 30),
        ("UDP", udp, true, 120),
        ("SCTP, no reply yet", sctp.clone(), false, 30),
        ("SCTP", sctp, true, 210),
        ("ICMP", echo, true, 30),
        ("GRE", gre, true, 600),
    ] {
        for (older, expected) in [(seconds - 2, true), (seconds + 2, false)] {
            world.rig.forget_flows()?;
            world.of_a(names::WG_EGRESS, &opens, 0)?;
            if confirmed {
                assert!(hit(&world.at(names::WG_INGRESS, &answers)?), "{name}");
            }
            age(&mut world, older)?;
            let out = world.at(names::WG_INGRESS, &answers)?;
            assert!(if expected { hit(&out) } else { missed(&out) }, "{name}, {older} s: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn established_tcp_lives_for_days_and_closing_tcp_for_two_minutes() -> Result<()> {
    let mut world = world()?;
    // Days are longer than this machine has been up, so what counts is the state.
    world.of_a(names::WG_EGRESS, &there(SYN), 0)?;
    assert!(hit(&world.at(names::WG_INGRESS, &back(SYN | ACK))?));
    assert_eq!(only(&mut world)?.1.state, FlowValue::CONFIRMED);
    for ends in [back(FIN | ACK), back(RST)] {
        world.rig.forget_flows()?;
        world.of_a(names::WG_EGRESS, &there(SYN), 0)?;
        assert!(hit(&world.at(names::WG_INGRESS, &ends)?));
        assert_eq!(only(&mut world)?.1.state, FlowValue::CONFIRMED | FlowValue::CLOSING);
        age(&mut world, 118)?;
        assert!(hit(&world.at(names::WG_INGRESS, &back(ACK))?));
        age(&mut world, 122)?;
        assert!(missed(&world.at(names::WG_INGRESS, &back(ACK))?));
    }
    world.rig.forget_flows()?;
    world.of_a(names::WG_EGRESS, &there(SYN), 0)?;
    world.of_a(names::WG_EGRESS, &there(FIN | ACK), 0)?;
    assert_eq!(only(&mut world)?.1.state, FlowValue::CLOSING, "the opener's own");
    world.of_a(names::WG_EGRESS, &there(SYN), 0)?;
    assert_eq!(only(&mut world)?.1.state, 0, "a new connection from the same port");
    Ok(())
}

#[test]
fn any_packet_keeps_a_flow_alive() -> Result<()> {
    let mut world = world()?;
    let (a, remote) = (Who::A.ip(FAMILY), Who::Remote.ip(FAMILY));
    let (there, back) = (Packet::udp(a, remote, (40_000, 53)), Packet::udp(remote, a, (53, 40_000)));
    world.of_a(names::WG_EGRESS, &there, 0)?;
    for _ in 0..3 {
        age(&mut world, 25)?;
        let out = world.of_a(names::WG_EGRESS, &there, 0)?;
        let counted = [Counter::ToPeer, Counter::FlowHit];
        assert!(out.passed(entered(Origin::LocalPod), &counted), "not made anew: {out:?}");
        age(&mut world, 25)?;
        assert!(hit(&world.at(names::WG_INGRESS, &back)?));
    }
    Ok(())
}

#[test]
fn who_did_not_open_a_connection_cannot_open_one_over_it() -> Result<()> {
    let mut world = world()?;
    world.of_a(names::WG_EGRESS, &there(SYN), 0)?;
    for flags in [SYN, SYN | FIN, SYN | RST] {
        assert!(missed(&world.at(names::WG_INGRESS, &back(flags))?), "{flags:#x}");
    }
    assert!(hit(&world.at(names::WG_INGRESS, &back(SYN | ACK))?), "the flow is still there");
    let (a, remote) = (Who::A.ip(FAMILY), Who::Remote.ip(FAMILY));
    world.of_a(names::WG_EGRESS, &Packet::sctp(a, remote, (40_000, 80), 1), 0)?;
    assert!(missed(&world.at(names::WG_INGRESS, &Packet::sctp(remote, a, (80, 40_000), 1))?));
    assert!(hit(&world.at(names::WG_INGRESS, &Packet::sctp(remote, a, (80, 40_000), 2))?));
    world.of_a(names::WG_EGRESS, &Packet::echo(a, remote, Echo::Request, 3), 0)?;
    assert!(missed(&world.at(names::WG_INGRESS, &Packet::echo(remote, a, Echo::Request, 3))?));
    assert!(hit(&world.at(names::WG_INGRESS, &Packet::echo(remote, a, Echo::Reply, 3))?));
    Ok(())
}

#[test]
fn a_full_table_forgets_flows_but_lets_nothing_in() -> Result<()> {
    let capacity = ringfence_integration::testrun::rig::Capacity { flows: 64, ..Default::default() };
    let mut world = World::with(capacity)?;
    (world.a.egress_profile, world.a.ingress_profile) = (1000, 1001);
    world.write()?;
    world.allow(1000, 21, EVERYTHING)?;
    let (a, remote) = (Who::A.ip(FAMILY), Who::Remote.ip(FAMILY));
    for port in 1..2000 {
        let out = world.of_a(names::WG_EGRESS, &Packet::udp(a, remote, (port, 53)), 0)?;
        assert!(out.passed(entered(Origin::LocalPod), &[Counter::ToPeer, Counter::FlowInserted]), "{out:?}");
    }
    let mut known = 0;
    for port in 1..2000 {
        let out = world.at(names::WG_INGRESS, &Packet::udp(remote, a, (53, port)))?;
        known += u32::from(hit(&out));
        assert!(hit(&out) || missed(&out), "{out:?}");
    }
    assert!((1..=64).contains(&known), "{known}");
    Ok(())
}
