//! A small cluster seen from one node, written into a rig's tables: what most tests start from.
mod who;

pub use who::{Family, Who};

use super::rig::Capacity;
use super::{Context, Outcome, Packet, Rig};
use anyhow::{Context as _, Result};
use ipnetwork::IpNetwork;
use ringfence_abi::{Addr, AddressKind, Config, EndpointValue, Mark, Origin, PolicyValue, names};

/// The veths of the pods here.
pub const VETH_A: u32 = 11;
/// Of the other.
pub const VETH_B: u32 = 12;
/// Generation at the start.
pub const GENERATION: u32 = 7;

/// A rig and what was written into it.
pub struct World {
    /// The maps and programs.
    pub rig: Rig,
    /// What `RF_CONFIG` holds.
    pub config: Config,
    /// Endpoint of pod A.
    pub a: EndpointValue,
    /// Endpoint of pod B.
    pub b: EndpointValue,
}

impl World {
    /// Nobody isolated.
    ///
    /// # Errors
    /// As [`Rig::new`].
    pub fn new() -> Result<Self> {
        Self::with(Capacity::default())
    }

    /// The same with other capacities.
    ///
    /// # Errors
    /// As [`Rig::new`].
    pub fn with(capacity: Capacity) -> Result<Self> {
        let mut rig = Rig::new(capacity)?;
        rig.device(VETH_A)?;
        rig.device(VETH_B)?;
        let config = Config {
            generation: GENERATION,
            transit_class_v4: 90,
            transit_class_v6: 91,
            flags: 0,
            wireguard_ports: [51_820u16.to_be(), 51_821u16.to_be()],
            changed: 0,
        };
        let mut world = Self { rig, config, a: pod(101, 11, Who::A), b: pod(102, 12, Who::B) };
        world.fill()?;
        world.write()?;
        Ok(world)
    }

    fn fill(&mut self) -> Result<()> {
        use AddressKind::{External, LocalPod, LocalPodRange, RemoteNode, RemotePod, RemotePodRange};
        for family in Family::BOTH {
            for (who, kind, class, owner) in [
                (Who::A, LocalPod, 11, VETH_A),
                (Who::B, LocalPod, 12, VETH_B),
                (Who::Pending, LocalPod, 13, 0),
                (Who::Remote, RemotePod, 21, 2),
                (Who::OtherRemote, RemotePod, 22, 2),
                (Who::Node, AddressKind::ThisNode, 40, 0),
                (Who::Gateway, AddressKind::ThisNode, 40, 0),
                (Who::RemoteNode, RemoteNode, 50, 2),
                (
                    Who::RemoteGateway,
                    AddressKind::RemoteTransit,
                    if family == Family::V4 { 90 } else { 91 },
                    2,
                ),
            ] {
                self.rig.set_address(who.ip(family), kind, class, owner)?;
            }
            self.rig.set_service(Who::ClusterIp.ip(family), 80, 6, 0)?;
            self.rig.set_service(Who::ClusterIp.ip(family), 0, 0, 0)?;
            self.rig.set_service(Who::ApiServer.ip(family), 443, 6, 80)?;
            self.rig.set_service(Who::ApiServer.ip(family), 0, 0, 0)?;
        }
        for (net, kind, class) in [
            ("0.0.0.0/0", External, 71),
            ("::/0", External, 71),
            ("203.0.113.0/24", External, 70),
            ("2001:db8::/64", External, 70),
            ("10.0.0.0/12", RemotePodRange, 29),
            ("fd10::/16", RemotePodRange, 29),
            ("10.1.0.0/24", LocalPodRange, 0),
            ("fd10:1::/64", LocalPodRange, 0),
        ] {
            let net: IpNetwork = net.parse().context("a network")?;
            self.rig.set_prefix(net, kind, class)?;
        }
        Ok(())
    }

    /// Writes endpoints and configuration after the fields have been changed.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn write(&mut self) -> Result<()> {
        let isolated = [self.a, self.b].iter().any(|pod| pod.ingress_profile != 0 || pod.egress_profile != 0);
        self.config.flags = if isolated { Config::ANY_ISOLATED } else { 0 };
        self.rig.set_endpoint(VETH_A, self.a)?;
        self.rig.set_endpoint(VETH_B, self.b)?;
        self.rig.set_config(self.config)
    }

    /// Moves the policy generation on, as the agent does after every change.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn next_generation(&mut self) -> Result<()> {
        self.config.generation += 1;
        self.write()
    }

    /// Puts one line of policy in.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn allow(&mut self, profile: u32, class: u32, value: PolicyValue) -> Result<()> {
        self.rig.set_policy(profile, class, value)
    }

    /// A packet of pod A as it enters the node.
    ///
    /// # Errors
    /// As [`Rig::run`].
    pub fn from_a(&mut self, packet: &Packet) -> Result<Outcome> {
        self.rig.run(names::POD_EGRESS, &packet.frame(), at(VETH_A, VETH_A))
    }

    /// A packet of pod B as it enters the node.
    ///
    /// # Errors
    /// As [`Rig::run`].
    pub fn from_b(&mut self, packet: &Packet) -> Result<Outcome> {
        self.rig.run(names::POD_EGRESS, &packet.frame(), at(VETH_B, VETH_B))
    }

    /// A packet of pod A (by its veth, whatever its source) at a hook behind routing.
    ///
    /// # Errors
    /// As [`Rig::run`].
    pub fn of_a(&mut self, hook: &str, packet: &Packet, bits: u32) -> Result<Outcome> {
        let mark = Mark(Origin::LocalPod as u32 | bits).write(0, Mark::SHIFT_DEFAULT);
        let ifindex = if hook == names::POD_INGRESS { VETH_B } else { 0 };
        self.rig.run(hook, &packet.frame(), Context { mark, ingress_ifindex: VETH_A, ifindex })
    }

    /// The same of pod B.
    ///
    /// # Errors
    /// As [`Rig::run`].
    pub fn of_b(&mut self, hook: &str, packet: &Packet, bits: u32) -> Result<Outcome> {
        let mark = Mark(Origin::LocalPod as u32 | bits).write(0, Mark::SHIFT_DEFAULT);
        let ifindex = if hook == names::POD_INGRESS { VETH_A } else { 0 };
        self.rig.run(hook, &packet.frame(), Context { mark, ingress_ifindex: VETH_B, ifindex })
    }

    /// A packet to pod B that entered otherwise: with this mark, by this device.
    ///
    /// # Errors
    /// As [`Rig::run`].
    pub fn to_b(&mut self, packet: &Packet, mark: Mark, ingress_ifindex: u32) -> Result<Outcome> {
        let mark = mark.write(0, Mark::SHIFT_DEFAULT);
        self.rig.run(names::POD_INGRESS, &packet.frame(), Context { mark, ingress_ifindex, ifindex: VETH_B })
    }

    /// A packet at a hook where nothing but its bytes counts.
    ///
    /// # Errors
    /// As [`Rig::run`].
    pub fn at(&mut self, hook: &str, packet: &Packet) -> Result<Outcome> {
        self.rig.run(hook, &packet.frame(), Context::default())
    }
}

fn pod(id: u32, class: u32, who: Who) -> EndpointValue {
    EndpointValue {
        id,
        class_v4: class,
        class_v6: class,
        v4: Addr::from(who.ip(Family::V4)),
        v6: Addr::from(who.ip(Family::V6)),
        ..EndpointValue::default()
    }
}

fn at(ifindex: u32, ingress_ifindex: u32) -> Context {
    Context { mark: 0, ingress_ifindex, ifindex }
}

/// A mark of this origin, nothing judged.
pub fn entered(origin: Origin) -> Mark {
    Mark::entered(origin)
}

/// Every port of every protocol.
pub const EVERYTHING: PolicyValue = PolicyValue {
    tcp: PolicyValue::ALL,
    udp: PolicyValue::ALL,
    sctp: PolicyValue::ALL,
    other: PolicyValue::ALL,
};

/// Port set `index` of one protocol (6, 17 or 132) and nothing else.
pub fn ports(protocol: u8, index: u32) -> PolicyValue {
    let mut value = PolicyValue::default();
    match protocol {
        6 => value.tcp = index,
        17 => value.udp = index,
        132 => value.sctp = index,
        _ => value.other = index,
    }
    value
}
