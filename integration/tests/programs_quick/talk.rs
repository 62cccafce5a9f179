//! Two pods of one node that talk, and what is counted of it.
use anyhow::{Context as _, Result, bail, ensure};
use ringfence_abi::{Counter, Mark, Origin, names};
use ringfence_integration::testrun::packet::protocol;
use ringfence_integration::testrun::world::{EVERYTHING, VETH_A, VETH_B, entered, ports};
use ringfence_integration::testrun::{Context, Family, Outcome, Packet, Who, World};
use std::time::Duration;

/// So often two pods talk before programs are taken to learn nothing.
const PATIENCE: u32 = 100;

pub(crate) const FROM_POD: &[Counter] = &[Counter::FromPod];
pub(crate) const TO_POD: &[Counter] = &[Counter::ToPod];
pub(crate) const REPLIED: &[Counter] = &[Counter::FromPod, Counter::FlowHit];
pub(crate) const FOUND: &[Counter] = &[Counter::ToPod, Counter::FlowHit];
/// Longer than any hint of a flow is good for.
pub(crate) const LATER: Duration = Duration::from_millis(2600);

pub(crate) fn ask(family: Family) -> Packet {
    Packet::udp(Who::A.ip(family), Who::B.ip(family), (40_000, 53))
}

pub(crate) fn answer(family: Family) -> Packet {
    Packet::udp(Who::B.ip(family), Who::A.ip(family), (53, 40_000))
}

/// A packet of pod A's veth at pod B's, with this mark.
pub(crate) fn at_b(world: &mut World, packet: &Packet, mark: Mark) -> Result<Outcome> {
    let mark = mark.write(0, Mark::SHIFT_DEFAULT);
    let context = Context { mark, ingress_ifindex: VETH_A, ifindex: VETH_B };
    world.rig.run(names::POD_INGRESS, &packet.frame(), context)
}

/// From pod A's veth to pod B's; the second outcome only if it left the first.
pub(crate) fn across(world: &mut World, packet: &Packet) -> Result<(Outcome, Option<Outcome>)> {
    let left = world.from_a(packet)?;
    if !left.passed(left.bits(), FROM_POD) {
        return Ok((left, None));
    }
    let arrived = at_b(world, packet, left.bits())?;
    Ok((left, Some(arrived)))
}

/// Lets them talk until that goes the short way. What is learnt may be worth nothing a quarter of a second later, so on a
/// busy machine it may be learnt several times.
fn until_short(mut talk: impl FnMut() -> Result<bool>) -> Result<()> {
    for _ in 0..PATIENCE {
        if talk()? {
            return Ok(());
        }
    }
    bail!("nothing goes the short way")
}

/// Nobody is isolated, and the two have talked.
pub(crate) fn free() -> Result<World> {
    let mut world = World::new()?;
    for family in Family::BOTH {
        until_short(|| {
            let (left, arrived) = across(&mut world, &ask(family))?;
            ensure!(left.passed(entered(Origin::FreePod), FROM_POD), "{left:?}");
            let arrived = arrived.context("it left")?;
            ensure!(arrived.passed(entered(Origin::FreePod), TO_POD), "{arrived:?}");
            Ok(left.passed_shortly() && arrived.passed_shortly())
        })?;
    }
    Ok(world)
}

/// Both are isolated both ways, A may call B at UDP 53 and TCP 80, and has done so at the former.
pub(crate) fn called() -> Result<World> {
    let mut world = World::new()?;
    (world.a.egress_profile, world.a.ingress_profile) = (1000, 1001);
    (world.b.egress_profile, world.b.ingress_profile) = (1002, 1003);
    world.write()?;
    world.allow(1000, 12, EVERYTHING)?;
    world.rig.set_ports(2, &[53, 80])?;
    world.allow(1003, 11, ports(protocol::UDP, 2))?;
    for family in Family::BOTH {
        across(&mut world, &ask(family))?;
        until_short(|| {
            let out = world.from_b(&answer(family))?;
            ensure!(out.passed(entered(Origin::LocalPod).with(Mark::JUDGED), REPLIED), "{out:?}");
            let arrived = across(&mut world, &ask(family))?.1.context("it left")?;
            ensure!(arrived.passed(entered(Origin::LocalPod), FOUND), "{arrived:?}");
            Ok(out.passed_shortly() && arrived.passed_shortly())
        })?;
    }
    Ok(world)
}
