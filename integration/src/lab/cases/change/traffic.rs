//! Who talks to whom while things change, and who must not.
use crate::lab::{Lab, Talk, all_whole, none_answered};
use anyhow::{Context, Result, ensure};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

pub(super) const PORT: u16 = 7000;
pub(super) const NODES: [&str; 2] = ["node1", "node2"];

/// Targets and their client are isolated in both directions, so every answer needs its flow. `free` and `open` are of no
/// policy yet.
pub(super) fn manifests() -> String {
    let mut text = String::new();
    let ports =
        ["TCP", "UDP", "SCTP"].map(|p| format!("{{containerPort: {PORT}, protocol: {p}}}")).join(", ");
    for (name, role, node, ports) in [
        ("client", "client", 1, ""),
        ("stranger", "stranger", 1, ""),
        ("free", "free", 1, ""),
        ("near", "target", 1, &*ports),
        ("far", "target", 2, &*ports),
        ("open-near", "open", 1, &*ports),
        ("open-far", "open", 2, &*ports),
    ] {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: shop, labels: {{name: {name}, role: {role}}}}},
 spec: {{nodeName: node{node}, containers: [{{name: c, image: x, ports: [{ports}]}}]}}}}\n"
        );
    }
    let service = format!(
        "---\n{{apiVersion: v1, kind: Service, metadata: {{name: far, namespace: shop}},
 spec: {{clusterIP: 10.96.0.50, selector: {{name: far}}, ports: [{{port: 80, targetPort: {PORT}}}]}}}}\n"
    );
    let client = policy("client", "client", "egress: [{to: [{podSelector: {matchLabels: {role: target}}}]}]");
    text + &service + &policy("targets", "target", FROM_CLIENT) + &client
}

pub(super) const FROM_CLIENT: &str = "ingress: [{from: [{podSelector: {matchLabels: {role: client}}}]}]";

/// A policy that isolates those of a role in both directions.
pub(super) fn policy(name: &str, role: &str, rules: &str) -> String {
    format!(
        "---\n{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: {name}, namespace: shop}},
 spec: {{podSelector: {{matchLabels: {{role: {role}}}}}, policyTypes: [Ingress, Egress], {rules}}}}}\n"
    )
}

/// Traffic that goes on, and traffic that must not.
pub(super) struct Traffic {
    allowed: Vec<Talk>,
    forbidden: Vec<Talk>,
}

impl Traffic {
    /// From `from` to two targets in both families: TCP, UDP, SCTP, pings; and strangers who try.
    pub(super) fn begin(lab: &Lab, from: &str, targets: [&str; 2]) -> Result<Self> {
        let mut traffic = Self { allowed: Vec::new(), forbidden: Vec::new() };
        for target in targets {
            for address in lab.pod(target)?.1 {
                let ip: IpAddr = address.parse()?;
                let to = SocketAddr::new(ip, PORT);
                for protocol in ["TCP", "UDP", "SCTP"] {
                    traffic.allowed.push(lab.talk(from, protocol, to)?);
                }
                traffic.allowed.push(lab.ping(from, ip)?);
            }
        }
        Ok(traffic)
    }

    /// Adds a Service, and who may not get through: a stranger to the targets, the targets to their client.
    pub(super) fn and_strangers(mut self, lab: &Lab) -> Result<Self> {
        self.allowed.push(lab.talk("shop/client", "TCP", "10.96.0.50:80".parse()?)?);
        for (from, to) in [
            ("shop/stranger", "shop/near"),
            ("shop/stranger", "shop/far"),
            ("shop/far", "shop/near"),
            ("shop/near", "shop/far"),
        ] {
            for address in lab.pod(to)?.1 {
                let to = SocketAddr::new(address.parse()?, PORT);
                self.forbidden.push(lab.talk(from, "UDP", to)?);
                self.forbidden.push(lab.ping(from, to.ip())?);
                self.forbidden.push(lab.knock(from, to)?);
            }
        }
        // Who knocks where it may gets in: so the others could be heard.
        let to = SocketAddr::new(lab.pod("shop/far")?.1[0].parse()?, PORT);
        lab.knock("shop/client", to)?.goes().context("the control")?;
        Ok(self)
    }

    /// Every allowed one is answered again, none is broken, and nobody else has got through.
    pub(super) fn goes_on(&mut self, when: &str) -> Result<()> {
        self.allowed.iter_mut().try_for_each(Talk::goes).context(when.to_owned())?;
        for talk in &self.forbidden {
            ensure!(talk.so_far().answered == 0, "{when}: {}: {:?}", talk.what(), talk.so_far());
        }
        eprintln!("goes on: {when}");
        Ok(())
    }

    /// Nothing was lost, and nobody else got through, though they tried to the end.
    pub(super) fn finish(self) -> Result<()> {
        none_answered(self.forbidden)?;
        all_whole(self.allowed, 50)
    }

    /// Takes those out whose name holds `word`.
    pub(super) fn take(&mut self, word: &str) -> Vec<Talk> {
        let (taken, kept) = self.allowed.drain(..).partition(|talk: &Talk| talk.what().contains(word));
        self.allowed = kept;
        taken
    }
}
