//! One node's part of an answer: its tables, asked as its programs ask them.
use crate::desired::Snapshot;
use crate::model::Protocol;
use crate::policy::compiler::Compiler;
use crate::policy::offline::local_view;
use crate::policy::tables::Tables;
use crate::watch::queries::{Decider, Direction, Verdict};
use ipnetwork::IpNetwork;
use ringfence_abi::{AddressKind, EndpointValue};
use std::net::IpAddr;
use std::sync::Arc;

/// A port of a protocol, host order.
pub(super) type Port = (Protocol, u16);

/// A node with its tables.
#[derive(Debug)]
pub(super) struct NodeModel {
    compiler: Compiler,
    tables: Arc<Tables>,
}

/// Who a packet comes from, as the destination's node tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    /// The node itself.
    ThisNode,
    /// Somebody at this address.
    At(IpAddr),
    /// Somebody that a node masqueraded.
    Transit { ipv6: bool },
}

impl NodeModel {
    pub(super) fn new(mut compiler: Compiler, snapshot: &Snapshot, node: &str, cidrs: &[IpNetwork]) -> Self {
        let tables = compiler.compile(snapshot, &local_view(snapshot, node, cidrs)).tables;
        Self { compiler, tables }
    }

    fn endpoint(&self, address: IpAddr) -> Option<&EndpointValue> {
        let found = self.tables.locate(address);
        (found.kind == AddressKind::LocalPod).then_some(())?;
        self.tables.live_endpoint(found.owner)
    }

    /// `pod_egress` towards an address that no node has translated yet, then the later hook of its own node.
    pub(super) fn egress(&self, source: IpAddr, target: IpAddr, (protocol, port): Port) -> Direction {
        let Some(endpoint) = self.endpoint(source) else { return closed() };
        let found = self.tables.locate(target);
        let mine = source == target;
        if endpoint.egress_profile == 0 || found.kind == AddressKind::ThisNode || mine {
            return Direction::open();
        }
        self.ask(endpoint.egress_profile, found.class, (protocol, port))
    }

    /// `pod_egress` towards a Service: what no later hook of this node judges. `None`: all of it is judged later, or the
    /// table does not know the address.
    pub(super) fn service(
        &self,
        source: IpAddr,
        dialled: IpAddr,
        port: Port,
        real: (IpAddr, u16),
    ) -> Option<Direction> {
        let Some(endpoint) = self.endpoint(source) else { return Some(closed()) };
        let profile = endpoint.egress_profile;
        let class = self.tables.service_class(dialled, port.0.number(), port.1).filter(|c| *c != 0)?;
        if profile == 0 {
            return Some(Direction::open());
        }
        if self.tables.permits(profile, class, port.0.number(), port.1) {
            let class = self.tables.locate(real.0).class;
            let policies = self.compiler.deciders(profile, class, port.0, real.1);
            return Some(Direction { verdict: Verdict::Allow, policies });
        }
        Some(Direction { verdict: Verdict::Deny, policies: self.compiler.isolating(profile) })
    }

    /// Whether the services table leaves this address and port to later hooks, or does not have it.
    pub(super) fn knows_service(&self, dialled: IpAddr, port: Port) -> bool {
        let found = self.tables.locate(dialled);
        found.kind == AddressKind::ThisNode
            || self.tables.service_class(dialled, port.0.number(), port.1).is_some()
    }

    /// `pod_ingress`, or `wg_ingress` for a pod addressed as itself.
    pub(super) fn ingress(&self, target: IpAddr, seen: Seen, port: Port) -> Direction {
        let Some(endpoint) = self.endpoint(target) else { return closed() };
        if endpoint.ingress_profile == 0 {
            return Direction::open();
        }
        let class = match seen {
            Seen::ThisNode => return Direction::open(),
            Seen::Transit { ipv6 } => self.tables.transit_class[usize::from(ipv6)],
            Seen::At(source) => match self.endpoint(source) {
                Some(other) if other.id == endpoint.id => return Direction::open(),
                Some(other) if source.is_ipv4() => other.class_v4,
                Some(other) => other.class_v6,
                None => self.tables.locate(source).class,
            },
        };
        self.ask(endpoint.ingress_profile, class, port)
    }

    fn ask(&self, profile: u32, class: u32, (protocol, port): Port) -> Direction {
        let (verdict, policies): (_, Vec<Decider>) =
            match self.tables.permits(profile, class, protocol.number(), port) {
                true => (Verdict::Allow, self.compiler.deciders(profile, class, protocol, port)),
                false => (Verdict::Deny, self.compiler.isolating(profile)),
            };
        Direction { verdict, policies }
    }
}

/// Everything of such a pod is dropped.
fn closed() -> Direction {
    Direction { verdict: Verdict::Deny, policies: Vec::new() }
}
