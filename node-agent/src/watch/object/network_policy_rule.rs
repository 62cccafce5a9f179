//! One rule of a NetworkPolicy: peers and ports.
use super::findings::{Findings, quoted};
use super::path::FieldPath;
use super::port::{self, NumberOrName};
use super::{address, selector};
use crate::model::{IpBlock, NamespaceMatch, Peer, Peers, PortMatch, Ports, Rule};
use ipnetwork::IpNetwork;
use serde::Deserialize;
use serde_json::Value;

/// Of which list and policy a rule is.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// Peers are under `from` or under `to`.
    pub(super) direction: Direction,
    /// The policy's namespace, which a bare podSelector means.
    pub(super) namespace: &'a str,
}

/// A direction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Ingress,
    Egress,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Ingress {
    from: Option<Value>,
    ports: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Egress {
    to: Option<Value>,
    ports: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PeerWire {
    pod_selector: Option<Value>,
    namespace_selector: Option<Value>,
    ip_block: Option<BlockWire>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BlockWire {
    cidr: Option<String>,
    except: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PortWire {
    protocol: Option<String>,
    port: Option<NumberOrName>,
    end_port: Option<i64>,
}

const NO_RULE: &str = "the rule allows nothing";
const NO_PEER: &str = "this peer matches nothing";
const NO_PORT: &str = "this port matches nothing";

/// Reads one entry of `ingress` or `egress`.
pub(super) fn read(at: &FieldPath<'_>, context: Context<'_>, value: &Value, f: &mut Findings) -> Rule {
    let nothing =
        Rule { peers: Peers::Only(vec![Peer::Nothing]), ports: Ports::Only(vec![PortMatch::Nothing]) };
    let (wire, _) = f.instead(NO_RULE, |f| match context.direction {
        Direction::Ingress => f.decode::<Ingress>(at, value).map(|w| (w.from, w.ports)),
        Direction::Egress => f.decode::<Egress>(at, value).map(|w| (w.to, w.ports)),
    });
    let Some((peers, ports)) = wire else { return nothing };
    let peers_at = at.key(if context.direction == Direction::Ingress { "from" } else { "to" });
    let ports_at = at.key("ports");
    let lists = f.instead(NO_RULE, |f| {
        let peers = f.decode_or_default::<Vec<Value>>(&peers_at, peers.as_ref());
        let ports = f.decode_or_default::<Vec<Value>>(&ports_at, ports.as_ref());
        Some((peers?, ports?))
    });
    let Some((peers, ports)) = lists.0 else { return nothing };
    let peers = peers.iter().enumerate();
    let peers: Vec<_> = peers
        .map(|(i, value)| {
            f.instead(NO_PEER, |f| peer(&peers_at.index(i), context.namespace, value, f))
                .0
                .unwrap_or(Peer::Nothing)
        })
        .collect();
    let ports = ports.iter().enumerate();
    let ports: Vec<_> = ports
        .map(|(i, value)| {
            f.instead(NO_PORT, |f| port(&ports_at.index(i), value, f)).0.unwrap_or(PortMatch::Nothing)
        })
        .collect();
    Rule {
        peers: if peers.is_empty() { Peers::Any } else { Peers::Only(peers) },
        ports: if ports.is_empty() { Ports::Any } else { Ports::Only(ports) },
    }
}

fn peer(at: &FieldPath<'_>, own: &str, value: &Value, f: &mut Findings) -> Option<Peer> {
    let wire: PeerWire = f.decode(at, value)?;
    let pods = wire.pod_selector.map(|value| selector::read(&at.key("podSelector"), &value, f));
    let namespaces =
        wire.namespace_selector.map(|value| selector::read(&at.key("namespaceSelector"), &value, f));
    match (namespaces, pods, wire.ip_block) {
        (None, None, None) => {
            f.add(at, "the peer is empty: give it a podSelector, a namespaceSelector or an ipBlock, or remove the list to match everyone");
            None
        }
        (None, None, Some(wire)) => block(&at.key("ipBlock"), wire, f).map(Peer::Block),
        (_, _, Some(_)) => {
            f.add(at, "an ipBlock cannot be combined with selectors: make two peers of it");
            None
        }
        (namespaces, pods, None) => {
            let namespaces = match namespaces {
                None => NamespaceMatch::Named(own.to_owned()),
                Some(selector) => NamespaceMatch::Selected(selector?),
            };
            let pods = match pods {
                None => Default::default(),
                Some(selector) => selector?,
            };
            Some(Peer::Pods { namespaces, pods })
        }
    }
}

fn block(at: &FieldPath<'_>, wire: BlockWire, f: &mut Findings) -> Option<IpBlock> {
    let cidr = network(&at.key("cidr"), &wire.cidr.unwrap_or_default(), f)?;
    let list = at.key("except");
    let (mut except, mut fine) = (Vec::new(), true);
    for (i, text) in wire.except.unwrap_or_default().iter().enumerate() {
        let at = list.index(i);
        match network(&at, text, f) {
            Some(inner) if within(inner, cidr) => except.push(inner),
            Some(_) => {
                f.add(
                    &at,
                    format!(
                        "{} is not a smaller part of cidr {cidr}: remove it or correct one of them",
                        quoted(text)
                    ),
                );
                fine = false;
            }
            None => fine = false,
        }
    }
    fine.then_some(IpBlock { cidr, except })
}

fn network(at: &FieldPath<'_>, text: &str, f: &mut Findings) -> Option<IpNetwork> {
    match address::cidr(text) {
        Ok(network) => Some(network),
        Err(reason) => {
            f.add(at, format!("{}: {reason}", quoted(text)));
            None
        }
    }
}

/// A strict part, as the API demands of `except`.
fn within(inner: IpNetwork, outer: IpNetwork) -> bool {
    inner.is_ipv4() == outer.is_ipv4() && outer.contains(inner.ip()) && inner.prefix() > outer.prefix()
}

fn port(at: &FieldPath<'_>, value: &Value, f: &mut Findings) -> Option<PortMatch> {
    let wire: PortWire = f.decode(at, value)?;
    let protocol = port::protocol(&at.key("protocol"), wire.protocol.as_deref(), f);
    let (port_at, end_at) = (at.key("port"), at.key("endPort"));
    match (wire.port, wire.end_port) {
        (None, None) => protocol.map(PortMatch::All),
        (None, Some(_)) => {
            f.add(&end_at, "endPort needs a port where the range begins: add `port`");
            None
        }
        (Some(NumberOrName::Name(name)), end) => {
            let before = f.0.len();
            port::name(&port_at, &name, f);
            if end.is_some() {
                f.add(&end_at, "endPort needs a `port` that is a number: a named port has no range");
            }
            (f.0.len() == before).then_some(PortMatch::Named(protocol?, name))
        }
        (Some(NumberOrName::Number(first)), end) => {
            let first = port::number(&port_at, first, f);
            let last = match end {
                None => first,
                Some(end) => port::number(&end_at, end, f),
            };
            let (first, last) = (first?, last?);
            if last < first {
                f.add(&end_at, format!("the range ends before it begins: {last} is less than port {first}"));
                return None;
            }
            Some(PortMatch::Range(protocol?, first, last))
        }
    }
}
