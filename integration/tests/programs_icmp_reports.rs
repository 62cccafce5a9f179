//! ICMP errors of a pod whose egress is isolated: only about what it may have been sent.
use anyhow::Result;
use ringfence_abi::{Counter, Mark, Origin, Reason, names};
use ringfence_integration::testrun::packet::flags::SYN;
use ringfence_integration::testrun::packet::protocol;
use ringfence_integration::testrun::world::{VETH_B, entered, ports};
use ringfence_integration::testrun::{Context, Family, Packet, Who, World};

#[test]
fn an_isolated_pod_reports_only_on_what_policy_explicitly_let_in() -> Result<()> {
    for (ingress, passes) in [(1003, true), (0, false)] {
        let mut world = World::new()?;
        (world.b.egress_profile, world.b.ingress_profile) = (1002, ingress);
        world.write()?;
        world.rig.set_ports(2, &[53])?;
        world.allow(1003, 21, ports(protocol::UDP, 2))?;
        world.allow(1003, 70, ports(protocol::UDP, 2))?;
        for family in Family::BOTH {
            let kind = if family == Family::V4 { 3 } else { 1 };
            let b = Who::B.ip(family);
            for (to, dropped_here) in [(Who::Remote, false), (Who::Near, true)] {
                let to = to.ip(family);
                let quoted = |port| Packet::udp(to, b, (40_000, port));
                let out = world.from_b(&Packet::error(b, to, kind, 3, &quoted(53)))?;
                let counted = [Counter::FromPod, Counter::IcmpError];
                let mark = entered(Origin::LocalPod).with(Mark::JUDGED);
                assert_eq!(out.passed(mark, &counted), passes, "{to}: {out:?}");
                for wrong in [quoted(54), Packet::udp(to, Who::A.ip(family), (40_000, 53))] {
                    let out = world.from_b(&Packet::error(b, to, kind, 3, &wrong))?;
                    let left = out.passed(entered(Origin::LocalPod), &[Counter::FromPod]);
                    let dropped = out.dropped(Reason::PolicyEgress, &[Counter::FromPod]);
                    assert!(if dropped_here { dropped } else { left }, "{wrong:?}: {out:?}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_pod_that_anyone_may_call_reports_on_what_its_egress_policy_lets_it_answer() -> Result<()> {
    let mut world = World::new()?;
    world.b.egress_profile = 1002;
    world.write()?;
    world.rig.set_ports(2, &[40_000])?;
    for class in [11, 21, 70] {
        world.allow(1002, class, ports(protocol::TCP, 2))?;
    }
    let pods_mark = entered(Origin::LocalPod);
    for family in Family::BOTH {
        let b = Who::B.ip(family);
        for to in [Who::A, Who::Remote, Who::Near] {
            let to = to.ip(family);
            let quoted = |port| Packet::tcp(to, b, (port, 80), SYN);
            let out = world.from_b(&Packet::too_big(b, to, &quoted(40_000)))?;
            let counted = [Counter::FromPod, Counter::IcmpError];
            assert!(out.passed(pods_mark.with(Mark::JUDGED), &counted), "{to}: {out:?}");
            let not_answerable = [
                quoted(40_001),
                Packet::udp(to, b, (40_000, 80)),
                Packet::tcp(to, Who::Remote.ip(family), (40_000, 80), SYN),
                Packet::tcp(Who::Far.ip(family), b, (40_000, 80), SYN),
            ];
            for wrong in not_answerable {
                let out = world.from_b(&Packet::too_big(b, to, &wrong))?;
                let left = out.passed(pods_mark, &[Counter::FromPod]);
                let dropped = out.dropped(Reason::PolicyEgress, &[Counter::FromPod]);
                assert!(if to == Who::Near.ip(family) { dropped } else { left }, "{wrong:?}: {out:?}");
            }
        }
        let forged =
            Packet::too_big(b, Who::Remote.ip(family), &Packet::udp(Who::Remote.ip(family), b, (40_000, 80)));
        let out = world.rig.run(
            names::WG_EGRESS,
            &forged.frame(),
            Context { mark: pods_mark.write(0, Mark::SHIFT_DEFAULT), ingress_ifindex: VETH_B, ifindex: 0 },
        )?;
        assert!(out.dropped(Reason::PolicyEgress, &[Counter::ToPeer]), "{out:?}");
    }
    Ok(())
}
