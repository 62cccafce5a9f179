//! What policy says of a packet for its own sake, whatever was sent before.
use super::ends::{Known, Who};
use crate::evaluator::{Direction, Pod, Seen, allowed, isolated};
use crate::packets::reading::Shape;
use anyhow::{Context, Result};
use std::net::IpAddr;

/// Yes, no, or not laid down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tri {
    /// It must not pass.
    No,
    /// The documents leave it open.
    Maybe,
    /// It must pass.
    Yes,
}

impl Tri {
    /// Both.
    pub fn and(self, other: Self) -> Self {
        if (self as u8) < (other as u8) { self } else { other }
    }

    /// Either.
    pub fn or(self, other: Self) -> Self {
        if (self as u8) > (other as u8) { self } else { other }
    }

    /// From a plain answer.
    pub fn of(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// Real ends of a packet, behind all translation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ends {
    /// Who sends it.
    pub from: Who,
    /// The address that the destination's node judges it by, its sender's own unless `masqueraded`.
    pub source: IpAddr,
    /// Who it is for.
    pub to: Who,
    /// The destination's own address.
    pub target: IpAddr,
    /// Nobody at the destination's node can tell who sent it.
    pub unknown: bool,
    /// It went by way of another node's address.
    pub away: bool,
    /// The sender's node asks nobody.
    pub lawless: bool,
}

impl Ends {
    /// Of a packet of the receiver's own to the sender, straight.
    pub fn reversed(&self) -> Self {
        Self {
            from: self.to.clone(),
            source: self.target,
            to: self.from.clone(),
            target: self.source,
            unknown: false,
            away: false,
            lawless: false,
        }
    }
}

/// What is said of each direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Judged {
    /// The sender's egress.
    pub egress: Tri,
    /// The receiver's ingress.
    pub ingress: Tri,
}

impl Judged {
    /// Both directions.
    pub fn both(self) -> Tri {
        self.egress.and(self.ingress)
    }

    /// In each direction, either.
    pub fn or(self, other: Self) -> Self {
        Self { egress: self.egress.or(other.egress), ingress: self.ingress.or(other.ingress) }
    }
}

impl Known {
    /// Asks policy about a packet of this shape between these ends; `port` is the destination's own, if it has ports.
    pub fn judge(&self, ends: &Ends, shape: Shape, port: u16) -> Result<Judged> {
        let (from, to) = (self.node_of(&ends.from), self.node_of(&ends.to));
        let pod_and_node = matches!(
            (&ends.from, &ends.to),
            (Who::Pod(_), Who::Node(_)) | (Who::Node(_), Who::Pod(_)) | (Who::Pod(_), Who::Pod(_))
        );
        let same_pod = matches!(ends.from, Who::Pod(_)) && ends.from == ends.to;
        let own_node = matches!(ends.from, Who::Node(_)) || matches!(ends.to, Who::Node(_));
        let together = pod_and_node && from.is_some() && from == to && (same_pod || own_node);
        let mut judged = Judged { egress: Tri::Yes, ingress: Tri::Yes };
        if same_pod && ends.away {
            // Through another node, where nobody on the way can know that it is itself.
            return Ok(Judged { egress: Tri::Maybe, ingress: Tri::Maybe });
        }
        let destination = self.pod_of(&ends.to)?;
        if let (Some(pod), false) = (self.pod_of(&ends.from)?, together || ends.lawless) {
            let seen = match destination {
                Some(other) => Seen::Pod(other, ends.target),
                None => Seen::Address(ends.target),
            };
            judged.egress = self.ask(pod, Direction::Egress, seen, destination, (shape, port))?;
            // The gateway of another node's pod CIDR stands for whom that node masquerades: blocks need not match it.
            if self.is_gateway(ends.target) {
                judged.egress = judged.egress.and(Tri::Maybe);
            }
        }
        if let (Some(pod), false) = (destination, together && !ends.unknown) {
            let seen = match self.pod_of(&ends.from)? {
                _ if ends.unknown => Seen::Transit(ends.target),
                Some(other) => Seen::Pod(other, ends.source),
                None => Seen::Address(ends.source),
            };
            judged.ingress = self.ask(pod, Direction::Ingress, seen, destination, (shape, port))?;
        }
        Ok(judged)
    }

    fn pod_of(&self, who: &Who) -> Result<Option<&Pod>> {
        match who {
            Who::Pod(name) => self.pod(name).map(Some).with_context(|| format!("no pod {name}")),
            _ => Ok(None),
        }
    }

    fn ask(
        &self,
        pod: &Pod,
        direction: Direction,
        other: Seen<'_>,
        destination: Option<&Pod>,
        (shape, port): (Shape, u16),
    ) -> Result<Tri> {
        if !isolated(&self.cluster, pod, direction)? {
            return Ok(Tri::Yes);
        }
        let ask = |port: u16, protocol: &str| {
            Ok::<_, anyhow::Error>(
                allowed(&self.cluster, pod, direction, other, destination, port, protocol)?.is_some(),
            )
        };
        let protocol = match shape {
            Shape::Whole(t) => return Ok(Tri::of(ask(port, name(t.protocol))?)),
            // Only rules that cover every protocol and port can be known to allow it.
            Shape::Unreadable => return Ok(Tri::of(ask(0, OTHER)?)),
            Shape::Later(protocol) => protocol,
        };
        if name(protocol) == OTHER || ask(0, OTHER)? {
            return Ok(Tri::of(ask(0, name(protocol))?));
        }
        // Every port must be allowed. Policies here name few: those, their neighbours and the ends tell.
        for port in self.telling_ports() {
            if !ask(port, name(protocol))? {
                return Ok(Tri::No);
            }
        }
        Ok(Tri::Maybe)
    }

    /// Ports at which what policies allow may change.
    fn telling_ports(&self) -> Vec<u16> {
        let mut ports = vec![0, u16::MAX];
        let mut add = |port: u16| ports.extend([port.saturating_sub(1), port, port.saturating_add(1)]);
        for item in self.cluster.policies.iter().flat_map(|p| numbers(&p["spec"])) {
            add(item);
        }
        self.cluster.pods.iter().flat_map(|p| &p.ports).for_each(|p| add(p.port));
        ports.sort_unstable();
        ports.dedup();
        ports
    }
}

/// Stands for every protocol that rules cannot name.
const OTHER: &str = "OTHER";

/// As rules name it.
fn name(protocol: u8) -> &'static str {
    match protocol {
        6 => "TCP",
        17 => "UDP",
        132 => "SCTP",
        _ => OTHER,
    }
}

/// Every `port` and `endPort` that is a number.
fn numbers(value: &serde_json::Value) -> Vec<u16> {
    match value {
        serde_json::Value::Object(fields) => {
            let of = |name: &str| fields.get(name)?.as_u64().and_then(|n| u16::try_from(n).ok());
            let own = [of("port"), of("endPort")].into_iter().flatten();
            own.chain(fields.values().flat_map(numbers)).collect()
        }
        serde_json::Value::Array(items) => items.iter().flat_map(numbers).collect(),
        _ => Vec::new(),
    }
}
