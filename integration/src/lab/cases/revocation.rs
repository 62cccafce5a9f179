//! P5: what policy no longer allows is cut within a second, however long it has stood, whoever speaks, wherever the edit
//! was: TCP, UDP and SCTP, in both families, on one node and between two. What stays allowed loses nothing by it.
use crate::lab::{Lab, Talk, all_whole, unix_ms};
use anyhow::{Context, Result, ensure};
use ringfence::lab::patience;
use ringfence::lab::stream::Counts;
use std::fmt::Write;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

const PORT: u16 = 7000;
/// Those who talk: one is shut out by its targets, one shut in by its own policy, one goes on.
const TALKERS: [&str; 3] = ["talk-out", "talk-in", "talk-on"];
/// The same for those who only listen: packets flow one way, against the direction that policy is about.
const LISTENERS: [&str; 3] = ["hear-out", "hear-in", "hear-on"];

/// All are isolated in both directions: replies pass because of their flows alone.
fn targets(admitted: &[&str]) -> String {
    format!(
        "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: targets, namespace: shop}},
 spec: {{podSelector: {{matchLabels: {{role: target}}}}, policyTypes: [Ingress, Egress],
  ingress: [{{from: [{{podSelector: {{matchExpressions: [{{key: name, operator: In, values: [{}]}}]}}}}]}}]}}}}\n",
        admitted.join(", ")
    )
}

fn client(name: &str, egress: &str) -> String {
    format!(
        "---\n{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: {name}, namespace: shop}},
 spec: {{podSelector: {{matchLabels: {{name: {name}}}}}, policyTypes: [Ingress, Egress], egress: [{egress}]}}}}\n"
    )
}

const TO_TARGETS: &str = "{to: [{podSelector: {matchLabels: {role: target}}}]}";

fn manifests() -> String {
    let mut text = targets(&[TALKERS, LISTENERS].concat());
    let mut pod = |name: &str, role: &str, node: &str, ports: &str| {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: shop, labels: {{name: {name}, role: {role}}}}},
 spec: {{nodeName: {node}, containers: [{{name: c, image: x, ports: [{ports}]}}]}}}}\n"
        );
    };
    let ports =
        ["TCP", "UDP", "SCTP"].map(|p| format!("{{containerPort: {PORT}, protocol: {p}}}")).join(", ");
    pod("near", "target", "node1", &ports);
    pod("far", "target", "node2", &ports);
    for name in TALKERS.into_iter().chain(LISTENERS) {
        pod(name, "client", "node1", "");
    }
    let clients = TALKERS.into_iter().chain(LISTENERS);
    text + &clients.map(|name| client(name, TO_TARGETS)).collect::<String>()
}

/// Every way of one client to both targets.
fn begin(lab: &Lab, client: &str, listens: bool) -> Result<Vec<Talk>> {
    let mut talks = Vec::new();
    for target in ["shop/near", "shop/far"] {
        for address in lab.pod(target)?.1 {
            let to = SocketAddr::new(address.parse()?, PORT);
            for protocol in ["TCP", "UDP", "SCTP"] {
                let from = format!("shop/{client}");
                let talk =
                    if listens { lab.listen(&from, protocol, to) } else { lab.talk(&from, protocol, to) };
                talks.push(talk?);
            }
        }
    }
    Ok(talks)
}

/// All of these fell silent within a second of the edit, though those who talk go on talking.
fn cut(talks: Vec<Talk>, edited: SystemTime, why: &str) -> Result<()> {
    let before: Vec<Counts> = talks.iter().map(Talk::so_far).collect();
    let limit = i128::try_from(patience(Duration::from_secs(1)).as_millis())?;
    let mut last = 0;
    sleep(Duration::from_secs(2));
    for (talk, before) in talks.into_iter().zip(before) {
        let (what, now) = (talk.what().to_owned(), talk.so_far());
        ensure!(now.ms >= before.ms + 1500, "{why}: {what} says no more how it goes: {now:?}");
        ensure!(what.contains("hears") || now.sent > before.sent, "{why}: {what} has given up: {now:?}");
        let late = i128::from(now.last_unix_ms) - i128::from(unix_ms(edited));
        ensure!(late < limit, "{why}: {what}: an answer {late} ms after the edit: {now:?}");
        last = last.max(late);
    }
    eprintln!("{why}: the last answer came {last} ms after the edit");
    Ok(())
}

/// By an edit of the targets' policy, then by one of their callers'.
pub fn by_edits() -> Result<()> {
    let lab = Lab::up("revoke", &manifests(), &["--nodes", "2"])?;
    let mut talks = Vec::new();
    for (clients, listen) in [(TALKERS, false), (LISTENERS, true)] {
        for client in clients {
            talks.push(begin(&lab, client, listen)?);
        }
    }
    talks.iter_mut().flatten().try_for_each(Talk::goes)?;
    // Established, and for longer than any first packet takes.
    sleep(Duration::from_secs(1));
    talks.iter_mut().flatten().try_for_each(Talk::goes).context("before any edit")?;
    let mut talks = talks.into_iter();
    let mut next = || talks.next().context("no more talks");
    let [talk_out, talk_in, talk_on, hear_out, hear_in, hear_on] =
        [next()?, next()?, next()?, next()?, next()?, next()?];
    let revoked = || -> Result<u64> {
        let counted = |node| {
            Ok::<_, anyhow::Error>(lab.status(node)?.counters.get("flow-revoked").copied().unwrap_or(0))
        };
        Ok(counted("node1")? + counted("node2")?)
    };

    let (before, ingress) =
        (revoked()?, [lab.drops("node1", "policy-ingress")?, lab.drops("node2", "policy-ingress")?]);
    lab.apply(&targets(&["talk-in", "talk-on", "hear-in", "hear-on"]))?;
    let edited = lab.edited("networkpolicy", "shop/targets")?;
    cut(talk_out, edited, "ingress of the target")?;
    cut(hear_out, edited, "ingress of the target, only replies")?;
    for (node, before) in ["node1", "node2"].into_iter().zip(ingress) {
        ensure!(lab.drops(node, "policy-ingress")? > before + 10, "{node} has not counted what it dropped");
    }
    ensure!(revoked()? > before, "no flow was counted as revoked");

    let egress = lab.drops("node1", "policy-egress")?;
    lab.apply(&(client("talk-in", "") + &client("hear-in", "")))?;
    let edited =
        lab.edited("networkpolicy", "shop/talk-in")?.max(lab.edited("networkpolicy", "shop/hear-in")?);
    cut(talk_in, edited, "egress of the source")?;
    cut(hear_in, edited, "egress of the source, only replies")?;
    ensure!(lab.drops("node1", "policy-egress")? > egress + 10, "node1 has not counted what it dropped");

    all_whole(talk_on.into_iter().chain(hear_on).collect(), 50)
}
