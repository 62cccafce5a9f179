//! TCP without its flow: taken up again in mid-stream where the pods' ports say who opened it, and only there.
use anyhow::Result;
use ringfence_abi::{Counter, Mark, Origin, Reason, names};
use ringfence_integration::testrun::packet::flags::{ACK, FIN, RST, SYN};
use ringfence_integration::testrun::world::{EVERYTHING, VETH_A, VETH_B, entered};
use ringfence_integration::testrun::{Family, Outcome, Packet, Verdict, Who, World};

fn tcp(from: Who, to: Who, family: Family, ports: (u16, u16), flags: u8) -> Packet {
    Packet::tcp(from.ip(family), to.ip(family), ports, flags)
}

fn resumed(out: &Outcome) -> bool {
    out.passed_by(Counter::FlowResumed)
}

/// Pod A, isolated for ingress, with a connection to the remote pod of which the flow has been lost.
fn client() -> Result<World> {
    let mut world = World::new()?;
    world.a.ingress_profile = 1001;
    world.write()?;
    for family in Family::BOTH {
        world.from_a(&tcp(Who::A, Who::Remote, family, (40_000, 80), SYN))?;
        world.of_a(names::WG_EGRESS, &tcp(Who::A, Who::Remote, family, (40_000, 80), SYN), 0)?;
    }
    world.rig.forget_flows()?;
    Ok(world)
}

#[test]
fn a_pod_notes_from_which_ports_it_opens_and_at_which_it_accepts() -> Result<()> {
    let mut world = World::new()?;
    let (a, far) = (Who::A.ip(Family::V4), Who::Far.ip(Family::V4));
    world.from_a(&Packet::tcp(a, far, (40_000, 80), SYN))?;
    world.from_a(&Packet::tcp(a, far, (8080, 50_000), SYN | ACK))?;
    world.from_a(&Packet::sctp(a, far, (40_001, 80), 1))?;
    world.from_a(&Packet::sctp(a, far, (8081, 50_000), 2))?;
    for other in [ACK, RST, FIN | ACK] {
        world.from_a(&Packet::tcp(a, far, (41_000, 80), other))?;
    }
    world.from_a(&Packet::udp(a, far, (41_001, 53)))?;
    // Spoofed: not its own.
    world.from_a(&Packet::tcp(Who::B.ip(Family::V4), far, (41_002, 80), SYN))?;
    for (port, roles) in [
        (40_000, (true, false)),
        (8080, (false, true)),
        (40_001, (true, false)),
        (8081, (false, true)),
        (41_000, (false, false)),
        (41_001, (false, false)),
        (41_002, (false, false)),
        (39_999, (false, false)),
    ] {
        assert_eq!(world.rig.roles(VETH_A, port)?, roles, "{port}");
    }
    assert!(world.rig.roles(VETH_B, 41_002).is_err(), "pod B has sent nothing");
    Ok(())
}

#[test]
fn the_servers_segments_go_on_to_a_client_whose_flow_was_evicted() -> Result<()> {
    let mut world = client()?;
    for family in Family::BOTH {
        for flags in [ACK, ACK | FIN, RST, RST | ACK] {
            let out = world.at(names::WG_INGRESS, &tcp(Who::Remote, Who::A, family, (80, 40_000), flags))?;
            let counted = [Counter::FromPeer, Counter::FlowResumed];
            assert!(out.passed(entered(Origin::Peer).with(Mark::JUDGED), &counted), "{flags:#x}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn nothing_but_tcp_in_mid_stream_at_a_port_it_opened_from_is_taken_up() -> Result<()> {
    let mut world = client()?;
    for family in Family::BOTH {
        let (remote, a) = (Who::Remote.ip(family), Who::A.ip(family));
        for packet in [
            Packet::tcp(remote, a, (80, 40_000), SYN),
            Packet::tcp(remote, a, (80, 40_000), SYN | ACK),
            Packet::tcp(remote, a, (80, 40_001), ACK),
            Packet::udp(remote, a, (80, 40_000)),
            Packet::sctp(remote, a, (80, 40_000), 0),
            Packet::tcp(remote, a, (80, 40_000), ACK).cut(13),
        ] {
            let out = world.at(names::WG_INGRESS, &packet)?;
            assert_eq!(out.verdict, Verdict::Drop, "{packet:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn the_clients_own_segment_makes_the_flow_again() -> Result<()> {
    let mut world = client()?;
    for family in Family::BOTH {
        let out = world.of_a(names::WG_EGRESS, &tcp(Who::A, Who::Remote, family, (40_000, 80), ACK), 0)?;
        assert!(out.passed(entered(Origin::LocalPod), &[Counter::ToPeer, Counter::FlowInserted]), "{out:?}");
        let out = world.at(names::WG_INGRESS, &tcp(Who::Remote, Who::A, family, (80, 40_000), ACK))?;
        let counted = [Counter::FromPeer, Counter::FlowHit];
        assert!(out.passed(entered(Origin::Peer).with(Mark::JUDGED), &counted), "{out:?}");
    }
    Ok(())
}

#[test]
fn a_connection_that_policy_no_longer_lets_it_open_is_not_taken_up() -> Result<()> {
    let mut world = client()?;
    world.a.egress_profile = 1000;
    world.write()?;
    for family in Family::BOTH {
        let segment = tcp(Who::Remote, Who::A, family, (80, 40_000), ACK);
        let out = world.at(names::WG_INGRESS, &segment)?;
        assert!(out.dropped(Reason::PolicyIngress, &[Counter::FromPeer]), "{out:?}");
        world.allow(1000, 21, EVERYTHING)?;
        assert!(resumed(&world.at(names::WG_INGRESS, &segment)?));
        world.rig.remove_policy(1000, 21)?;
    }
    Ok(())
}

#[test]
fn a_servers_port_is_never_taken_for_a_clients() -> Result<()> {
    let mut world = World::new()?;
    world.b.ingress_profile = 1003;
    world.write()?;
    for family in Family::BOTH {
        // The connection was allowed and accepted; now it is not allowed any more, though B may open to anyone.
        world.from_b(&tcp(Who::B, Who::Remote, family, (80, 40_000), SYN | ACK))?;
        for flags in [ACK, ACK | FIN] {
            let out = world.at(names::WG_INGRESS, &tcp(Who::Remote, Who::B, family, (40_000, 80), flags))?;
            assert!(out.dropped(Reason::PolicyIngress, &[Counter::FromPeer]), "{out:?}");
            let answer = tcp(Who::B, Who::Remote, family, (80, 40_000), flags);
            let out = world.of_b(names::WG_EGRESS, &answer, 0)?;
            assert!(
                out.passed(entered(Origin::LocalPod), &[Counter::ToPeer]),
                "its answer opens nothing: {out:?}"
            );
        }
        // Even if it opens something from that port as well.
        world.from_b(&tcp(Who::B, Who::Remote, family, (80, 40_001), SYN))?;
        let out = world.at(names::WG_INGRESS, &tcp(Who::Remote, Who::B, family, (40_000, 80), ACK))?;
        assert!(out.dropped(Reason::PolicyIngress, &[Counter::FromPeer]), "{out:?}");
    }
    Ok(())
}

#[test]
fn an_egress_isolated_server_goes_on_answering_and_a_cut_off_client_does_not() -> Result<()> {
    for isolated in [true, false] {
        let mut world = World::new()?;
        world.b.egress_profile = 1002;
        world.b.ingress_profile = if isolated { 1003 } else { 0 };
        world.write()?;
        world.allow(1003, 21, EVERYTHING)?;
        for family in Family::BOTH {
            // It answers at 80, and has opened from 40_000.
            world.from_b(&tcp(Who::B, Who::Remote, family, (80, 40_000), SYN | ACK))?;
            world.from_b(&tcp(Who::B, Who::Remote, family, (40_000, 80), SYN))?;
            let out = world.from_b(&tcp(Who::B, Who::Remote, family, (80, 40_000), ACK))?;
            assert!(resumed(&out) && out.bits().0 & Mark::JUDGED == Mark::JUDGED, "{out:?}");
            let out = world.from_b(&tcp(Who::B, Who::Remote, family, (40_000, 80), ACK))?;
            assert!(
                out.passed(entered(Origin::LocalPod), &[Counter::FromPod]),
                "left for wg_egress: {out:?}"
            );
            let cut = tcp(Who::B, Who::Remote, family, (40_000, 80), ACK);
            let out = world.of_b(names::WG_EGRESS, &cut, 0)?;
            assert!(out.dropped(Reason::PolicyEgress, &[Counter::ToPeer]), "{out:?}");
            if isolated {
                let stranger = tcp(Who::B, Who::OtherRemote, family, (80, 40_000), ACK);
                let out = world.of_b(names::WG_EGRESS, &stranger, 0)?;
                assert!(out.dropped(Reason::PolicyEgress, &[Counter::ToPeer]), "may not open to it: {out:?}");
            }
        }
    }
    Ok(())
}
