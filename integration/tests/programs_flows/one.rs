//! One flow of an isolated pod with a remote one.
use anyhow::{Result, bail};
use ringfence_abi::{Counter, FlowKey, FlowValue, Mark, Origin, Reason};
use ringfence_integration::testrun::world::{EVERYTHING, entered};
use ringfence_integration::testrun::{Family, Outcome, Packet, Who, World};

pub(crate) const FAMILY: Family = Family::V4;
pub(crate) const SECOND: u64 = 1_000_000_000;

/// Pod A is isolated both ways and may open anything to the remote pod.
pub(crate) fn world() -> Result<World> {
    let mut world = World::new()?;
    (world.a.egress_profile, world.a.ingress_profile) = (1000, 1001);
    world.write()?;
    world.allow(1000, 21, EVERYTHING)?;
    Ok(world)
}

pub(crate) fn there(flags: u8) -> Packet {
    Packet::tcp(Who::A.ip(FAMILY), Who::Remote.ip(FAMILY), (40_000, 80), flags)
}

pub(crate) fn back(flags: u8) -> Packet {
    Packet::tcp(Who::Remote.ip(FAMILY), Who::A.ip(FAMILY), (80, 40_000), flags)
}

pub(crate) fn hit(out: &Outcome) -> bool {
    out.passed(entered(Origin::Peer).with(Mark::JUDGED), &[Counter::FromPeer, Counter::FlowHit])
}

pub(crate) fn missed(out: &Outcome) -> bool {
    out.dropped(Reason::PolicyIngress, &[Counter::FromPeer])
}

pub(crate) fn revoked(out: &Outcome) -> bool {
    out.dropped(Reason::PolicyIngress, &[Counter::FromPeer, Counter::FlowRevoked])
}

pub(crate) fn only(world: &mut World) -> Result<(FlowKey, FlowValue)> {
    match world.rig.flows()?.as_slice() {
        [flow] => Ok(*flow),
        flows => bail!("not one flow: {flows:?}"),
    }
}

/// Makes the one flow this many seconds older.
pub(crate) fn age(world: &mut World, seconds: u64) -> Result<()> {
    let (key, mut value) = only(world)?;
    value.last_seen = value.last_seen.saturating_sub(seconds * SECOND);
    world.rig.set_flow(key, value)
}
