//! The network between nodes: a bridge in a namespace of its own.
use super::Netns;
use anyhow::Result;
use std::net::Ipv4Addr;
use std::ops::Deref;

/// A bridge that nodes are attached to.
#[derive(Debug)]
pub struct Underlay {
    namespace: Netns,
}

impl Underlay {
    /// A bridge without nodes.
    ///
    /// # Errors
    /// As [`Netns::new`].
    pub fn new(label: &str) -> Result<Self> {
        let namespace = Netns::new(&format!("{label}-underlay"))?;
        namespace.run("ip link add br0 type bridge forward_delay 0")?;
        namespace.run("ip link set br0 up")?;
        Ok(Self { namespace })
    }

    /// Connects a node: `port` names the bridge's end, the node's is `eth0` with these addresses.
    ///
    /// # Errors
    /// If `ip` refuses.
    pub fn attach(&self, node: &Netns, port: &str, addresses: &[&str]) -> Result<()> {
        let bridge = &self.namespace;
        let (mac, pid) = (mac(addresses), node.pid());
        bridge.run(&format!("ip link add {port} type veth peer name eth0{mac} netns {pid}"))?;
        bridge.run(&format!("ip link set {port} master br0 up"))?;
        for address in addresses {
            // No duplicate address detection: the address is there at once.
            let flags = if address.contains(':') { " nodad" } else { "" };
            node.run(&format!("ip address add {address} dev eth0{flags}"))?;
        }
        node.run("ip link set eth0 up").map(drop)
    }
}

/// The link-layer address of who has this IPv4 address, the same whenever it is attached: to who is attached in the place of
/// another the others would send by what their neighbour tables still say of that.
fn mac(addresses: &[&str]) -> String {
    let v4 = |address: &&str| address.split('/').next()?.parse::<Ipv4Addr>().ok();
    let of = |v4: Ipv4Addr| {
        let [a, b, c, d] = v4.octets();
        format!(" address 02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
    };
    addresses.iter().find_map(v4).map(of).unwrap_or_default()
}

impl Deref for Underlay {
    type Target = Netns;

    fn deref(&self) -> &Netns {
        &self.namespace
    }
}
