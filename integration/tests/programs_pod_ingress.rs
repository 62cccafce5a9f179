//! `pod_ingress`: what reaches a pod, all NAT behind it.
use anyhow::Result;
use ringfence_abi::{Counter, EndpointValue, Mark, Origin, Reason, names};
use ringfence_integration::testrun::packet::{Extension, flags::SYN, protocol};
use ringfence_integration::testrun::world::{EVERYTHING, VETH_A, VETH_B, entered, ports};
use ringfence_integration::testrun::{Context, Family, Packet, Who, World};

const TO_POD: &[Counter] = &[Counter::ToPod];
const EGRESS: u32 = 1000;
const INGRESS: u32 = 1003;
const HOOK: &str = names::POD_INGRESS;

/// Pod B takes TCP 80 from pod A.
fn isolated() -> Result<World> {
    let mut world = World::new()?;
    world.b.ingress_profile = INGRESS;
    world.write()?;
    world.rig.set_ports(2, &[80])?;
    world.allow(INGRESS, 11, ports(protocol::TCP, 2))?;
    Ok(world)
}

fn syn(from: Who, to: Who, family: Family, port: u16) -> Packet {
    Packet::tcp(from.ip(family), to.ip(family), (40_000, port), SYN)
}

#[test]
fn this_node_reaches_its_pods_whatever_their_policy() -> Result<()> {
    let mut world = isolated()?;
    world.b.egress_profile = 1002;
    world.write()?;
    for family in Family::BOTH {
        for from in [Who::Node, Who::Gateway, Who::Far] {
            let out = world.to_b(&syn(from, Who::B, family, 8080), Mark(0), 0)?;
            assert!(out.passed(Mark(0), TO_POD), "{from:?}: {out:?}");
        }
    }
    assert!(world.rig.flows()?.is_empty(), "the reply goes to the node, which needs no flow");
    Ok(())
}

#[test]
fn address_resolution_and_neighbour_discovery_live() -> Result<()> {
    let mut world = isolated()?;
    let b = Who::B.ip(Family::V6);
    for flags in [0, EndpointValue::DENY_ALL] {
        world.b.flags = flags;
        world.write()?;
        let out = world.rig.run(HOOK, &Packet::arp(), Context { ifindex: VETH_B, ..Context::default() })?;
        assert!(out.passed(Mark(0), TO_POD), "{out:?}");
        for (to, kind) in [("ff02::1:ff00:12".parse()?, 135), (b, 135), (b, 136)] {
            let out = world.to_b(&Packet::neighbour("fe80::1".parse()?, to, kind), Mark(0), 0)?;
            assert!(out.passed(Mark(0), TO_POD), "{out:?}");
        }
        let query = Packet::icmp("fe80::1".parse()?, "ff02::1".parse()?, 130, 0, [0; 4]);
        let out = world.to_b(&query.hop_limit(1).extensions(&[Extension::HopByHop]), Mark(0), 0)?;
        assert!(out.passed(Mark(0), TO_POD), "{out:?}");
    }
    let advertisement = Packet::neighbour("fe80::1".parse()?, "ff02::1".parse()?, 134);
    world.b.flags = 0;
    world.write()?;
    let out = world.to_b(&advertisement, Mark(0), 0)?;
    assert!(out.passed(Mark(0), TO_POD), "{out:?}");
    Ok(())
}

#[test]
fn only_the_pods_own_address_is_delivered() -> Result<()> {
    for mut world in [World::new()?, isolated()?] {
        for family in Family::BOTH {
            for to in [Who::A, Who::Remote, Who::Node, Who::Vacant, Who::ClusterIp] {
                for (mark, by) in
                    [(Mark(0), 0), (entered(Origin::Peer), 5), (entered(Origin::FreePod), VETH_A)]
                {
                    let out = world.to_b(&syn(Who::Node, to, family, 80), mark, by)?;
                    assert!(out.dropped(Reason::NotLocal, TO_POD), "{to:?}: {out:?}");
                }
            }
        }
        let multicast = Packet::udp("fe80::1".parse()?, "ff02::fb".parse()?, (5353, 5353));
        let out = world.to_b(&multicast, Mark(0), 0)?;
        assert!(out.passed(Mark(0), TO_POD), "from this node: {out:?}");
        let out = world.to_b(&multicast, entered(Origin::Peer), 5)?;
        assert!(out.dropped(Reason::NotLocal, TO_POD), "{out:?}");
    }
    Ok(())
}

#[test]
fn a_veth_without_an_endpoint_and_one_that_denies_all_get_nothing() -> Result<()> {
    let mut world = World::new()?;
    world.b.flags = EndpointValue::DENY_ALL;
    world.write()?;
    for (mark, by) in [
        (Mark(0), 0),
        (entered(Origin::FreePod), VETH_A),
        (entered(Origin::Peer).with(Mark::JUDGED), 5),
        (entered(Origin::LocalPod), VETH_B),
    ] {
        let out = world.to_b(&syn(Who::Node, Who::B, Family::V4, 80), mark, by)?;
        assert!(out.dropped(Reason::EndpointDenied, TO_POD), "{out:?}");
    }
    world.rig.remove_endpoint(VETH_B)?;
    let out = world.to_b(&syn(Who::Node, Who::B, Family::V4, 80), Mark(0), 0)?;
    assert!(out.dropped(Reason::NoEndpoint, TO_POD), "{out:?}");
    Ok(())
}

#[test]
fn a_pod_reaches_itself_whatever_its_policy_and_by_whatever_address_it_comes_back() -> Result<()> {
    let mut world = isolated()?;
    world.b.egress_profile = 1002;
    world.write()?;
    for family in Family::BOTH {
        for from in [Who::B, Who::Gateway, Who::ClusterIp] {
            let out = world.to_b(&syn(from, Who::B, family, 8080), entered(Origin::LocalPod), VETH_B)?;
            assert!(out.passed(entered(Origin::LocalPod), TO_POD), "{from:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn a_local_pod_is_judged_by_its_own_class_whatever_source_nat_gave_it() -> Result<()> {
    let mut world = isolated()?;
    for family in Family::BOTH {
        for origin in [Origin::FreePod, Origin::LocalPod] {
            for from in [Who::A, Who::Gateway, Who::Node, Who::ClusterIp] {
                let out = world.to_b(&syn(from, Who::B, family, 80), entered(origin), VETH_A)?;
                assert!(out.passed(entered(origin), TO_POD), "{from:?}: {out:?}");
                let out = world.to_b(&syn(from, Who::B, family, 81), entered(origin), VETH_A)?;
                assert!(out.dropped(Reason::PolicyIngress, TO_POD), "{from:?}: {out:?}");
            }
        }
    }
    world.rig.remove_policy(INGRESS, 11)?;
    for from in [Who::A, Who::Gateway, Who::Node] {
        let out = world.to_b(&syn(from, Who::B, Family::V4, 80), entered(Origin::FreePod), VETH_A)?;
        assert!(out.dropped(Reason::PolicyIngress, TO_POD), "{from:?}: {out:?}");
    }
    Ok(())
}

#[test]
fn the_local_sources_egress_policy_is_applied_here_and_names_the_reason_first() -> Result<()> {
    let mut world = World::new()?;
    world.a.egress_profile = EGRESS;
    world.write()?;
    world.rig.set_ports(2, &[80])?;
    world.allow(EGRESS, 12, ports(protocol::TCP, 2))?;
    for family in Family::BOTH {
        for from in [Who::A, Who::Gateway] {
            let out = world.of_a(HOOK, &syn(from, Who::B, family, 80), 0)?;
            assert!(out.passed(entered(Origin::LocalPod), TO_POD), "{out:?}");
            // Judged for the outside only: what DNAT has turned to a pod is judged again.
            for bits in [0, Mark::EGRESS_JUDGED, Mark::INGRESS_JUDGED] {
                let out = world.of_a(HOOK, &syn(from, Who::B, family, 81), bits)?;
                assert!(out.dropped(Reason::PolicyEgress, TO_POD), "{bits:#x}: {out:?}");
            }
        }
    }
    world.b.ingress_profile = INGRESS;
    world.write()?;
    let out = world.of_a(HOOK, &syn(Who::A, Who::B, Family::V4, 80), 0)?;
    assert!(out.dropped(Reason::PolicyIngress, TO_POD), "{out:?}");
    let out = world.of_a(HOOK, &syn(Who::A, Who::B, Family::V4, 81), 0)?;
    assert!(out.dropped(Reason::PolicyEgress, TO_POD), "{out:?}");
    let out = world.of_a(HOOK, &syn(Who::A, Who::B, Family::V4, 81), Mark::JUDGED)?;
    assert!(out.passed(entered(Origin::LocalPod).with(Mark::JUDGED), TO_POD), "{out:?}");
    Ok(())
}

#[test]
fn a_source_that_is_shut_off_sends_nothing_more() -> Result<()> {
    let mut world = World::new()?;
    world.a.flags = EndpointValue::DENY_ALL;
    world.write()?;
    let out = world.of_a(HOOK, &syn(Who::A, Who::B, Family::V4, 80), 0)?;
    assert!(out.dropped(Reason::EndpointDenied, TO_POD), "{out:?}");
    Ok(())
}

#[test]
fn what_wg_ingress_has_judged_is_not_judged_again() -> Result<()> {
    let mut world = isolated()?;
    let mark = entered(Origin::Peer).with(Mark::INGRESS_JUDGED);
    for family in Family::BOTH {
        let out = world.to_b(&syn(Who::Remote, Who::B, family, 81), mark, 5)?;
        assert!(out.passed(mark, TO_POD), "{out:?}");
    }
    Ok(())
}

#[test]
fn a_pods_fragment_that_lost_its_veth_is_judged_by_its_source_or_dropped() -> Result<()> {
    let mut world = isolated()?;
    for family in Family::BOTH {
        for origin in [Origin::LocalPod, Origin::FreePod] {
            let out = world.to_b(&syn(Who::A, Who::B, family, 80), entered(origin), 0)?;
            assert!(out.passed(entered(origin), TO_POD), "{out:?}");
            let out = world.to_b(&syn(Who::A, Who::B, family, 81), entered(origin), 0)?;
            assert!(out.dropped(Reason::PolicyIngress, TO_POD), "{out:?}");
            for from in [Who::Gateway, Who::Node, Who::Remote, Who::ClusterIp] {
                let out = world.to_b(&syn(from, Who::B, family, 80), entered(origin), 0)?;
                assert!(out.dropped(Reason::OriginLost, TO_POD), "{from:?}: {out:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn an_unparseable_packet_is_dropped_only_for_an_isolated_direction() -> Result<()> {
    let cut = |family| Packet::tcp(Who::A.ip(family), Who::B.ip(family), (1, 80), SYN).cut(5);
    let (mut free, mut strict) = (World::new()?, isolated()?);
    for family in Family::BOTH {
        let out = free.to_b(&cut(family), entered(Origin::LocalPod), VETH_A)?;
        assert!(out.passed(entered(Origin::LocalPod), TO_POD), "{out:?}");
        let out = strict.to_b(&cut(family), entered(Origin::LocalPod), VETH_A)?;
        assert!(out.dropped(Reason::Malformed, TO_POD), "{out:?}");
    }
    strict.allow(INGRESS, 11, EVERYTHING)?;
    let out = strict.to_b(&cut(Family::V4), entered(Origin::LocalPod), VETH_A)?;
    assert!(out.passed(entered(Origin::LocalPod), TO_POD), "{out:?}");
    Ok(())
}
