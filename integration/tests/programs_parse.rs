//! Parsing: headers between IP and transport, what is too short, and what cannot be told.
use anyhow::Result;
use ringfence_abi::{Counter, Mark, Origin, PolicyValue, Reason, names};
use ringfence_integration::testrun::packet::Extension::{Authentication, Destination, HopByHop, Routing};
use ringfence_integration::testrun::packet::{Echo, Extension, flags::SYN, protocol};
use ringfence_integration::testrun::world::{EVERYTHING, VETH_A, entered, ports};
use ringfence_integration::testrun::{Context, Family, Outcome, Packet, Who, World};

const EGRESS: u32 = 1000;

/// Pod A may reach port 443 of the near outside by TCP, and nothing else.
fn one_port() -> Result<World> {
    let mut world = World::new()?;
    world.a.egress_profile = EGRESS;
    world.write()?;
    world.rig.set_ports(2, &[443])?;
    world.allow(EGRESS, 70, ports(protocol::TCP, 2))?;
    Ok(world)
}

fn everything() -> Result<World> {
    let mut world = one_port()?;
    world.allow(EGRESS, 70, EVERYTHING)?;
    Ok(world)
}

fn syn(family: Family, port: u16) -> Packet {
    Packet::tcp(Who::A.ip(family), Who::Near.ip(family), (40_000, port), SYN)
}

fn allowed(out: &Outcome) -> bool {
    out.passed(entered(Origin::LocalPod).with(Mark::EGRESS_JUDGED), &[Counter::FromPod])
}

fn dropped(out: &Outcome, reason: Reason) -> bool {
    out.dropped(reason, &[Counter::FromPod])
}

#[test]
fn ipv4_options_are_stepped_over() -> Result<()> {
    let mut world = one_port()?;
    for options in [4, 12, 40] {
        let out = world.from_a(&syn(Family::V4, 443).options(options))?;
        assert!(allowed(&out), "{options}: {out:?}");
        let out = world.from_a(&syn(Family::V4, 80).options(options))?;
        assert!(dropped(&out, Reason::PolicyEgress), "{options}: {out:?}");
    }
    Ok(())
}

#[test]
fn ipv6_extension_headers_are_walked_to_the_ports() -> Result<()> {
    let mut world = one_port()?;
    let chains: [&[Extension]; 6] = [
        &[HopByHop],
        &[Destination],
        &[Routing(0)],
        &[Authentication],
        &[HopByHop, Destination, Routing(0), Destination, Authentication],
        &[Destination; 8],
    ];
    for chain in chains {
        let out = world.from_a(&syn(Family::V6, 443).extensions(chain))?;
        assert!(allowed(&out), "{chain:?}: {out:?}");
        let out = world.from_a(&syn(Family::V6, 80).extensions(chain))?;
        assert!(dropped(&out, Reason::PolicyEgress), "{chain:?}: {out:?}");
    }
    Ok(())
}

#[test]
fn a_chain_too_long_or_a_source_route_is_unparseable() -> Result<()> {
    let chains: [&[Extension]; 4] =
        [&[Destination; 9], &[HopByHop; 12], &[Routing(1)], &[HopByHop, Routing(2)]];
    let (mut strict, mut lax, mut free) = (one_port()?, everything()?, World::new()?);
    for chain in chains {
        let packet = syn(Family::V6, 443).extensions(chain);
        let out = strict.from_a(&packet)?;
        assert!(dropped(&out, Reason::Malformed), "{chain:?}: {out:?}");
        let out = lax.from_a(&packet)?;
        assert!(allowed(&out), "{chain:?}: {out:?}");
        let out = free.from_a(&packet)?;
        assert!(out.passed(entered(Origin::FreePod), &[Counter::FromPod]), "{chain:?}: {out:?}");
    }
    Ok(())
}

#[test]
fn a_transport_header_cut_short_drops_only_where_the_pod_is_isolated() -> Result<()> {
    let (mut strict, mut lax, mut free) = (one_port()?, everything()?, World::new()?);
    for family in Family::BOTH {
        let (a, near) = (Who::A.ip(family), Who::Near.ip(family));
        for (packet, enough) in [
            (syn(family, 443), 14),
            (Packet::udp(a, near, (1, 443)), 8),
            (Packet::sctp(a, near, (1, 443), 1), 8),
            (Packet::echo(a, near, Echo::Request, 1), 8),
        ] {
            for bytes in [0, 3, 4, 7, enough - 1] {
                let cut = packet.clone().cut(bytes);
                let out = strict.from_a(&cut)?;
                assert!(dropped(&out, Reason::Malformed), "{bytes} of {packet:?}: {out:?}");
                let out = free.from_a(&cut)?;
                assert!(out.passed(entered(Origin::FreePod), &[Counter::FromPod]), "{bytes}: {out:?}");
            }
            let out = lax.from_a(&packet.clone().cut(enough))?;
            assert!(allowed(&out), "{packet:?}: {out:?}");
        }
        // The first byte that says which flags there are not.
        let out = strict.from_a(&syn(family, 443).cut(14))?;
        assert!(allowed(&out), "{out:?}");
    }
    Ok(())
}

#[test]
fn what_cannot_be_parsed_passes_only_where_every_protocol_is_allowed() -> Result<()> {
    let mut world = one_port()?;
    for value in [
        PolicyValue { tcp: 1, udp: 1, sctp: 1, other: 0 },
        PolicyValue { tcp: 1, udp: 1, sctp: 0, other: 1 },
        PolicyValue { tcp: 1, udp: 2, sctp: 1, other: 1 },
        PolicyValue { tcp: 0, udp: 1, sctp: 1, other: 1 },
    ] {
        world.allow(EGRESS, 70, value)?;
        for family in Family::BOTH {
            let out = world.from_a(&syn(family, 443).cut(3))?;
            assert!(dropped(&out, Reason::Malformed), "{value:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn an_ip_length_that_lies_makes_the_transport_unparseable() -> Result<()> {
    let mut world = one_port()?;
    for family in Family::BOTH {
        let header = if family == Family::V4 { 20 } else { 0 };
        for length in [header + 3, header + 7, 9000] {
            let mut packet = Packet::udp(Who::A.ip(family), Who::Near.ip(family), (1, 443));
            packet.length = Some(length);
            let out = world.from_a(&packet)?;
            // A length beyond the end is the stack's to refuse, which it does; ports that are there are judged.
            let expected = if length == 9000 { Reason::PolicyEgress } else { Reason::Malformed };
            assert!(dropped(&out, expected), "{family:?} {length}: {out:?}");
        }
        let mut packet = Packet::echo(Who::A.ip(family), Who::Near.ip(family), Echo::Request, 1);
        packet.length = Some(9000);
        let out = world.from_a(&packet)?;
        assert!(dropped(&out, Reason::Malformed), "{family:?}: {out:?}");
    }
    Ok(())
}

#[test]
fn a_length_of_zero_is_a_segment_the_kernel_has_yet_to_cut() -> Result<()> {
    let mut world = one_port()?;
    for family in Family::BOTH {
        let mut packet = syn(family, 443);
        packet.length = Some(0);
        let out = world.from_a(&packet)?;
        assert!(allowed(&out), "{family:?}: {out:?}");
        let mut packet = syn(family, 80);
        packet.length = Some(0);
        let out = world.from_a(&packet)?;
        assert!(dropped(&out, Reason::PolicyEgress), "{family:?}: {out:?}");
    }
    Ok(())
}

#[test]
fn addresses_that_cannot_be_read_drop_the_packet_of_any_pod() -> Result<()> {
    let at = Context { ifindex: VETH_A, ingress_ifindex: VETH_A, mark: 0 };
    let mut world = World::new()?;
    for family in Family::BOTH {
        // Shorter than a header cannot be tried: the kernel makes no such packet for a test run.
        let mut other = syn(family, 443).frame();
        other[14] = 0x55;
        let out = world.rig.run(names::POD_EGRESS, &other, at)?;
        assert!(dropped(&out, Reason::Malformed), "{family:?}: {out:?}");
    }
    Ok(())
}

#[test]
fn an_ipv6_packet_cannot_bear_an_ipv4_pods_address() -> Result<()> {
    let mut world = World::new()?;
    let mapped = "::ffff:10.1.0.11".parse()?;
    for packet in [
        Packet::udp(mapped, Who::Far.ip(Family::V6), (1, 2)),
        Packet::udp(Who::A.ip(Family::V6), "::ffff:10.2.0.21".parse()?, (1, 2)),
    ] {
        let out = world.from_a(&packet)?;
        assert!(dropped(&out, Reason::Malformed), "{packet:?}: {out:?}");
    }
    let out = world
        .at(names::WG_INGRESS, &Packet::udp("::ffff:10.2.0.21".parse()?, Who::A.ip(Family::V6), (1, 2)))?;
    assert!(out.dropped(Reason::Malformed, &[Counter::FromPeer]), "{out:?}");
    Ok(())
}

#[test]
fn ipv4_header_lengths_below_the_least_are_unparseable() -> Result<()> {
    let at = Context { ifindex: VETH_A, ingress_ifindex: VETH_A, mark: 0 };
    let mut world = one_port()?;
    for ihl in 0..5 {
        let mut frame = syn(Family::V4, 443).frame();
        frame[14] = 0x40 | ihl;
        let out = world.rig.run(names::POD_EGRESS, &frame, at)?;
        assert!(dropped(&out, Reason::Malformed), "{ihl}: {out:?}");
    }
    Ok(())
}
