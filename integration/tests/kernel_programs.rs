//! Each kernel of this tier takes the programs, and they judge there as they do here. Run by `cargo xtask test kernel`
//! inside QEMU; `programs_*` say the same of the kernel of this machine, and much more.
use anyhow::Result;
use ringfence_abi::{Counter, Mark, Origin, PolicyValue, Reason, names};
use ringfence_integration::testrun::rig::Capacity;
use ringfence_integration::testrun::{Family, Packet, Rig, Who, World};

const TO_POD: &[Counter] = &[Counter::ToPod];
const INGRESS: u32 = 1000;

#[test]
fn this_kernels_verifier_takes_every_program() -> Result<()> {
    let mut rig = Rig::new(Capacity::default())?;
    for name in names::PROGRAMS {
        rig.complexity(name)?;
    }
    Ok(())
}

#[test]
fn an_isolated_pod_is_reached_by_whom_policy_names_and_nobody_else() -> Result<()> {
    let mut world = World::new()?;
    world.b.ingress_profile = INGRESS;
    world.write()?;
    let all = PolicyValue::ALL;
    world.allow(INGRESS, 70, PolicyValue { tcp: all, udp: all, sctp: all, other: all })?;
    let outside = Mark::entered(Origin::Outside);
    for family in Family::BOTH {
        let packet = |who: Who| Packet::udp(who.ip(family), Who::B.ip(family), (40_000, 53));
        let out = world.to_b(&packet(Who::Near), outside, 1)?;
        assert!(out.passed(outside, TO_POD), "{out:?}");
        let out = world.to_b(&packet(Who::Far), outside, 1)?;
        assert!(out.dropped(Reason::PolicyIngress, TO_POD), "{out:?}");
    }
    Ok(())
}
