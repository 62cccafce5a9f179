//! TCP without its flow between pods of one node, and behind NAT: which ports can still tell who opened it.
use anyhow::Result;
use ringfence_abi::{Counter, Mark, Origin, Reason, names};
use ringfence_integration::testrun::packet::flags::{ACK, SYN};
use ringfence_integration::testrun::world::{EVERYTHING, VETH_A, entered};
use ringfence_integration::testrun::{Context, Family, Outcome, Packet, Who, World};

fn tcp(from: Who, to: Who, family: Family, ports: (u16, u16), flags: u8) -> Packet {
    Packet::tcp(from.ip(family), to.ip(family), ports, flags)
}

fn resumed(out: &Outcome) -> bool {
    out.passed_by(Counter::FlowResumed)
}

#[test]
fn between_two_local_pods_both_ports_must_agree() -> Result<()> {
    let mut world = World::new()?;
    (world.a.ingress_profile, world.b.egress_profile) = (1001, 1002);
    world.write()?;
    for (family, client, server) in [(Family::V4, 40_000, 80), (Family::V6, 40_001, 81)] {
        world.from_a(&tcp(Who::A, Who::B, family, (client, server), SYN))?;
        let segment = tcp(Who::B, Who::A, family, (server, client), ACK);
        let out = world.from_b(&segment)?;
        assert!(
            out.passed(entered(Origin::LocalPod), &[Counter::FromPod]),
            "B has accepted nothing: {out:?}"
        );
        world.from_b(&tcp(Who::B, Who::A, family, (server, client), SYN | ACK))?;
        assert!(resumed(&world.from_b(&segment)?));
        assert!(resumed(&world.of_b(names::POD_INGRESS, &segment, 0)?));
        for ports in [(server + 100, client), (server, client + 100)] {
            let out = world.from_b(&tcp(Who::B, Who::A, family, ports, ACK))?;
            assert!(out.passed(entered(Origin::LocalPod), &[Counter::FromPod]), "{ports:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn behind_nat_only_the_targets_port_can_be_asked() -> Result<()> {
    let mut world = World::new()?;
    (world.a.ingress_profile, world.b.egress_profile) = (1001, 1002);
    world.write()?;
    for (family, client) in [(Family::V4, 40_000), (Family::V6, 40_001)] {
        world.from_a(&tcp(Who::A, Who::ClusterIp, family, (client, 80), SYN))?;
        let segment = tcp(Who::ClusterIp, Who::A, family, (80, client), ACK);
        assert!(resumed(&world.of_b(names::POD_INGRESS, &segment, 0)?));
        // B's ingress policy would have to admit A at a port that NAT has hidden.
        world.b.ingress_profile = 1003;
        world.write()?;
        world.allow(1003, 11, EVERYTHING)?;
        let out = world.of_b(names::POD_INGRESS, &segment, 0)?;
        assert!(out.dropped(Reason::PolicyEgress, &[Counter::ToPod]), "{out:?}");
        world.b.ingress_profile = 0;
        world.write()?;
        let other = tcp(Who::ClusterIp, Who::A, family, (80, client + 1000), ACK);
        let out = world.of_b(names::POD_INGRESS, &other, 0)?;
        assert!(out.dropped(Reason::PolicyEgress, &[Counter::ToPod]), "{out:?}");
    }
    Ok(())
}

#[test]
fn a_service_outside_is_asked_for_by_its_backends() -> Result<()> {
    let mut world = World::new()?;
    (world.a.ingress_profile, world.a.egress_profile) = (1001, 1000);
    world.write()?;
    let at = Context {
        mark: entered(Origin::Outside).write(0, Mark::SHIFT_DEFAULT),
        ingress_ifindex: 6,
        ifindex: VETH_A,
    };
    for (family, client) in [(Family::V4, 40_000), (Family::V6, 40_001)] {
        world.allow(1000, 80, EVERYTHING)?;
        world.from_a(&tcp(Who::A, Who::ApiServer, family, (client, 443), SYN))?;
        let segment = tcp(Who::ApiServer, Who::A, family, (443, client), ACK).frame();
        assert!(resumed(&world.rig.run(names::POD_INGRESS, &segment, at)?));
        world.rig.remove_policy(1000, 80)?;
        let out = world.rig.run(names::POD_INGRESS, &segment, at)?;
        assert!(out.dropped(Reason::PolicyIngress, &[Counter::ToPod]), "{out:?}");
    }
    Ok(())
}
