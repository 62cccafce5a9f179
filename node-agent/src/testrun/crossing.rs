//! Inside a node: destination translation, routing, source translation, and the device that a packet leaves by.
use super::TestRunError;
use super::cluster::Cluster;
use super::conntrack::Source;
use super::hooks::{Context, ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use super::journey::{End, Journey, Loss};
use super::node::{Node, Out};
use super::services::Client;
use super::walk::{Chances, Crossing, MESH_IFINDEX, Next};
use super::wire::{self, Meaning, Numbers, Tuple};
use ringfence_abi::names;
use std::net::IpAddr;

/// kube-proxy's mark on what it will masquerade.
const MASQUERADE_MARK: u32 = 0x4000;

/// A connection that begins at this node.
struct New {
    tuple: Tuple,
    client: Client,
    target: (IpAddr, u16),
    /// kube-proxy wants it masqueraded.
    masquerade: bool,
}

/// What connection tracking says of a packet.
enum Tracked {
    /// It leaves with these ends.
    Known(Tuple),
    New(New),
    /// It leaves as it is.
    Untracked,
    /// A Service that nobody backs.
    Refused,
}

impl Cluster<'_> {
    /// Follows a packet from the hook it came in by to the one it leaves by.
    pub(super) fn cross(
        &mut self,
        at: Crossing,
        chances: Chances,
        journey: &mut Journey,
    ) -> Result<Next, TestRunError> {
        let Crossing { node: name, mut packet, mut mark, ingress_ifindex } = at;
        let lost = |loss| Ok(Next::End(End::Lost(loss)));
        let Some((src, dst)) = wire::addresses(&packet) else { return lost(Loss::Malformed) };
        if on_link(dst) {
            return Ok(Next::End(End::Link(name)));
        }
        if is_martian(src) || is_martian(dst) {
            return lost(Loss::Martian);
        }
        let tracked = self.track(&name, &mut packet, chances, journey)?;
        let Some(node) = self.nodes.get_mut(&name) else { return Err(TestRunError::NoNode(name)) };
        let dst = match &tracked {
            Tracked::Refused => return lost(Loss::NoBackend),
            Tracked::Known(leaves) => leaves.dst.0,
            Tracked::New(new) => new.target.0,
            Tracked::Untracked => wire::addresses(&packet).map_or(dst, |(_, dst)| dst),
        };
        let out = node.route(src, dst, ingress_ifindex == MESH_IFINDEX, &self.snapshot);
        match tracked {
            Tracked::Known(leaves) => wire::rewrite(&mut packet, 0, &leaves),
            Tracked::New(new) => {
                mark |= if new.masquerade { MASQUERADE_MARK } else { 0 };
                let Some(leaves) = begin(node, &new, &out) else { return lost(Loss::Clash) };
                wire::rewrite(&mut packet, 0, &leaves);
            }
            Tracked::Untracked | Tracked::Refused => {}
        }
        if ingress_ifindex != 0 && out != Out::Here {
            match wire::forwarded(packet) {
                Some(forwarded) => packet = forwarded,
                None => return lost(Loss::Expired),
            }
        }
        let ingress_ifindex = if chances.lose_ifindex { 0 } else { ingress_ifindex };
        self.leave(name, packet, (out, mark, ingress_ifindex), journey)
    }

    fn track(
        &self,
        name: &str,
        packet: &mut [u8],
        chances: Chances,
        journey: &mut Journey,
    ) -> Result<Tracked, TestRunError> {
        let node = self.nodes.get(name).ok_or_else(|| TestRunError::NoNode(name.to_owned()))?;
        let tuple = match wire::meaning(packet) {
            Meaning::Error(at) => {
                let before = wire::addresses(packet).map(|(_, dst)| dst);
                node.conntrack.translate_error(packet, at);
                let after = wire::addresses(packet).map(|(_, dst)| dst);
                if let Some(dst) = after.filter(|_| after != before) {
                    journey.translated = Some((dst, 0));
                }
                return Ok(Tracked::Untracked);
            }
            Meaning::Nothing => return Ok(Tracked::Untracked),
            Meaning::Continues(tuple) => {
                let known = node.conntrack.known(&tuple);
                note(journey, tuple, known);
                return Ok(known.map_or(Tracked::Untracked, Tracked::Known));
            }
            Meaning::Begins(tuple) => tuple,
        };
        if let Some(leaves) = node.conntrack.known(&tuple) {
            note(journey, tuple, Some(leaves));
            return Ok(Tracked::Known(leaves));
        }
        let client = node.client(tuple.src.0, &self.snapshot);
        let own = node.has(tuple.dst.0);
        let Some(found) = self.services.at(name, client, (tuple.dst, tuple.protocol), own) else {
            return Ok(Tracked::New(New { tuple, client, target: tuple.dst, masquerade: false }));
        };
        let count = found.targets.len();
        if count == 0 {
            return Ok(Tracked::Refused);
        }
        let target = found.targets[chances.backend % count];
        journey.backends = Some(count);
        journey.translated = Some(target);
        let masquerade = found.masquerades(client, target.0);
        Ok(Tracked::New(New { tuple, client, target, masquerade }))
    }

    /// The hook of the device that a packet leaves by.
    fn leave(
        &mut self,
        node: String,
        packet: Vec<u8>,
        (out, mark, ingress_ifindex): (Out, u32, u32),
        journey: &mut Journey,
    ) -> Result<Next, TestRunError> {
        let (hook, ifindex, next) = match out {
            Out::Here => {
                journey.packet = packet;
                return Ok(Next::End(End::Node(node)));
            }
            Out::Blackhole => return Ok(Next::End(End::Lost(Loss::Blackhole))),
            Out::Pod(pod, ifindex) => (names::POD_INGRESS, ifindex, Next::End(End::Pod(pod))),
            Out::Mesh(to) => (names::WG_EGRESS, 0, Next::Mesh { from: node.clone(), to }),
            Out::Underlay(Some(to)) => (names::UNDERLAY_EGRESS, 0, Next::Underlay { to }),
            Out::Underlay(None) => (names::UNDERLAY_EGRESS, 0, Next::End(End::Outside(node.clone()))),
        };
        let kind = if packet.first().is_some_and(|b| b >> 4 == 6) { ETHERTYPE_IPV6 } else { ETHERTYPE_IPV4 };
        let context = Context { mark, ifindex, ingress_ifindex };
        Ok(match self.pass(&node, hook, (kind, packet), context, journey)? {
            Ok(_) => next,
            Err(dropped) => dropped,
        })
    }
}

/// Records that a known connection's packet has another destination behind this node than before it. An echo's
/// identifier is no part of that.
fn note(journey: &mut Journey, tuple: Tuple, leaves: Option<Tuple>) {
    let ports = wire::numbers(tuple.protocol) == Some(Numbers::Ports);
    let other = |leaves: &Tuple| leaves.dst.0 != tuple.dst.0 || (ports && leaves.dst.1 != tuple.dst.1);
    if let Some(leaves) = leaves.filter(other) {
        journey.translated = Some(leaves.dst);
    }
}

/// Decides the source of a connection that begins.
fn begin(node: &mut Node, new: &New, out: &Out) -> Option<Tuple> {
    let source = match out {
        // Towards the node itself no source is replaced: postrouting is not met.
        Out::Here => Source::Keep,
        out => node.source(new.client, new.target.0, out, new.masquerade),
    };
    node.conntrack.begin(new.tuple, new.target, source)
}

/// Destinations that are never forwarded but heard on the link.
fn on_link(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.is_multicast() || a.is_broadcast() || a.is_link_local(),
        IpAddr::V6(a) => a.is_multicast() || a.is_unicast_link_local(),
    }
}

/// Addresses that no router believes.
fn is_martian(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.octets()[0] == 0 || a.is_loopback() || a.is_multicast() || a.is_broadcast(),
        IpAddr::V6(a) => {
            a.is_unspecified() || a.is_loopback() || a.is_multicast() || a.is_unicast_link_local()
        }
    }
}
