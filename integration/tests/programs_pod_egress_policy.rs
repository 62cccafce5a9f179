//! `pod_egress`: egress policy towards the outside and towards Services; all else is left to the hooks behind NAT.
use anyhow::Result;
use ringfence_abi::{Counter, Mark, Origin, PolicyValue, Reason};
use ringfence_integration::testrun::packet::{Echo, flags::SYN, protocol};
use ringfence_integration::testrun::world::{EVERYTHING, entered, ports};
use ringfence_integration::testrun::{Family, Outcome, Packet, Who, World};

const FROM_POD: &[Counter] = &[Counter::FromPod];
const EGRESS: u32 = 1000;

fn isolated() -> Result<World> {
    let mut world = World::new()?;
    world.a.egress_profile = EGRESS;
    world.write()?;
    Ok(world)
}

fn left(out: &Outcome) -> bool {
    out.passed(entered(Origin::LocalPod), FROM_POD)
}

fn judged(out: &Outcome) -> bool {
    out.passed(entered(Origin::LocalPod).with(Mark::EGRESS_JUDGED), FROM_POD)
}

fn refused(out: &Outcome) -> bool {
    out.dropped(Reason::PolicyEgress, FROM_POD)
}

#[test]
fn what_goes_to_pods_and_nodes_is_left_to_the_hooks_behind_nat() -> Result<()> {
    let mut world = isolated()?;
    for family in Family::BOTH {
        for to in [
            Who::B,
            Who::Remote,
            Who::UnknownRemote,
            Who::RemoteNode,
            Who::RemoteGateway,
            Who::Node,
            Who::Gateway,
            Who::A,
        ] {
            let out = world.from_a(&Packet::tcp(Who::A.ip(family), to.ip(family), (40_000, 80), SYN))?;
            assert!(left(&out), "{family:?} {to:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn the_outside_is_judged_here_by_class_protocol_and_port() -> Result<()> {
    let mut world = isolated()?;
    world.rig.set_ports(2, &[0, 53, 443, 65_535])?;
    world.allow(EGRESS, 70, PolicyValue { tcp: 2, udp: PolicyValue::ALL, ..PolicyValue::default() })?;
    for family in Family::BOTH {
        let (a, near, far) = (Who::A.ip(family), Who::Near.ip(family), Who::Far.ip(family));
        for port in [0, 53, 443, 65_535] {
            let out = world.from_a(&Packet::tcp(a, near, (40_000, port), SYN))?;
            assert!(judged(&out), "{port}: {out:?}");
            let out = world.from_a(&Packet::tcp(a, far, (40_000, port), SYN))?;
            assert!(refused(&out), "another class, {port}: {out:?}");
        }
        for port in [1, 52, 54, 442, 444, 0x3501, 65_534] {
            let out = world.from_a(&Packet::tcp(a, near, (443, port), SYN))?;
            assert!(refused(&out), "{port}: {out:?}");
            let out = world.from_a(&Packet::udp(a, near, (40_000, port)))?;
            assert!(judged(&out), "{port}: {out:?}");
        }
        for packet in [
            Packet::sctp(a, near, (40_000, 443), 1),
            Packet::echo(a, near, Echo::Request, 9),
            Packet::other(a, near, protocol::GRE),
        ] {
            let out = world.from_a(&packet)?;
            assert!(refused(&out), "{packet:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn a_rule_without_ports_covers_every_protocol_and_one_for_sctp_only_sctp() -> Result<()> {
    let mut world = isolated()?;
    world.rig.set_ports(2, &[443])?;
    world.allow(EGRESS, 70, EVERYTHING)?;
    world.allow(EGRESS, 71, ports(protocol::SCTP, 2))?;
    for family in Family::BOTH {
        let a = Who::A.ip(family);
        for (to, only_sctp) in [(Who::Near.ip(family), false), (Who::Far.ip(family), true)] {
            let sctp = world.from_a(&Packet::sctp(a, to, (40_000, 443), 1))?;
            assert!(judged(&sctp), "{sctp:?}");
            for packet in [
                Packet::tcp(a, to, (40_000, 443), SYN),
                Packet::udp(a, to, (40_000, 443)),
                Packet::echo(a, to, Echo::Request, 443),
                Packet::other(a, to, protocol::GRE),
                Packet::other(a, to, 0xfd),
            ] {
                let out = world.from_a(&packet)?;
                assert!(if only_sctp { refused(&out) } else { judged(&out) }, "{packet:?}: {out:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_services_address_is_left_to_the_hooks_that_see_its_backends() -> Result<()> {
    let mut world = isolated()?;
    for family in Family::BOTH {
        let a = Who::A.ip(family);
        for port in [80, 81] {
            let out = world.from_a(&Packet::tcp(a, Who::ClusterIp.ip(family), (40_000, port), SYN))?;
            assert!(left(&out), "port {port}: {out:?}");
        }
        let out = world.from_a(&Packet::echo(a, Who::ClusterIp.ip(family), Echo::Request, 1))?;
        assert!(left(&out), "{out:?}");
    }
    Ok(())
}

#[test]
fn a_service_with_backends_that_are_no_pods_needs_all_of_them_allowed() -> Result<()> {
    let mut world = isolated()?;
    for family in Family::BOTH {
        let packet = Packet::tcp(Who::A.ip(family), Who::ApiServer.ip(family), (40_000, 443), SYN);
        let out = world.from_a(&packet)?;
        assert!(refused(&out), "{family:?}: {out:?}");
    }
    world.allow(EGRESS, 80, EVERYTHING)?;
    for family in Family::BOTH {
        let packet = Packet::tcp(Who::A.ip(family), Who::ApiServer.ip(family), (40_000, 443), SYN);
        let out = world.from_a(&packet)?;
        assert!(left(&out), "{family:?}: {out:?}");
    }
    Ok(())
}

#[test]
fn a_node_port_of_this_node_needs_its_non_pod_backends_allowed_and_the_node_itself_nothing() -> Result<()> {
    let mut world = isolated()?;
    for family in Family::BOTH {
        let (a, node) = (Who::A.ip(family), Who::Node.ip(family));
        world.rig.set_service(node, 30_080, 6, 81)?;
        world.rig.set_service(node, 30_081, 6, 0)?;
        for (port, passes) in [(30_080, false), (30_081, true), (22, true)] {
            let out = world.from_a(&Packet::tcp(a, node, (40_000, port), SYN))?;
            assert!(if passes { left(&out) } else { refused(&out) }, "{port}: {out:?}");
        }
    }
    world.allow(EGRESS, 81, EVERYTHING)?;
    for family in Family::BOTH {
        let out =
            world.from_a(&Packet::tcp(Who::A.ip(family), Who::Node.ip(family), (40_000, 30_080), SYN))?;
        assert!(left(&out), "{out:?}");
    }
    Ok(())
}

#[test]
fn an_external_ip_of_a_service_is_not_judged_as_the_outside() -> Result<()> {
    let mut world = isolated()?;
    for family in Family::BOTH {
        let (a, far) = (Who::A.ip(family), Who::Far.ip(family));
        world.rig.set_service(far, 80, 6, 0)?;
        let out = world.from_a(&Packet::tcp(a, far, (40_000, 80), SYN))?;
        assert!(left(&out), "{out:?}");
        let out = world.from_a(&Packet::tcp(a, far, (40_000, 81), SYN))?;
        assert!(refused(&out), "{out:?}");
    }
    Ok(())
}

#[test]
fn a_pod_isolated_for_ingress_only_sends_to_the_outside_unjudged() -> Result<()> {
    let mut world = World::new()?;
    world.a.ingress_profile = 1001;
    world.write()?;
    for family in Family::BOTH {
        let out = world.from_a(&Packet::tcp(Who::A.ip(family), Who::Far.ip(family), (40_000, 80), SYN))?;
        assert!(left(&out), "{out:?}");
    }
    Ok(())
}
