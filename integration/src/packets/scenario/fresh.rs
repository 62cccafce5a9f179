//! New connections, and single packets of protocols without any.
use super::{Draft, PORTS, Scenario};
use crate::packets::oracle::{Known, Sender};
use crate::testrun::packet::{Echo, Extension, Packet, flags};
use std::net::IpAddr;

/// Protocols without ports: IP in IP, GRE, ESP, VRRP, no next header, one that does not exist.
const OTHERS: [u8; 6] = [4, 47, 50, 112, 59, 253];

/// A destination, with a port that may mean something there, and its protocol.
pub(super) struct Target {
    pub(super) address: IpAddr,
    pub(super) port: u16,
    pub(super) protocol: Option<u8>,
}

impl Scenario {
    pub(super) fn fresh(&mut self, known: &Known) -> Option<Draft> {
        let v4 = self.family();
        let (sender, source) = self.sender(known, v4)?;
        let target = self.target(known, v4, &sender)?;
        let mut packet = self.opening(source, &target);
        self.dress(&mut packet);
        Some(self.draft(sender, &packet))
    }

    /// Somebody with an address of its own.
    pub(super) fn sender(&mut self, known: &Known, v4: bool) -> Option<(Sender, IpAddr)> {
        Some(match self.dice.below(20) {
            0..=13 => {
                let (address, name, _) = self.a_pod(known, v4)?;
                (Sender::Pod(name), address)
            }
            14 | 15 => {
                let (address, name) = self.a_node(known, v4)?;
                (Sender::Node(name), address)
            }
            _ => {
                let (_, node) = self.a_node(known, v4)?;
                (Sender::Outside(node), self.outside(v4))
            }
        })
    }

    pub(super) fn target(&mut self, known: &Known, v4: bool, sender: &Sender) -> Option<Target> {
        let any = *self.dice.pick(&PORTS)?;
        let plain = |address| Some(Target { address, port: any, protocol: None });
        match self.dice.below(24) {
            0..=11 => {
                let (address, name, node) = self.a_pod(known, v4)?;
                // What is for a pod comes off the wire at its own node, mostly.
                if matches!(sender, Sender::Outside(at) if *at != node) && self.dice.chance(90) {
                    return None;
                }
                let ports = &known.pod(&name)?.ports;
                match self.dice.pick(ports) {
                    Some(port) if self.dice.chance(75) => Some(Target {
                        address,
                        port: port.port,
                        protocol: self.dice.chance(85).then_some(number(&port.protocol)),
                    }),
                    _ => plain(address),
                }
            }
            12 | 13 => plain(self.a_node(known, v4)?.0),
            14 | 15 => plain(self.outside(v4)),
            16 => {
                let pods: Vec<_> = known.cluster.pods.iter().filter(|p| !p.host_network).collect();
                let pod = *self.dice.pick(&pods)?;
                let port = pod.ports.iter().find(|p| p.host_port.is_some())?;
                let node = known.cluster.node(&pod.node)?;
                let address = *node.addresses.iter().find(|a| a.is_ipv4() == v4)?;
                Some(Target { address, port: port.host_port?, protocol: Some(number(&port.protocol)) })
            }
            17 => plain(self.nobody(known, v4)?),
            18 => {
                let (_, node) = self.a_node(known, v4)?;
                let family = if v4 { crate::evaluator::Family::IPv4 } else { crate::evaluator::Family::IPv6 };
                plain(known.gateway(&node, family)?)
            }
            _ => {
                let service = self.dice.pick(&known.cluster.services)?;
                let entry = self.dice.pick(&service.ports)?;
                let protocol = self.dice.chance(95).then_some(number(&entry.protocol));
                if let (Some(port), true) = (entry.node_port, self.dice.chance(45)) {
                    let address = self.a_node(known, v4)?.0;
                    return Some(Target { address, port, protocol });
                }
                let outsider = matches!(sender, Sender::Outside(_));
                let ips = if outsider { &service.external_ips } else { &service.cluster_ips };
                let all: Vec<IpAddr> =
                    ips.iter().chain(&service.external_ips).copied().filter(|a| a.is_ipv4() == v4).collect();
                let address = *self.dice.pick(&all)?;
                let port = if self.dice.chance(92) { entry.port } else { any };
                Some(Target { address, port, protocol })
            }
        }
    }

    /// The first packet of a connection, or one of those that are never anything else.
    pub(super) fn opening(&mut self, source: IpAddr, target: &Target) -> Packet {
        let kinds = [6, 17, 132, 6, 17, 1, 0];
        let protocol = target.protocol.unwrap_or_else(|| kinds[self.dice.below(kinds.len())]);
        let from = match self.dice.chance(15) {
            true => PORTS[self.dice.below(PORTS.len())],
            false => self.dice.port(),
        };
        let ports = (from, target.port);
        match protocol {
            6 => Packet::tcp(source, target.address, ports, flags::SYN),
            17 => Packet::udp(source, target.address, ports),
            132 => Packet::sctp(source, target.address, ports, 1),
            1 => {
                let id = self.dice.below(8) as u16 + 1;
                if self.dice.chance(80) {
                    return Packet::echo(source, target.address, Echo::Request, id);
                }
                // Timestamp and information requests; in IPv6 what has no type.
                let kind = if source.is_ipv4() { 13 } else { 200 };
                Packet::icmp(source, target.address, kind, 0, [0, 1, 0, 1])
            }
            _ => Packet::other(source, target.address, OTHERS[self.dice.below(OTHERS.len())]),
        }
    }

    /// Now and then: IPv4 options, IPv6 extension headers, hop limits.
    pub(super) fn dress(&mut self, packet: &mut Packet) {
        if self.dice.chance(10) {
            packet.options = 4 * (1 + self.dice.below(10));
        }
        if packet.src.is_ipv6() && self.dice.chance(15) {
            let count = if self.dice.chance(10) { 7 + self.dice.below(3) } else { 1 + self.dice.below(3) };
            packet.extensions = (0..count).map(|_| self.extension()).collect();
        }
        if self.dice.chance(4) {
            packet.hop_limit = *self.dice.pick(&[1, 2, 255]).unwrap_or(&64);
        }
    }

    pub(super) fn extension(&mut self) -> Extension {
        match self.dice.below(9) {
            0..=2 => Extension::HopByHop,
            3..=5 => Extension::Destination,
            6 | 7 => Extension::Authentication,
            _ => Extension::Routing(if self.dice.chance(30) { 1 } else { 0 }),
        }
    }
}

fn number(protocol: &str) -> u8 {
    match protocol {
        "TCP" => 6,
        "UDP" => 17,
        _ => 132,
    }
}
