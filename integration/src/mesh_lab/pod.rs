//! A pod: a namespace behind a veth, wired as the CNI plugin `ptp` does it.
use crate::netns::Netns;
use anyhow::Result;

/// A pod of a node.
#[derive(Debug)]
pub struct TestPod {
    /// Its namespace.
    pub netns: Netns,
    /// Address.
    pub v4: String,
    /// Address.
    pub v6: String,
}

impl TestPod {
    /// Makes the pod `host` (its last number) of node `number` and connects it.
    ///
    /// # Errors
    /// If `ip` refuses.
    pub fn new(label: &str, node: &Netns, number: u8, host: u8) -> Result<Self> {
        let netns = Netns::new(&format!("{label}-n{number}-p{host}"))?;
        let (v4, v6) = (format!("10.244.{number}.{host}"), format!("fd00:10:244:{number}::{host}"));
        let (gateway4, gateway6) = (format!("10.244.{number}.1"), format!("fd00:10:244:{number}::1"));
        let veth = format!("veth{host}");
        node.run(&format!("ip link add {veth} type veth peer name eth0 netns {}", netns.pid()))?;
        for line in [
            format!("ip address add {gateway4}/32 dev {veth}"),
            format!("ip address add {gateway6}/128 dev {veth} nodad"),
            format!("ip link set {veth} up"),
            format!("ip route add {v4}/32 dev {veth}"),
            format!("ip route add {v6}/128 dev {veth}"),
        ] {
            node.run(&line)?;
        }
        for line in [
            format!("ip address add {v4}/32 dev eth0"),
            format!("ip address add {v6}/128 dev eth0 nodad"),
            "ip link set eth0 up".to_owned(),
            format!("ip route add default via {gateway4} dev eth0 onlink"),
            format!("ip -6 route add default via {gateway6} dev eth0 onlink"),
        ] {
            netns.run(&line)?;
        }
        Ok(Self { netns, v4, v6 })
    }
}
