//! `pod_egress`: what a pod may send at all, and what is judged where it enters.
use anyhow::Result;
use ringfence_abi::{Counter, Origin, Reason};
use ringfence_integration::testrun::world::entered;
use ringfence_integration::testrun::{Family, Packet, Who, World};

const FROM_POD: &[Counter] = &[Counter::FromPod];

#[test]
fn a_free_pod_sends_to_anyone_and_is_marked_free() -> Result<()> {
    let mut world = World::new()?;
    for family in Family::BOTH {
        for to in [
            Who::B,
            Who::Remote,
            Who::UnknownRemote,
            Who::Node,
            Who::RemoteNode,
            Who::Near,
            Who::Far,
            Who::ClusterIp,
        ] {
            let out = world.from_a(&Packet::udp(Who::A.ip(family), to.ip(family), (40_000, 53)))?;
            assert!(out.passed(entered(Origin::FreePod), FROM_POD), "{family:?} {to:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn any_other_source_is_dropped_as_spoofed() -> Result<()> {
    let mut world = World::new()?;
    for family in Family::BOTH {
        for from in [Who::B, Who::Remote, Who::Node, Who::Gateway, Who::RemoteNode, Who::Near, Who::ClusterIp]
        {
            let out = world.from_a(&Packet::udp(from.ip(family), Who::Far.ip(family), (40_000, 53)))?;
            assert!(out.dropped(Reason::SpoofedPod, FROM_POD), "{family:?} {from:?}: {out:?}");
        }
    }
    let nobody = "0.0.0.0".parse()?;
    let out = world.from_a(&Packet::udp(nobody, Who::Far.ip(Family::V4), (68, 67)))?;
    assert!(out.dropped(Reason::SpoofedPod, FROM_POD), "{out:?}");
    Ok(())
}
