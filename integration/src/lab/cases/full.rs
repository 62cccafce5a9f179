//! P3 where tables are full, or grow: no allowed TCP connection that stood before breaks, and nothing forbidden passes.
use crate::lab::{Lab, Talk, all_whole, eventually, none_answered};
use anyhow::{Context, Result, bail, ensure};
use ringfence::status::TableStatus;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

const PORT: u16 = 7000;
const NODES: [&str; 2] = ["node1", "node2"];
/// Flows that the table holds, and that the flood opens at each of four addresses.
const FLOWS: u64 = 1024;
const FLOOD: u64 = 1500;
/// Floods that may be needed.
const ROUNDS: usize = 8;

/// All but the stranger are isolated in both directions, so every reply needs its flow.
fn manifests() -> String {
    let mut text = String::new();
    let ports =
        ["TCP", "UDP", "SCTP"].map(|p| format!("{{containerPort: {PORT}, protocol: {p}}}")).join(", ");
    for (name, role, node) in [
        ("client", "client", 1),
        ("flooder", "client", 1),
        ("stranger", "stranger", 1),
        ("near", "target", 1),
        ("far", "target", 2),
    ] {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: shop, labels: {{role: {role}}}}},
 spec: {{nodeName: node{node}, containers: [{{name: c, image: x, ports: [{ports}]}}]}}}}\n"
        );
    }
    text + "---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: targets, namespace: shop},
 spec: {podSelector: {matchLabels: {role: target}}, policyTypes: [Ingress, Egress],
  ingress: [{from: [{podSelector: {matchLabels: {role: client}}}]}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: clients, namespace: shop},
 spec: {podSelector: {matchLabels: {role: client}}, policyTypes: [Ingress, Egress],
  egress: [{to: [{podSelector: {matchLabels: {role: target}}}]}]}}
"
}

fn addresses(lab: &Lab, pod: &str) -> Result<Vec<SocketAddr>> {
    lab.pod(pod)?.1.iter().map(|a| Ok(SocketAddr::new(a.parse()?, PORT))).collect()
}

/// Those who may not, and try all the while: strangers, and the targets towards their clients.
fn forbidden(lab: &Lab) -> Result<Vec<Talk>> {
    let mut talks = Vec::new();
    for (from, to) in [
        ("shop/stranger", "shop/near"),
        ("shop/stranger", "shop/far"),
        ("shop/near", "shop/client"),
        ("shop/far", "shop/client"),
        ("shop/far", "shop/flooder"),
    ] {
        for to in addresses(lab, to)? {
            talks.push(lab.talk(from, "UDP", to)?);
            talks.push(lab.ping(from, to.ip())?);
            talks.push(lab.knock(from, to)?);
        }
    }
    // Who knocks where it may gets in: so the others could be heard.
    let open = addresses(lab, "shop/far")?.into_iter().next().context("no address")?;
    lab.knock("shop/client", open)?.goes().context("the control")?;
    Ok(talks)
}

fn counter(lab: &Lab, node: &str, name: &str) -> Result<u64> {
    lab.status(node)?.counters.get(name).copied().with_context(|| format!("no counter {name}"))
}

fn table(lab: &Lab, node: &str, name: &str) -> Result<TableStatus> {
    let tables = lab.status(node)?.tables;
    tables.into_iter().find(|t| t.name == name).with_context(|| format!("no table {name}"))
}

/// A flood of new flows through a small flow table.
pub fn flow_table() -> Result<()> {
    let entries = FLOWS.to_string();
    let arguments = ["--nodes", "2", "--agent-argument", "--flow-entries", "--agent-argument", &entries];
    let lab = Lab::up("full", &manifests(), &arguments)?;
    let targets = [addresses(&lab, "shop/near")?, addresses(&lab, "shop/far")?].concat();
    let (mut kept, mut datagrams) = (Vec::new(), Vec::new());
    for to in &targets {
        kept.push(lab.talk("shop/client", "TCP", *to)?);
        kept.push(lab.listen("shop/client", "TCP", *to)?);
        // Silent while the flood goes by, and long evicted when either end speaks again.
        kept.push(lab.talk_seldom("shop/client", "TCP", *to, 8)?);
        kept.push(lab.listen_seldom("shop/client", "TCP", *to, 8)?);
        datagrams.push(lab.talk("shop/client", "UDP", *to)?);
    }
    kept.iter_mut().chain(&mut datagrams).try_for_each(Talk::goes)?;
    let tries = forbidden(&lab)?;
    let inserted = [counter(&lab, "node1", "flow-inserted")?, counter(&lab, "node2", "flow-inserted")?];
    let resumed = || {
        Ok::<_, anyhow::Error>(
            counter(&lab, "node1", "flow-resumed")? + counter(&lab, "node2", "flow-resumed")?,
        )
    };
    let resumed_before = resumed()?;

    flood(&lab, &targets, inserted)?;
    // Who was silent speaks again: taken up again in mid-stream.
    kept.iter_mut().try_for_each(Talk::goes).context("after the flood")?;
    datagrams.iter_mut().try_for_each(Talk::goes).context("after the flood")?;
    ensure!(resumed()? > resumed_before, "no connection lost its entry: the flood has shown nothing");
    none_answered(tries)?;
    all_whole(kept, 2)
}

/// Opens flows at these addresses until every node's table has gone round twice since it had opened `before`, and status
/// has seen it full. A flood that was lost on its way (a busy machine's userspace WireGuard), or that was over before
/// anybody looked, is followed by another.
fn flood(lab: &Lab, targets: &[SocketAddr], before: [u64; 2]) -> Result<()> {
    // The kernel's LRU keeps up to 128 entries in hand on every CPU, newer ones at most half of all.
    let cpus = std::thread::available_parallelism()?.get() as u64;
    let full = (FLOWS - (128 * cpus).min(FLOWS / 2)) * 9 / 10;
    let (mut fullest, mut opened) = ([0; 2], [0; 2]);
    for _ in 0..ROUNDS {
        let mut floods = Vec::new();
        for to in targets {
            // Each datagram is from a socket of its own: a new flow.
            let script =
                format!("for i in $(seq {FLOOD}); do echo x > /dev/udp/{}/{}; done", to.ip(), to.port());
            floods.push(lab.spawn("shop/flooder", &["bash", "-c", &script])?);
        }
        let mut running = true;
        while running {
            running = floods.iter_mut().any(|flood| flood.try_wait().is_ok_and(|ended| ended.is_none()));
            for (node, most) in NODES.into_iter().zip(&mut fullest) {
                let flows = table(lab, node, "RF_FLOWS")?;
                ensure!(flows.capacity == FLOWS, "{flows:?}");
                *most = flows.used.max(*most);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        for ((node, before), opened) in NODES.into_iter().zip(before).zip(&mut opened) {
            *opened = counter(lab, node, "flow-inserted")? - before;
        }
        if opened.iter().all(|opened| *opened >= 2 * FLOWS) && fullest.iter().all(|most| *most >= full) {
            eprintln!(
                "{opened:?} flows went through tables of {FLOWS}, of which status saw {fullest:?} in use"
            );
            return Ok(());
        }
    }
    bail!("{ROUNDS} floods: only {opened:?} flows were opened; status says {fullest:?} flows of {FLOWS}")
}

/// Tables that grow past their first size, twice.
pub fn growing_tables() -> Result<()> {
    let arguments = ["--nodes", "2", "--agent-argument", "--table-entries", "--agent-argument", "32"];
    let lab = Lab::up("grow", &manifests(), &arguments)?;
    let mut kept = Vec::new();
    for to in [addresses(&lab, "shop/near")?, addresses(&lab, "shop/far")?].concat() {
        for protocol in ["TCP", "UDP", "SCTP"] {
            kept.push(lab.talk("shop/client", protocol, to)?);
        }
        kept.push(lab.ping("shop/client", to.ip())?);
    }
    kept.iter_mut().try_for_each(Talk::goes)?;
    let tries = forbidden(&lab)?;
    let far = lab.pod("shop/far")?.1.into_iter().next().context("no address")?;
    let network = far.rsplit_once('.').context("not IPv4")?.0;
    for (round, many) in [(1, 100), (2, 200)] {
        // What the API server would say: pods that are known by their addresses, and a policy with a block, and ports of
        // its own, for each.
        let mut text = String::new();
        for i in 0..many {
            let _ = write!(
                text,
                "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: p{i}, namespace: shop, labels: {{n: '{i}'}}}},
 spec: {{nodeName: node2, containers: [{{name: c, image: x}}]}}, status: {{podIPs: [{{ip: {network}.{}}}]}}}}\n",
                i + 40
            );
        }
        let rules: Vec<String> = (0..many)
            .map(|i| {
                format!(
                    "{{from: [{{ipBlock: {{cidr: 198.51.{round}.{i}/32}}}}], ports: [{{port: {}}}]}}",
                    9000 + i
                )
            })
            .collect();
        let _ = write!(
            text,
            "---\n{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: many, namespace: shop}},
 spec: {{podSelector: {{matchLabels: {{role: target}}}}, ingress: [{}]}}}}\n",
            rules.join(", ")
        );
        lab.put("many.yaml", &text)?;
        for node in NODES {
            for name in ["RF_ADDRESSES", "RF_PREFIXES", "RF_POLICY"] {
                eventually(&format!("{node}: {name} of {many}"), Duration::from_secs(20), || {
                    let table = table(&lab, node, name)?;
                    Ok(table.used >= many && table.capacity > 32 && table.used * 4 <= table.capacity * 3)
                })?;
            }
            let errors = lab.status(node)?.errors;
            ensure!(errors.is_empty(), "{node}: {errors:?}");
        }
        kept.iter_mut().try_for_each(Talk::goes).with_context(|| format!("round {round}"))?;
    }
    // Tables may have grown in less time than so many knocks take.
    eventually("eleven knocks at each door", Duration::from_secs(20), || {
        let mut knocks = tries.iter().filter(|talk| talk.what().contains(" knocks "));
        Ok(knocks.all(|talk| talk.so_far().sent > 10))
    })?;
    none_answered(tries)?;
    all_whole(kept, 2)
}
