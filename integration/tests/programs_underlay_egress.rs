//! `underlay_egress`: the second lock on what must not leave in the clear.
use anyhow::Result;
use ringfence_abi::{Counter, EndpointValue, Mark, Origin, Reason, names};
use ringfence_integration::testrun::packet::flags::{ACK, SYN};
use ringfence_integration::testrun::world::{EVERYTHING, VETH_A, entered};
use ringfence_integration::testrun::{Context, Family, Packet, Who, World};

const HOOK: &str = names::UNDERLAY_EGRESS;
const EGRESS: u32 = 1000;

fn isolated() -> Result<World> {
    let mut world = World::new()?;
    world.a.egress_profile = EGRESS;
    world.write()?;
    Ok(world)
}

fn syn(from: Who, to: Who, family: Family) -> Packet {
    Packet::tcp(from.ip(family), to.ip(family), (40_000, 80), SYN)
}

fn at(mark: Mark, ingress_ifindex: u32) -> Context {
    Context { mark: mark.write(0, Mark::SHIFT_DEFAULT), ingress_ifindex, ifindex: 0 }
}

#[test]
fn nothing_to_a_pods_or_gateways_address_leaves_whoever_sends_it() -> Result<()> {
    for mut world in [World::new()?, isolated()?] {
        for family in Family::BOTH {
            for to in [
                Who::A,
                Who::B,
                Who::Pending,
                Who::Vacant,
                Who::Remote,
                Who::UnknownRemote,
                Who::RemoteGateway,
            ] {
                for (mark, by) in [
                    (Mark(0), 0),
                    (entered(Origin::LocalPod), VETH_A),
                    (entered(Origin::LocalPod).with(Mark::JUDGED), VETH_A),
                    (entered(Origin::FreePod), VETH_A),
                    (entered(Origin::Peer), 5),
                    (entered(Origin::Outside), 6),
                ] {
                    let out = world.rig.run(HOOK, &syn(Who::Node, to, family).frame(), at(mark, by))?;
                    assert!(out.dropped(Reason::Plaintext, &[]), "{to:?} {mark:?}: {out:?}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_pods_packet_to_a_node_does_not_leave_and_the_nodes_own_does() -> Result<()> {
    let mut world = isolated()?;
    for family in Family::BOTH {
        for (mark, by) in [
            (entered(Origin::LocalPod), VETH_A),
            (entered(Origin::LocalPod).with(Mark::JUDGED), VETH_A),
            (entered(Origin::FreePod), VETH_A),
            (Mark(0), VETH_A),
        ] {
            // Its source may have been masqueraded.
            for from in [Who::A, Who::Node] {
                let out = world.rig.run(HOOK, &syn(from, Who::RemoteNode, family).frame(), at(mark, by))?;
                assert!(out.dropped(Reason::Plaintext, &[]), "{from:?} {mark:?}: {out:?}");
            }
        }
        // A pod of another node called a NodePort here: what came encrypted does not go on in the clear.
        let out = world.rig.run(
            HOOK,
            &syn(Who::Node, Who::RemoteNode, family).frame(),
            at(entered(Origin::Peer), 5),
        )?;
        assert!(out.dropped(Reason::Plaintext, &[]), "{out:?}");
        for (mark, by) in [(Mark(0), 0), (entered(Origin::Outside), 6)] {
            let out = world.rig.run(HOOK, &syn(Who::Node, Who::RemoteNode, family).frame(), at(mark, by))?;
            assert!(out.passed(mark, &[]), "{mark:?}: {out:?}");
        }
    }
    Ok(())
}

#[test]
fn wireguards_own_packets_and_what_is_not_ip_leave() -> Result<()> {
    let mut world = isolated()?;
    for family in Family::BOTH {
        let packet = Packet::udp(Who::Node.ip(family), Who::RemoteNode.ip(family), (51_820, 51_820));
        let out = world.at(HOOK, &packet)?;
        assert!(out.passed(Mark(0), &[]), "{out:?}");
    }
    for frame in [Packet::arp(), Packet::frame_of(0x88cc, &[0; 46])] {
        let out = world.rig.run(HOOK, &frame, Context::default())?;
        assert!(out.passed(Mark(0), &[]), "{out:?}");
    }
    let discovery = Packet::neighbour("fe80::1".parse()?, "ff02::1:ff00:2".parse()?, 135);
    let out = world.at(HOOK, &discovery)?;
    assert!(out.passed(Mark(0), &[]), "{out:?}");
    Ok(())
}

#[test]
fn an_isolated_pods_packet_leaves_only_if_policy_admits_where_it_goes() -> Result<()> {
    let mut world = isolated()?;
    for family in Family::BOTH {
        let packet = syn(Who::Node, Who::Near, family);
        let out = world.of_a(HOOK, &packet, 0)?;
        assert!(out.dropped(Reason::Unjudged, &[]), "{out:?}");
        let out = world.of_a(HOOK, &packet, Mark::INGRESS_JUDGED)?;
        assert!(out.dropped(Reason::Unjudged, &[]), "{out:?}");
        for bits in [Mark::EGRESS_JUDGED, Mark::JUDGED] {
            let out = world.of_a(HOOK, &packet, bits)?;
            assert!(out.passed(entered(Origin::LocalPod).with(bits), &[]), "{out:?}");
        }
        // Unjudged where it entered, since it bore a Service's address: this is its backend.
        world.allow(EGRESS, 70, EVERYTHING)?;
        let out = world.of_a(HOOK, &packet, 0)?;
        assert!(out.passed(entered(Origin::LocalPod), &[]), "{out:?}");
        world.rig.remove_policy(EGRESS, 70)?;
    }
    Ok(())
}

#[test]
fn a_pods_fragment_that_lost_its_veth_is_judged_by_its_source_or_dropped() -> Result<()> {
    let mut world = isolated()?;
    for family in Family::BOTH {
        let lost = at(entered(Origin::LocalPod), 0);
        let out = world.rig.run(HOOK, &syn(Who::A, Who::Near, family).frame(), lost)?;
        assert!(out.dropped(Reason::Unjudged, &[]), "{out:?}");
        let out = world.rig.run(HOOK, &syn(Who::B, Who::Near, family).frame(), lost)?;
        assert!(out.passed(entered(Origin::LocalPod), &[]), "{out:?}");
        let out = world.rig.run(HOOK, &syn(Who::Node, Who::Near, family).frame(), lost)?;
        assert!(out.dropped(Reason::OriginLost, &[]), "{out:?}");
    }
    Ok(())
}

#[test]
fn a_cluster_ip_never_leaves_and_a_pods_packet_to_any_service_neither() -> Result<()> {
    for mut world in [World::new()?, isolated()?] {
        for family in Family::BOTH {
            world.rig.set_service(Who::Far.ip(family), 443, 6, 0)?;
            let pod = (entered(Origin::LocalPod).with(Mark::EGRESS_JUDGED), VETH_A);
            for (mark, by) in [(Mark(0), 0), pod, (entered(Origin::Outside), 6), (entered(Origin::Peer), 5)] {
                for port in [80, 81] {
                    let packet =
                        Packet::tcp(Who::Node.ip(family), Who::ClusterIp.ip(family), (40_000, port), SYN);
                    let out = world.rig.run(HOOK, &packet.frame(), at(mark, by))?;
                    assert!(out.dropped(Reason::ServiceAddress, &[]), "{mark:?} {port}: {out:?}");
                }
                let external = Packet::tcp(Who::Node.ip(family), Who::Far.ip(family), (40_000, 443), SYN);
                let out = world.rig.run(HOOK, &external.frame(), at(mark, by))?;
                let of_pod = by == VETH_A;
                assert_eq!(out.dropped(Reason::ServiceAddress, &[]), of_pod, "{mark:?}: {out:?}");
                assert_eq!(out.passed(mark, &[]), !of_pod, "{mark:?}: {out:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn an_endpoint_that_denies_all_sends_nothing() -> Result<()> {
    let mut world = isolated()?;
    world.a.flags = EndpointValue::DENY_ALL;
    world.write()?;
    let out = world.of_a(HOOK, &syn(Who::Node, Who::Far, Family::V4), Mark::JUDGED)?;
    assert!(out.dropped(Reason::EndpointDenied, &[]), "{out:?}");
    Ok(())
}

#[test]
fn a_flow_is_made_for_an_ingress_isolated_pod_with_the_tuple_the_reply_will_have() -> Result<()> {
    let mut world = World::new()?;
    world.a.ingress_profile = 1001;
    world.write()?;
    for family in Family::BOTH {
        let out = world.of_a(HOOK, &syn(Who::Node, Who::Far, family), 0)?;
        assert!(out.passed(entered(Origin::LocalPod), &[Counter::FlowInserted]), "{out:?}");
        let flows = world.rig.flows()?;
        let [(key, flow)] = flows.as_slice() else { anyhow::bail!("{flows:?}") };
        let ends = [key.lo, key.hi];
        assert!(ends.contains(&Who::Node.ip(family).into()) && ends.contains(&Who::Far.ip(family).into()));
        assert_eq!((flow.opener_endpoint, flow.opener_ifindex, flow.target_endpoint), (101, VETH_A, 0));
        world.rig.forget_flows()?;
        // In mid-stream NAT may have chosen the port, so nothing says that the pod opened this.
        let middle = Packet::tcp(Who::Node.ip(family), Who::Far.ip(family), (40_000, 80), ACK);
        let out = world.of_a(HOOK, &middle, 0)?;
        assert!(out.passed(entered(Origin::LocalPod), &[]), "{out:?}");
        // Unmasqueraded, and policy lets the reply in anyway.
        world.allow(1001, 71, EVERYTHING)?;
        let out = world.of_a(HOOK, &syn(Who::A, Who::Far, family), 0)?;
        assert!(out.passed(entered(Origin::LocalPod), &[]), "{out:?}");
        world.rig.remove_policy(1001, 71)?;
    }
    Ok(())
}
