//! P4: agents stopped, killed and upgraded, and policies edited, while allowed traffic goes on: TCP (every byte looked at),
//! numbered datagrams, SCTP and pings, on one node and between two, in both families. None is lost, nothing is reset, and
//! what is forbidden is tried all the while and never passes.
mod traffic;

use crate::lab::{Lab, Talk, finish};
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;
use traffic::{FROM_CLIENT, NODES, Traffic, manifests, policy};

fn lab(name: &str) -> Result<Lab> {
    Lab::up(name, &manifests(), &["--nodes", "2"])
}

/// Agents that stop, are killed, are upgraded and downgraded.
pub fn of_agents() -> Result<()> {
    let lab = lab("agents")?;
    let next = lab.another_build()?;
    let mut traffic = Traffic::begin(&lab, "shop/client", ["shop/near", "shop/far"])?.and_strangers(&lab)?;
    traffic.goes_on("before")?;
    let programs = || NODES.into_iter().map(|node| lab.programs(node)).collect::<Result<Vec<_>>>();
    let first = programs()?;
    for verb in ["stop", "kill"] {
        NODES.into_iter().try_for_each(|node| lab.lab(&["agent", verb], &[node]).map(drop))?;
        sleep(Duration::from_secs(1));
        traffic.goes_on(&format!("no agents, after {verb}"))?;
        NODES.into_iter().try_for_each(|node| lab.lab(&["agent", "start"], &[node]).map(drop))?;
        traffic.goes_on(&format!("agents back, after {verb}"))?;
    }
    ensure!(programs()? == first, "an agent of the same build brought other programs");
    for node in NODES {
        lab.lab(&["agent", "restart"], &["--binary", &next.to_string_lossy(), node])?;
    }
    traffic.goes_on("upgraded")?;
    for (node, (before, after)) in NODES.into_iter().zip(first.iter().zip(programs()?)) {
        ensure!(before.keys().eq(after.keys()), "{node}: {before:?}, then {after:?}");
        let same: BTreeMap<_, _> =
            after.iter().filter(|(name, tag)| before.get(*name) == Some(*tag)).collect();
        ensure!(same.is_empty(), "{node} still runs programs of the former build: {same:?}");
    }
    // One that is killed in the middle of its start, and the way back to the former build.
    for node in NODES {
        lab.lab(&["agent", "kill"], &[node])?;
        lab.lab(&["agent", "start"], &[node])?;
    }
    traffic.goes_on("downgraded")?;
    ensure!(programs()? == first, "the former build's programs are not back");
    sleep(Duration::from_millis(500));
    traffic.finish()
}

/// Policies that allow before and after.
pub fn of_policies() -> Result<()> {
    let lab = lab("edits")?;
    let mut traffic = Traffic::begin(&lab, "shop/client", ["shop/near", "shop/far"])?.and_strangers(&lab)?;
    traffic.goes_on("before")?;
    let delete = |name: &str| lab.lab(&["delete"], &["networkpolicy", name]).map(drop);

    let more = FROM_CLIENT
        .replace("}]}]", "}]}, {from: [{ipBlock: {cidr: 198.51.100.0/24}}], ports: [{port: 9999}]}]");
    ensure!(more != FROM_CLIENT);
    for round in 1..=3 {
        lab.apply(&policy("targets", "target", &more))?;
        traffic.goes_on(&format!("a rule about others was added, round {round}"))?;
        lab.apply(&policy("targets", "target", FROM_CLIENT))?;
        traffic.goes_on(&format!("and removed, round {round}"))?;
    }
    for round in 1..=3 {
        let by_name = "ingress: [{from: [{podSelector: {matchLabels: {name: client}}}, {podSelector: {matchLabels: {x: y}}}]}]";
        lab.apply(&policy("instead", "target", by_name))?;
        delete("shop/targets")?;
        traffic.goes_on(&format!("the policy that allows was replaced by another, round {round}"))?;
        lab.apply(&policy("targets", "target", FROM_CLIENT))?;
        delete("shop/instead")?;
        traffic.goes_on(&format!("and back, round {round}"))?;
    }
    // In one edit: the same policy says it in another way.
    let everywhere =
        "ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {name: client}}}]}]";
    for rules in [everywhere, FROM_CLIENT] {
        lab.apply(&policy("targets", "target", rules))?;
        traffic.goes_on("the policy that allows says it in another way")?;
    }
    sleep(Duration::from_millis(500));
    traffic.finish()
}

/// Policies that begin to isolate either end, and allow what goes on.
pub fn of_isolation() -> Result<()> {
    let lab = lab("isolate")?;
    let mut traffic = Traffic::begin(&lab, "shop/free", ["shop/open-near", "shop/open-far"])?;
    traffic.goes_on("no policy")?;
    // The targets, in the direction that traffic comes from.
    let ingress = "ingress: [{from: [{podSelector: {matchLabels: {role: free}}}]}]";
    let first = policy("open", "open", ingress).replace("[Ingress, Egress]", "[Ingress]");
    for round in 1..=2 {
        lab.apply(&first)?;
        traffic.goes_on(&format!("the targets are isolated, round {round}"))?;
        lab.lab(&["delete"], &["networkpolicy", "shop/open"])?;
        traffic.goes_on(&format!("and free again, round {round}"))?;
    }
    // Their caller, both ways: what it has asked before may be answered in vain, until it asks again. TCP loses nothing.
    let mut asking = traffic.take("UDP");
    asking.extend(traffic.take("SCTP"));
    asking.extend(traffic.take("pings"));
    ensure!(asking.len() == 12, "{}", asking.len());
    lab.apply(&policy("free", "free", "egress: [{to: [{podSelector: {matchLabels: {role: open}}}]}]"))?;
    traffic.goes_on("their caller is isolated")?;
    asking.iter_mut().try_for_each(Talk::goes)?;
    sleep(Duration::from_secs(1));
    traffic.finish()?;
    for (what, counts) in finish(asking)? {
        // What was under way at the edit: one stretch, of as long as an answer takes on a busy machine.
        let stretch =
            counts.missing.first().zip(counts.missing.last()).map_or(0, |(first, last)| last - first + 1);
        let whole = counts.done && counts.error.is_none() && counts.answered > 50;
        ensure!(whole && stretch <= 10, "{what}: {counts:?}");
    }
    Ok(())
}
