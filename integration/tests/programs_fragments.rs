//! Fragments follow their first.
use anyhow::Result;
use ringfence_abi::{Counter, Mark, Origin, Reason, names};
use ringfence_integration::testrun::packet::{Echo, Extension, flags::SYN, protocol};
use ringfence_integration::testrun::rig::Capacity;
use ringfence_integration::testrun::world::{EVERYTHING, entered, ports};
use ringfence_integration::testrun::{Family, Packet, Verdict, Who, World};

const INGRESS: u32 = 1003;
const JUDGED: Mark = Mark(Origin::Peer as u32 | Mark::INGRESS_JUDGED);

/// Pod B takes UDP 53 from the remote pod and nothing else.
fn world() -> Result<World> {
    let mut world = World::new()?;
    world.b.ingress_profile = INGRESS;
    world.write()?;
    world.rig.set_ports(2, &[53])?;
    world.allow(INGRESS, 21, ports(protocol::UDP, 2))?;
    Ok(world)
}

fn dns(family: Family) -> Packet {
    Packet::udp(Who::Remote.ip(family), Who::B.ip(family), (40_000, 53))
}

#[test]
fn later_fragments_have_the_ports_of_the_first() -> Result<()> {
    let mut world = world()?;
    for family in Family::BOTH {
        let first = world.at(names::WG_INGRESS, &dns(family).first_fragment(77))?;
        assert!(first.passed(JUDGED, &[Counter::FromPeer]), "{first:?}");
        for offset in [1, 185, 8000] {
            let out = world.at(names::WG_INGRESS, &dns(family).later_fragment(77, offset))?;
            assert!(out.passed(JUDGED, &[Counter::FromPeer, Counter::FragmentFollowed]), "{out:?}");
        }
    }
    Ok(())
}

#[test]
fn a_later_fragment_whose_first_is_not_known_is_dropped() -> Result<()> {
    let mut world = world()?;
    for family in Family::BOTH {
        world.at(names::WG_INGRESS, &dns(family).first_fragment(77))?;
        let other_id = dns(family).later_fragment(78, 185);
        let mut other_protocol = dns(family).later_fragment(77, 185);
        other_protocol.protocol = protocol::TCP;
        let mut other_source = dns(family).later_fragment(77, 185);
        other_source.src = Who::OtherRemote.ip(family);
        for packet in [other_id, other_protocol, other_source] {
            let out = world.at(names::WG_INGRESS, &packet)?;
            assert!(out.dropped(Reason::FragmentUnknown, &[Counter::FromPeer]), "{packet:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn fragments_of_what_policy_refuses_are_refused_all() -> Result<()> {
    let mut world = world()?;
    for family in Family::BOTH {
        let ntp = Packet::udp(Who::Remote.ip(family), Who::B.ip(family), (40_000, 123));
        let out = world.at(names::WG_INGRESS, &ntp.clone().first_fragment(9))?;
        assert!(out.dropped(Reason::PolicyIngress, &[Counter::FromPeer]), "{out:?}");
        let out = world.at(names::WG_INGRESS, &ntp.later_fragment(9, 185))?;
        assert!(
            out.dropped(Reason::PolicyIngress, &[Counter::FromPeer, Counter::FragmentFollowed]),
            "{out:?}"
        );
    }
    Ok(())
}

#[test]
fn a_free_pod_gets_any_fragment() -> Result<()> {
    let mut world = world()?;
    world.b.ingress_profile = 0;
    world.write()?;
    for family in Family::BOTH {
        let out = world.at(names::WG_INGRESS, &dns(family).later_fragment(5, 185))?;
        assert!(out.passed(JUDGED, &[Counter::FromPeer]), "{out:?}");
    }
    Ok(())
}

#[test]
fn where_every_port_of_the_protocol_is_allowed_no_first_is_needed() -> Result<()> {
    let mut world = world()?;
    world.allow(INGRESS, 21, ports(protocol::UDP, 1))?;
    for family in Family::BOTH {
        let out = world.at(names::WG_INGRESS, &dns(family).later_fragment(5, 185))?;
        assert!(out.passed(JUDGED, &[Counter::FromPeer]), "{out:?}");
        let mut tcp = dns(family).later_fragment(5, 185);
        tcp.protocol = protocol::TCP;
        let out = world.at(names::WG_INGRESS, &tcp)?;
        assert!(out.dropped(Reason::FragmentUnknown, &[Counter::FromPeer]), "{out:?}");
    }
    Ok(())
}

#[test]
fn a_first_fragment_must_contain_what_it_is_judged_by() -> Result<()> {
    let mut world = world()?;
    for family in Family::BOTH {
        let out = world.at(names::WG_INGRESS, &dns(family).first_fragment(3).cut(4))?;
        assert!(out.dropped(Reason::Malformed, &[Counter::FromPeer]), "{out:?}");
        let out = world.at(names::WG_INGRESS, &dns(family).later_fragment(3, 1))?;
        assert!(out.dropped(Reason::FragmentUnknown, &[Counter::FromPeer]), "{out:?}");
    }
    Ok(())
}

#[test]
fn a_fragment_that_would_overwrite_tcp_flags_is_malformed() -> Result<()> {
    let mut world = world()?;
    world.rig.set_ports(3, &[80])?;
    world.allow(INGRESS, 21, ports(protocol::TCP, 3))?;
    for family in Family::BOTH {
        let tcp = Packet::tcp(Who::Remote.ip(family), Who::B.ip(family), (40_000, 80), SYN);
        let out = world.at(names::WG_INGRESS, &tcp.clone().first_fragment(3))?;
        assert_eq!(out.verdict, Verdict::Pass, "{out:?}");
        for offset in [1, 2] {
            let out = world.at(names::WG_INGRESS, &tcp.clone().later_fragment(3, offset))?;
            assert!(out.dropped(Reason::Malformed, &[Counter::FromPeer]), "{offset}: {out:?}");
        }
        let out = world.at(names::WG_INGRESS, &tcp.later_fragment(3, 3))?;
        assert!(out.passed(JUDGED, &[Counter::FromPeer, Counter::FragmentFollowed]), "{out:?}");
    }
    Ok(())
}

#[test]
fn every_hook_remembers_for_itself() -> Result<()> {
    let mut world = World::new()?;
    world.a.egress_profile = 1000;
    world.write()?;
    world.rig.set_ports(2, &[53])?;
    world.allow(1000, 70, ports(protocol::UDP, 2))?;
    for family in Family::BOTH {
        let packet = Packet::udp(Who::A.ip(family), Who::Near.ip(family), (40_000, 53));
        let out = world.of_a(names::UNDERLAY_EGRESS, &packet.clone().first_fragment(1), 0)?;
        assert_eq!(out.verdict, Verdict::Pass, "{out:?}");
        let out = world.from_a(&packet.clone().later_fragment(1, 185))?;
        assert!(out.dropped(Reason::FragmentUnknown, &[Counter::FromPod]), "{out:?}");
        let out = world.of_a(names::UNDERLAY_EGRESS, &packet.later_fragment(1, 185), 0)?;
        assert_eq!(out.verdict, Verdict::Pass, "{out:?}");
    }
    Ok(())
}

#[test]
fn headers_behind_the_fragment_header_hide_the_protocol_until_the_first_is_known() -> Result<()> {
    let mut world = world()?;
    let mut packet = dns(Family::V6);
    packet.inner_extensions = vec![Extension::Destination];
    let out = world.at(names::WG_INGRESS, &packet.clone().later_fragment(1, 185))?;
    assert!(out.dropped(Reason::FragmentUnknown, &[Counter::FromPeer]), "{out:?}");
    let out = world.at(names::WG_INGRESS, &packet.clone().first_fragment(1))?;
    assert!(out.passed(JUDGED, &[Counter::FromPeer]), "{out:?}");
    let out = world.at(names::WG_INGRESS, &packet.clone().later_fragment(1, 185))?;
    assert!(out.passed(JUDGED, &[Counter::FromPeer, Counter::FragmentFollowed]), "{out:?}");
    // Hidden, and only UDP allowed as a whole: it could be anything.
    world.allow(INGRESS, 21, ports(protocol::UDP, 1))?;
    let out = world.at(names::WG_INGRESS, &packet.clone().later_fragment(2, 185))?;
    assert!(out.dropped(Reason::FragmentUnknown, &[Counter::FromPeer]), "{out:?}");
    world.allow(INGRESS, 21, EVERYTHING)?;
    let out = world.at(names::WG_INGRESS, &packet.later_fragment(2, 185))?;
    assert!(out.passed(JUDGED, &[Counter::FromPeer]), "{out:?}");
    Ok(())
}

#[test]
fn an_atomic_fragment_is_a_whole_packet() -> Result<()> {
    let mut world = world()?;
    let mut packet = dns(Family::V6).first_fragment(1);
    packet.fragment =
        packet.fragment.map(|of| ringfence_integration::testrun::packet::Fragment { more: false, ..of });
    let out = world.at(names::WG_INGRESS, &packet)?;
    assert!(out.passed(JUDGED, &[Counter::FromPeer]), "{out:?}");
    let out = world.at(names::WG_INGRESS, &dns(Family::V6).later_fragment(1, 185))?;
    assert!(out.dropped(Reason::FragmentUnknown, &[Counter::FromPeer]), "it has no others: {out:?}");
    Ok(())
}

#[test]
fn fragments_of_a_reply_follow_its_flow() -> Result<()> {
    let mut world = World::new()?;
    (world.a.ingress_profile, world.a.egress_profile) = (1001, 1000);
    world.write()?;
    world.allow(1000, 21, EVERYTHING)?;
    for family in Family::BOTH {
        let (a, remote) = (Who::A.ip(family), Who::Remote.ip(family));
        for (there, back) in [
            (Packet::udp(a, remote, (40_000, 53)), Packet::udp(remote, a, (53, 40_000))),
            (Packet::echo(a, remote, Echo::Request, 7), Packet::echo(remote, a, Echo::Reply, 7)),
        ] {
            world.of_a(names::WG_EGRESS, &there, 0)?;
            let out = world.at(names::WG_INGRESS, &back.clone().first_fragment(1))?;
            let mark = entered(Origin::Peer).with(Mark::JUDGED);
            assert!(out.passed(mark, &[Counter::FromPeer, Counter::FlowHit]), "{out:?}");
            let out = world.at(names::WG_INGRESS, &back.later_fragment(1, 185))?;
            let counted = [Counter::FromPeer, Counter::FragmentFollowed, Counter::FlowHit];
            assert!(out.passed(mark, &counted), "{out:?}");
        }
    }
    Ok(())
}

#[test]
fn whoever_floods_with_fragments_forgets_his_own_only() -> Result<()> {
    let mut world = world()?;
    world.allow(INGRESS, 22, ports(protocol::UDP, 2))?;
    for family in Family::BOTH {
        let out = world.at(names::WG_INGRESS, &dns(family).first_fragment(77))?;
        assert!(out.passed(JUDGED, &[Counter::FromPeer]), "{out:?}");
        let flood = Packet::udp(Who::OtherRemote.ip(family), Who::B.ip(family), (40_000, 53));
        // Four times what the table holds.
        for id in 0..1024 {
            world.at(names::WG_INGRESS, &flood.clone().first_fragment(id))?;
        }
        let out = world.at(names::WG_INGRESS, &dns(family).later_fragment(77, 185))?;
        assert!(out.passed(JUDGED, &[Counter::FromPeer, Counter::FragmentFollowed]), "{out:?}");
        let out = world.at(names::WG_INGRESS, &flood.later_fragment(0, 185))?;
        assert!(out.dropped(Reason::FragmentUnknown, &[Counter::FromPeer]), "{out:?}");
    }
    Ok(())
}

#[test]
fn sources_off_the_underlay_share_their_places_for_there_anybody_may_claim_any() -> Result<()> {
    let mut world = World::with(Capacity { fragments: 8192, ..Capacity::default() })?;
    world.b.ingress_profile = INGRESS;
    world.write()?;
    let mut shared = 0;
    for number in 0..4096u32 {
        let source = std::net::Ipv4Addr::from(u32::from_be_bytes([198, 51, 0, 0]) + number);
        let packet = Packet::udp(source.into(), Who::B.ip(Family::V4), (40_000, 53));
        world.at(names::UNDERLAY_INGRESS, &packet.first_fragment(5))?;
        shared = world.rig.fragments()?;
        if shared == 1024 {
            break;
        }
        assert!(shared < 1024, "{shared} places after {number} sources");
    }
    assert!(shared > 512, "only {shared} places are used");
    Ok(())
}
