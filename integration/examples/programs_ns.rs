//! Nanoseconds a packet that each program takes on its main paths, by BPF_PROG_TEST_RUN. Needs root.
//!
//! Short runs, the quickest of a hundred: whatever else the machine does then matters little.
//!
//! `cargo run --release -p ringfence-integration --example programs_ns [REPEAT]`
use anyhow::Result;
use ringfence_abi::{Mark, Origin, PolicyValue, names};
use ringfence_integration::testrun::packet::flags::{ACK, SYN};
use ringfence_integration::testrun::world::{EVERYTHING, VETH_A, VETH_B, ports};
use ringfence_integration::testrun::{Context, Family, Packet, Who, World};

fn main() -> Result<()> {
    let repeat = std::env::args().nth(1).map_or(Ok(10_000), |arg| arg.parse())?;
    for family in Family::BOTH {
        println!("{family:?}, ns a packet");
        free(family, repeat)?;
        isolated(family, repeat)?;
    }
    Ok(())
}

fn at(origin: Origin, ingress_ifindex: u32, ifindex: u32) -> Context {
    Context { mark: Mark::entered(origin).write(0, Mark::SHIFT_DEFAULT), ingress_ifindex, ifindex }
}

fn show(
    world: &mut World,
    what: &str,
    hook: &str,
    packet: &Packet,
    context: Context,
    repeat: u32,
) -> Result<()> {
    let frame = packet.frame();
    let best = (0..100)
        .map(|_| world.rig.time(hook, &frame, context, repeat))
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .min();
    println!("  {hook:17} {what:44} {:4}", best.unwrap_or_default().as_nanos());
    Ok(())
}

fn free(family: Family, repeat: u32) -> Result<()> {
    let (a, b, remote) = (Who::A.ip(family), Who::B.ip(family), Who::Remote.ip(family));
    let (node, other) = (Who::Node.ip(family), Who::RemoteNode.ip(family));
    let mut world = World::new()?;
    // Somebody else is isolated.
    world.config.flags = ringfence_abi::Config::ANY_ISOLATED;
    world.rig.set_config(world.config)?;
    let veth_a = Context { ifindex: VETH_A, ingress_ifindex: VETH_A, mark: 0 };
    let tcp = |from, to| Packet::tcp(from, to, (40_000, 80), ACK);
    let arp = Packet::arp();
    let best = world.rig.time(names::POD_INGRESS, &arp, Context { ifindex: VETH_B, ..veth_a }, repeat)?;
    println!("  {:17} {:44} {:4}", names::POD_INGRESS, "ARP: next to nothing", best.as_nanos());
    show(&mut world, "free pod, to a local pod", names::POD_EGRESS, &tcp(a, b), veth_a, repeat)?;
    show(&mut world, "free pod, to a remote pod", names::POD_EGRESS, &tcp(a, remote), veth_a, repeat)?;
    show(
        &mut world,
        "free pod, to a ClusterIP (prefix lookup)",
        names::POD_EGRESS,
        &tcp(a, Who::ClusterIp.ip(family)),
        veth_a,
        repeat,
    )?;
    show(
        &mut world,
        "of a free pod",
        names::WG_EGRESS,
        &tcp(a, remote),
        at(Origin::FreePod, VETH_A, 0),
        repeat,
    )?;
    show(&mut world, "to a free pod", names::WG_INGRESS, &tcp(remote, b), Context::default(), repeat)?;
    let judged = Context {
        mark: Mark(Origin::Peer as u32 | Mark::INGRESS_JUDGED).write(0, Mark::SHIFT_DEFAULT),
        ingress_ifindex: 5,
        ifindex: VETH_B,
    };
    show(&mut world, "free pod, from a peer", names::POD_INGRESS, &tcp(remote, b), judged, repeat)?;
    show(
        &mut world,
        "free pod, of a free pod",
        names::POD_INGRESS,
        &tcp(a, b),
        at(Origin::FreePod, VETH_A, VETH_B),
        repeat,
    )?;
    let wireguard = Packet::udp(node, other, (51_820, 51_820));
    show(&mut world, "WireGuard's own", names::UNDERLAY_EGRESS, &wireguard, Context::default(), repeat)?;
    let wireguard = Packet::udp(other, node, (51_820, 51_820));
    show(&mut world, "WireGuard's own", names::UNDERLAY_INGRESS, &wireguard, Context::default(), repeat)
}

fn isolated(family: Family, repeat: u32) -> Result<()> {
    let (a, b, remote) = (Who::A.ip(family), Who::B.ip(family), Who::Remote.ip(family));
    let mut world = World::new()?;
    world.rig.set_ports(2, &[80, 443])?;
    (world.a.egress_profile, world.a.ingress_profile) = (1000, 1001);
    (world.b.egress_profile, world.b.ingress_profile) = (1002, 1003);
    world.write()?;
    for class in [12, 21] {
        world.allow(1000, class, ports(6, 2))?;
    }
    for class in [11, 21] {
        world.allow(1003, class, PolicyValue { tcp: 2, ..EVERYTHING })?;
    }
    let veth_a = Context { ifindex: VETH_A, ingress_ifindex: VETH_A, mark: 0 };
    let veth_b = Context { ifindex: VETH_B, ingress_ifindex: VETH_B, mark: 0 };
    let local = |hook| at(Origin::LocalPod, VETH_A, if hook == names::POD_INGRESS { VETH_B } else { 0 });
    let tcp = |from, to, ports, flags| Packet::tcp(from, to, ports, flags);
    let there = tcp(a, remote, (40_000, 80), ACK);
    let first = tcp(a, remote, (40_000, 80), SYN);
    let back = tcp(remote, a, (80, 40_000), ACK);
    show(&mut world, "both isolated, new, to a peer", names::POD_EGRESS, &first, veth_a, repeat)?;
    show(
        &mut world,
        "both isolated, new: flow made each time",
        names::WG_EGRESS,
        &first,
        local(names::WG_EGRESS),
        repeat,
    )?;
    show(&mut world, "both isolated, established, to a peer", names::POD_EGRESS, &there, veth_a, repeat)?;
    show(
        &mut world,
        "both isolated, established, to a peer",
        names::WG_EGRESS,
        &there,
        local(names::WG_EGRESS),
        repeat,
    )?;
    show(
        &mut world,
        "both isolated, the reply: flow hit",
        names::WG_INGRESS,
        &back,
        Context::default(),
        repeat,
    )?;
    let inside = tcp(a, b, (40_001, 80), ACK);
    let begins = tcp(a, b, (40_001, 80), SYN);
    world.of_a(names::POD_INGRESS, &begins, 0)?;
    show(&mut world, "both isolated, established, local", names::POD_EGRESS, &inside, veth_a, repeat)?;
    show(
        &mut world,
        "both isolated, established, local",
        names::POD_INGRESS,
        &inside,
        local(names::POD_INGRESS),
        repeat,
    )?;
    let answer = tcp(b, a, (80, 40_001), ACK);
    show(
        &mut world,
        "both isolated, the reply, local: flow hit",
        names::POD_EGRESS,
        &answer,
        veth_b,
        repeat,
    )?;
    let (from, to) = (Who::OtherRemote.ip(family), b);
    let refused = tcp(from, to, (40_000, 80), SYN);
    show(&mut world, "refused", names::WG_INGRESS, &refused, Context::default(), repeat)?;
    world.b.egress_profile = 0;
    world.write()?;
    let allowed = tcp(remote, b, (40_000, 80), ACK);
    show(&mut world, "ingress isolated, allowed", names::WG_INGRESS, &allowed, Context::default(), repeat)
}
