//! Who talks to whom while keys rotate: everybody to everybody.
use crate::lab::{Heard, Lab, Talk, Tap, all_whole};
use anyhow::{Context, Result, ensure};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// What every pod answers on.
pub(super) const PORT: u16 = 7000;
/// A Service whose one backend is on the second node.
const CLUSTER_IP: &str = "10.96.0.60:80";
const NODE_PORT: &str = "10.88.0.11:30060";

/// The pods: one on each node.
pub(super) const PODS: [&str; 3] = ["shop/p1", "shop/p2", "shop/p3"];
/// And the nodes.
pub(super) const NODES: [&str; 3] = ["node1", "node2", "node3"];

/// A pod on each of so many nodes, and a Service of the second.
pub(super) fn manifests(nodes: usize) -> String {
    let mut text = String::new();
    let ports = ["TCP", "UDP"].map(|p| format!("{{containerPort: {PORT}, protocol: {p}}}")).join(", ");
    for number in 1..=nodes {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: p{number}, namespace: shop, labels: {{name: p{number}}}}},
 spec: {{nodeName: node{number}, containers: [{{name: c, image: x, ports: [{ports}]}}]}}}}\n"
        );
    }
    text + &format!(
        "---\n{{apiVersion: v1, kind: Service, metadata: {{name: far, namespace: shop}},
 spec: {{type: NodePort, clusterIP: 10.96.0.60, selector: {{name: p2}},
 ports: [{{port: 80, targetPort: {PORT}, nodePort: 30060}}]}}}}\n"
    )
}

/// Traffic that goes on, and somebody who listens on the underlay.
pub(super) struct Traffic<'a> {
    talks: Vec<Talk>,
    tap: Tap<'a>,
}

impl<'a> Traffic<'a> {
    /// Between each two of `pods`, both ways: TCP, UDP and pings; over IPv6 between the first and the last; through the NodePort
    /// from outside, and from the first node to the ClusterIP.
    pub(super) fn begin(lab: &'a Lab, pods: &[&str]) -> Result<Self> {
        let mut talks = Vec::new();
        for from in pods {
            for to in pods.iter().filter(|to| *to != from) {
                let addresses = lab.pod(to)?.1;
                let ends = [Some(&from), Some(&to)] == [pods.first().as_ref(), pods.last().as_ref()];
                for address in addresses.iter().take(if ends { 2 } else { 1 }) {
                    let ip: IpAddr = address.parse()?;
                    let to = SocketAddr::new(ip, PORT);
                    talks.push(lab.talk(from, "TCP", to)?);
                    talks.push(lab.talk(from, "UDP", to)?);
                    talks.push(lab.ping(from, ip)?);
                }
            }
        }
        talks.push(lab.talk("outside", "TCP", NODE_PORT.parse()?)?);
        talks.push(lab.talk("node/node1", "TCP", CLUSTER_IP.parse()?)?);
        let mut traffic = Self { talks, tap: lab.tap()? };
        traffic.goes_on("before")?;
        Ok(traffic)
    }

    /// Every one is answered again, and nothing was seen in the clear.
    pub(super) fn goes_on(&mut self, when: &str) -> Result<()> {
        self.talks.iter_mut().try_for_each(Talk::goes).context(when.to_owned())?;
        let Heard { clear, .. } = self.tap.so_far()?;
        ensure!(clear.is_empty(), "{when}: in the clear between nodes: {clear:?}");
        eprintln!("goes on: {when}");
        Ok(())
    }

    /// Nothing was lost, reset, or seen in the clear; how much was encrypted.
    pub(super) fn finish(self) -> Result<usize> {
        let Heard { wireguard, clear, .. } = self.tap.stop()?;
        all_whole(self.talks, 50)?;
        ensure!(clear.is_empty(), "in the clear between nodes: {clear:?}");
        Ok(wireguard)
    }
}
