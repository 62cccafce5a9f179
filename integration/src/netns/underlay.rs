//! The network between nodes: a bridge in a namespace of its own.
use super::Netns;
use anyhow::Result;
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
        bridge.run(&format!("ip link add {port} type veth peer name eth0 netns {}", node.pid()))?;
        bridge.run(&format!("ip link set {port} master br0 up"))?;
        for address in addresses {
            // No duplicate address detection: the address is there at once.
            let flags = if address.contains(':') { " nodad" } else { "" };
            node.run(&format!("ip address add {address} dev eth0{flags}"))?;
        }
        node.run("ip link set eth0 up").map(drop)
    }
}

impl Deref for Underlay {
    type Target = Netns;

    fn deref(&self) -> &Netns {
        &self.namespace
    }
}
