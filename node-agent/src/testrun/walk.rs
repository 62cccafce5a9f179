//! The way of a packet through nodes and hooks, in the order in which the kernel would show it to them.
use super::TestRunError;
use super::cluster::Cluster;
use super::hooks::{Context, ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use super::journey::{End, Entry, Journey, Loss, Step};
use super::wire;
use ringfence_abi::names;

/// `ingress_ifindex` of packets off the mesh and off the underlay: no pod's.
pub(super) const MESH_IFINDEX: u32 = 2;
const UNDERLAY_IFINDEX: u32 = 3;
/// Nodes that a packet may cross before it goes round.
const HOPS: usize = 6;

/// A frame as it sets out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// EtherType.
    pub ethertype: u16,
    /// What follows the link header.
    pub packet: Vec<u8>,
}

/// What the network around the programs is free to do.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chances {
    /// Which backend a Service chooses: this one of those there are, counted round.
    pub backend: usize,
    /// `skb->mark` of whatever enters a node.
    pub mark: u32,
    /// Packets lose `ingress_ifindex` on the way through a node, as IPv6 fragments that were put together and taken apart
    /// again do.
    pub lose_ifindex: bool,
}

/// A packet between two hooks of one node.
pub(super) struct Crossing {
    pub(super) node: String,
    pub(super) packet: Vec<u8>,
    pub(super) mark: u32,
    /// 0: made by this node.
    pub(super) ingress_ifindex: u32,
}

/// What follows a hook.
pub(super) enum Next {
    End(End),
    /// Off the mesh, sent by `from`.
    Mesh {
        from: String,
        to: String,
    },
    Underlay {
        to: String,
    },
}

impl Frame {
    /// A frame that bears an IP packet, of whichever version its first byte says.
    pub fn ip(packet: Vec<u8>) -> Self {
        let v6 = packet.first().is_some_and(|b| b >> 4 == 6);
        Self { ethertype: if v6 { ETHERTYPE_IPV6 } else { ETHERTYPE_IPV4 }, packet }
    }
}

impl Cluster<'_> {
    /// Sends a frame on its way and follows it to its end.
    ///
    /// # Errors
    /// [`TestRunError`] where the way could not be followed; never for what a program decided.
    pub fn send(&mut self, entry: &Entry, frame: Frame, chances: Chances) -> Result<Journey, TestRunError> {
        let Frame { ethertype, packet } = frame;
        let mut journey = Journey {
            end: End::Lost(Loss::Loop),
            packet,
            steps: Vec::new(),
            backends: None,
            translated: None,
        };
        let mut next = match entry {
            Entry::Pod(pod) => {
                let node = self.node_of(pod)?;
                self.ready(&node)?;
                let ifindex = self.nodes[&node].ifindex(pod);
                let ifindex = ifindex.ok_or_else(|| TestRunError::NoPod(pod.clone()))?;
                self.off(&node, names::POD_EGRESS, ethertype, [ifindex; 2], chances, &mut journey)?
            }
            Entry::Node(node) => {
                self.ready(node)?;
                let packet = journey.packet.clone();
                let crossing = Crossing { node: node.clone(), packet, mark: 0, ingress_ifindex: 0 };
                self.cross(crossing, chances, &mut journey)?
            }
            Entry::Outside(node) => {
                self.ready(node)?;
                let devices = [0, UNDERLAY_IFINDEX];
                self.off(node, names::UNDERLAY_INGRESS, ethertype, devices, chances, &mut journey)?
            }
            Entry::Peer { from, to } => Next::Mesh { from: from.clone(), to: to.clone() },
        };
        for _ in 0..HOPS {
            next = match next {
                Next::End(end) => {
                    journey.end = end;
                    break;
                }
                Next::Mesh { from, to } => {
                    let source = wire::addresses(&journey.packet).map(|(src, _)| src);
                    if !source.is_some_and(|source| self.allowed_ips(&from, source)) {
                        journey.end = End::Lost(Loss::AllowedIps);
                        break;
                    }
                    self.ready(&to)?;
                    let devices = [0, MESH_IFINDEX];
                    self.off(&to, names::WG_INGRESS, ethertype, devices, chances, &mut journey)?
                }
                Next::Underlay { to } => {
                    self.ready(&to)?;
                    let devices = [0, UNDERLAY_IFINDEX];
                    self.off(&to, names::UNDERLAY_INGRESS, ethertype, devices, chances, &mut journey)?
                }
            };
        }
        Ok(journey)
    }

    /// Off a device into a node: its hook, then whatever the node does with it.
    fn off(
        &mut self,
        node: &str,
        hook: &'static str,
        ethertype: u16,
        [ifindex, ingress_ifindex]: [u32; 2],
        chances: Chances,
        journey: &mut Journey,
    ) -> Result<Next, TestRunError> {
        let context = Context { mark: chances.mark, ifindex, ingress_ifindex };
        let packet = journey.packet.clone();
        let mark = match self.pass(node, hook, (ethertype, packet), context, journey)? {
            Ok(mark) => mark,
            Err(dropped) => return Ok(dropped),
        };
        if !is_ip(ethertype) {
            return Ok(Next::End(End::Lost(Loss::NotIp)));
        }
        let Some(packet) = wire::received(&journey.packet, ethertype == ETHERTYPE_IPV6) else {
            return Ok(Next::End(End::Lost(Loss::Malformed)));
        };
        self.cross(Crossing { node: node.to_owned(), packet, mark, ingress_ifindex }, chances, journey)
    }

    /// Runs a hook; the mark behind it, or the end.
    pub(super) fn pass(
        &mut self,
        node: &str,
        hook: &'static str,
        (ethertype, packet): (u16, Vec<u8>),
        context: Context,
        journey: &mut Journey,
    ) -> Result<Result<u32, Next>, TestRunError> {
        let hooks = self.nodes.get_mut(node).map(|n| &mut n.hooks);
        let hooks = hooks.ok_or_else(|| TestRunError::NoNode(node.to_owned()))?;
        let outcome = hooks.run(node, hook, (ethertype, &packet), context)?;
        journey.packet.clone_from(&packet);
        let (mark, dropped) = ([context.mark, outcome.mark], outcome.dropped);
        journey.steps.push(Step { node: node.to_owned(), hook, packet, mark, dropped });
        Ok(match dropped {
            None => Ok(outcome.mark),
            Some(reason) => Err(Next::End(End::Dropped { node: node.to_owned(), hook, reason })),
        })
    }
}

fn is_ip(ethertype: u16) -> bool {
    [ETHERTYPE_IPV4, ETHERTYPE_IPV6].contains(&ethertype)
}
