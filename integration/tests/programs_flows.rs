//! Flows: how long they live, and how they prove themselves again when policy has moved on.
use anyhow::{Result, bail};
use ringfence_abi::{Counter, EndpointValue, FlowKey, FlowValue, Mark, Origin, Reason, names};
use ringfence_integration::testrun::packet::Echo;
use ringfence_integration::testrun::packet::flags::{ACK, FIN, RST, SYN};
use ringfence_integration::testrun::world::{EVERYTHING, VETH_A, entered};
use ringfence_integration::testrun::{Family, Outcome, Packet, Who, World};

const FAMILY: Family = Family::V4;
const SECOND: u64 = 1_000_000_000;

/// Pod A is isolated both ways and may open anything to the remote pod.
fn world() -> Result<World> {
    let mut world = World::new()?;
    (world.a.egress_profile, world.a.ingress_profile) = (1000, 1001);
    world.write()?;
    world.allow(1000, 21, EVERYTHING)?;
    Ok(world)
}

fn there(flags: u8) -> Packet {
    Packet::tcp(Who::A.ip(FAMILY), Who::Remote.ip(FAMILY), (40_000, 80), flags)
}

fn back(flags: u8) -> Packet {
    Packet::tcp(Who::Remote.ip(FAMILY), Who::A.ip(FAMILY), (80, 40_000), flags)
}

fn hit(out: &Outcome) -> bool {
    out.passed(entered(Origin::Peer).with(Mark::JUDGED), &[Counter::FromPeer, Counter::FlowHit])
}

fn missed(out: &Outcome) -> bool {
    out.dropped(Reason::PolicyIngress, &[Counter::FromPeer])
}

fn revoked(out: &Outcome) -> bool {
    out.dropped(Reason::PolicyIngress, &[Counter::FromPeer, Counter::FlowRevoked])
}

fn only(world: &mut World) -> Result<(FlowKey, FlowValue)> {
    match world.rig.flows()?.as_slice() {
        [flow] => Ok(*flow),
        flows => bail!("not one flow: {flows:?}"),
    }
}

/// Makes the one flow this many seconds older.
fn age(world: &mut World, seconds: u64) -> Result<()> {
    let (key, mut value) = only(world)?;
    value.last_seen = value.last_seen.saturating_sub(seconds * SECOND);
    world.rig.set_flow(key, value)
}

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
fn a_flow_of_an_older_generation_proves_itself_and_goes_on() -> Result<()> {
    let mut world = world()?;
    world.of_a(names::WG_EGRESS, &there(SYN), 0)?;
    world.next_generation()?;
    assert!(hit(&world.at(names::WG_INGRESS, &back(ACK))?));
    assert_eq!(only(&mut world)?.1.generation, world.config.generation);
    world.next_generation()?;
    world.of_a(names::WG_EGRESS, &there(ACK), 0)?;
    assert_eq!(only(&mut world)?.1.generation, world.config.generation, "the opener proves it too");
    Ok(())
}

#[test]
fn a_flow_that_policy_no_longer_allows_is_cut_at_its_next_packet() -> Result<()> {
    for narrowed in [None, Some(81)] {
        let mut world = world()?;
        world.of_a(names::WG_EGRESS, &there(SYN), 0)?;
        assert!(hit(&world.at(names::WG_INGRESS, &back(ACK))?));
        match narrowed {
            None => world.rig.remove_policy(1000, 21)?,
            Some(port) => {
                world.rig.set_ports(3, &[port])?;
                world.allow(1000, 21, ringfence_integration::testrun::world::ports(6, 3))?;
            }
        }
        assert!(hit(&world.at(names::WG_INGRESS, &back(ACK))?), "policy has not moved on yet");
        world.next_generation()?;
        let out = world.at(names::WG_INGRESS, &back(ACK))?;
        assert!(revoked(&out), "{out:?}");
        assert!(world.rig.flows()?.is_empty());
        assert!(missed(&world.at(names::WG_INGRESS, &back(ACK))?), "and stays so");
        let out = world.of_a(names::WG_EGRESS, &there(ACK), 0)?;
        assert!(out.dropped(Reason::PolicyEgress, &[Counter::ToPeer]), "{out:?}");
    }
    Ok(())
}

#[test]
fn a_flow_ends_with_the_pod_that_had_its_address() -> Result<()> {
    type Change = fn(&mut World) -> Result<()>;
    let changes: [Change; 3] = [
        |world| {
            world.a.id += 100;
            world.write()
        },
        |world| {
            world.a.flags = EndpointValue::DENY_ALL;
            world.next_generation()?;
            world.a.flags = 0;
            world.a.id += 100;
            world.next_generation()
        },
        |world| {
            world.rig.remove_endpoint(VETH_A)?;
            // The new pod has another veth.
            let a = EndpointValue { id: 900, ..world.a };
            world.rig.set_endpoint(19, a)?;
            for family in Family::BOTH {
                world.rig.set_address(Who::A.ip(family), ringfence_abi::AddressKind::LocalPod, 11, 19)?;
            }
            Ok(())
        },
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut world = world()?;
        world.of_a(names::WG_EGRESS, &there(SYN), 0)?;
        assert!(hit(&world.at(names::WG_INGRESS, &back(ACK))?));
        change(&mut world)?;
        let out = world.at(names::WG_INGRESS, &back(ACK))?;
        assert!(missed(&out), "{index}: {out:?}");
    }
    Ok(())
}

#[test]
fn a_flow_whose_other_end_was_another_pod_is_not_this_ones() -> Result<()> {
    let mut world = world()?;
    (world.b.egress_profile, world.b.ingress_profile) = (1002, 1003);
    world.write()?;
    world.allow(1000, 12, EVERYTHING)?;
    world.allow(1003, 11, EVERYTHING)?;
    let (a, b) = (Who::A.ip(FAMILY), Who::B.ip(FAMILY));
    let (there, back) = (Packet::udp(a, b, (40_000, 53)), Packet::udp(b, a, (53, 40_000)));
    world.of_a(names::POD_INGRESS, &there, 0)?;
    let out = world.from_b(&back)?;
    let settled = entered(Origin::LocalPod).with(Mark::JUDGED);
    assert!(out.passed(settled, &[Counter::FromPod, Counter::FlowHit]), "{out:?}");
    for (a, b) in [(201, 102), (101, 202)] {
        (world.a.id, world.b.id) = (a, b);
        world.write()?;
        let out = world.from_b(&back)?;
        assert!(out.passed(entered(Origin::LocalPod), &[Counter::FromPod]), "{out:?}");
        let out = world.of_a(names::POD_INGRESS, &there, 0)?;
        let counted = [Counter::ToPod, Counter::FlowInserted];
        assert!(out.passed(entered(Origin::LocalPod), &counted), "made anew for them: {out:?}");
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
