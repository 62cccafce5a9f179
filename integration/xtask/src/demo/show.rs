//! The demo, part by part.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::attacks::{self, Attack};
use super::capture::Capture;
use super::lab::{Lab, Node, Pod, list, output};
use super::questions::{CUSTOMER, Question};
use super::{matrix, page, questions, rotation, wire};

/// One line of the summary: what must be, what was seen, whether that is it.
pub(super) struct Finding {
    pub(super) must: &'static str,
    pub(super) seen: String,
    pub(super) holds: bool,
}

/// Shows everything; whether it all was as it must be.
///
/// # Errors
/// When something could not be tried.
pub(super) fn run(lab: &Lab, wireguard: &str, manifests: &Path, scratch: &Path) -> Result<bool> {
    let (nodes, pods) = cluster(lab, wireguard, manifests)?;
    let questions = questions::all(&pods);
    let policy = policy(lab, manifests, &questions, scratch)?;

    page::heading("Who reaches whom, as packets say");
    page::say(&format!(
        "Now every one of these {} connections is tried, from inside the pods, at the pods' own addresses in IPv4 and IPv6 \
         and at the Services' addresses. Meanwhile the wire between the nodes is captured, and so is what {} hands to its \
         WireGuard device.",
        questions.len(),
        nodes[0].name
    ));
    output(&mut lab.exec("outside", &["ip", "address", "add", &format!("{CUSTOMER}/32"), "dev", "lo"]))?;
    let on_wire = Capture::start(lab, "underlay", "br0", scratch.join("wire.pcap"))?;
    let before = format!("node/{}", nodes[0].name);
    let in_node = Capture::start(lab, &before, "rf-wg0", scratch.join("node.pcap"))?;
    let packets = matrix::by_packets(lab, &questions, &policy)?;
    let (on_wire, in_node) = (on_wire.stop()?, in_node.stop()?);
    matrix::show(&questions, &packets);
    let differences = matrix::differences(&questions, &policy, &packets);
    page::quote(differences.iter().map(String::as_str));
    let mut findings = vec![Finding {
        must: "packets do what policies say",
        seen: format!("{} of {} connections", questions.len() - differences.len(), questions.len()),
        holds: differences.is_empty(),
    }];

    findings.extend(wire::show(lab, &on_wire, &in_node, &pods)?);
    mesh(lab, &nodes)?;
    findings.extend(attack(lab, &pods)?);
    findings.extend(rotation::show(lab, &pods, &questions, &policy)?);
    findings.push(plaintext(lab, &nodes)?);

    page::heading("Summary");
    let row =
        |f: &Finding| vec![f.must.to_owned(), f.seen.clone(), if f.holds { "yes" } else { "NO" }.to_owned()];
    page::table(&["what must be", "what was seen", "holds"], &findings.iter().map(row).collect::<Vec<_>>());
    Ok(findings.iter().all(|finding| finding.holds))
}

fn cluster(lab: &Lab, wireguard: &str, manifests: &Path) -> Result<(Vec<Node>, Vec<Pod>)> {
    page::heading("The cluster");
    page::say(
        "Three Kubernetes nodes made of network namespaces on this machine, each with its own agent, and one wire between \
         them. The bank's manifests are in integration/demo, as one would give them to kubectl: a portal that customers \
         reach, an accounts API, a gateway to the card network, a ledger database, DNS and monitoring. Every pod is attached \
         by CNI, and answers on its ports with its name.",
    );
    lab.up(wireguard, manifests)?;
    let (nodes, pods) = lab.cast()?;
    let row = |node: &Node| {
        let here = pods.iter().filter(|pod| pod.node == node.name).map(|pod| pod.name.as_str());
        vec![node.name.clone(), node.addresses.join(" "), here.collect::<Vec<_>>().join("  ")]
    };
    page::table(&["node", "addresses", "pods"], &nodes.iter().map(row).collect::<Vec<_>>());
    Ok((nodes, pods))
}

fn policy(lab: &Lab, manifests: &Path, questions: &[Question], scratch: &Path) -> Result<Vec<bool>> {
    page::heading("Who reaches whom, as policy says");
    page::say(
        "Every tier is shut off by a default-deny policy and then opened for what it needs (integration/demo/50-policies.yaml). \
         This asks the compiler that the agents use, without any cluster. Monitoring and DNS are selected by no policy: they \
         may call everybody, but reach only who lets them in.",
    );
    let verdicts = matrix::by_policy(lab, manifests, questions, scratch)?;
    matrix::show(questions, &verdicts);
    Ok(verdicts)
}

fn mesh(lab: &Lab, nodes: &[Node]) -> Result<()> {
    page::heading("The mesh");
    page::say(
        "Each node is a WireGuard peer of each other: what a packet's source is worth is decided by the key that decrypted it. \
         A second plane stands ready beside the active one, for rotating keys without losing a packet.",
    );
    let target = format!("node/{}", nodes[0].name);
    let mut status = lab.exec(&target, &["ringfence", "status", "-o", "table"]);
    page::prompt(&status);
    let text = output(&mut status)?;
    page::quote(text.lines());
    Ok(())
}

fn attack(lab: &Lab, pods: &[Pod]) -> Result<Vec<Finding>> {
    page::heading("What must not work");
    let pod = |name: &str| pods.iter().find(|pod| pod.name == name).with_context(|| format!("no pod {name}"));
    let (portal, gateway) = (pod("web/portal-0")?, pod("accounts/card-gateway-0")?);
    let (api, database, monitoring) =
        (pod("accounts/api-0")?, pod("ledger/db-0")?, pod("platform/prometheus-0")?);
    page::say(
        "Two forbidden calls, and two that lie about who is calling: the accounts API does let the portal in, so a thief takes \
         the portal's address, once in a pod and once on the wire between the nodes. A denied packet is dropped, never \
         answered, and counted with its reason on the node that dropped it.",
    );
    let attacks = [
        ("a forbidden call out is dropped", attacks::forbidden(lab, portal, database)?),
        ("a forbidden call in is dropped", attacks::uninvited(lab, monitoring, database)?),
        ("a stolen pod address is dropped", attacks::stolen_address(lab, gateway, portal, api)?),
        ("an address forged on the wire is dropped", attacks::forged_on_the_wire(lab, portal, api)?),
    ];
    let row = |(_, attack): &(&'static str, Attack)| {
        let came = if attack.answered { "AN ANSWER" } else { "nothing" };
        let counter = format!("{} +{} on {}", attack.reason, attack.dropped, attack.node);
        vec![attack.what.clone(), came.to_owned(), counter]
    };
    page::table(
        &["what was tried", "what came back", "counted"],
        &attacks.iter().map(row).collect::<Vec<_>>(),
    );
    let finding = |(must, attack): &(&'static str, Attack)| Finding {
        must,
        seen: format!("{} packets dropped as {}", attack.dropped, attack.reason),
        holds: attack.was_stopped(),
    };
    Ok(attacks.iter().map(finding).collect())
}

/// The auditor's counter, over all nodes.
fn plaintext(lab: &Lab, nodes: &[Node]) -> Result<Finding> {
    let mut total = 0;
    let mut errors = 0;
    for node in nodes {
        let report: Value = lab.report(&node.name)?;
        total += report["plaintext"].as_u64().context("a report without the plaintext counter")?;
        errors += list(&report["errors"]).count();
    }
    let seen = format!("{total} packets on {} nodes, {errors} agent errors", nodes.len());
    Ok(Finding { must: "nothing even tried to leave in the clear", seen, holds: total == 0 && errors == 0 })
}

/// What one may do with a lab that stays.
pub(super) fn what_to_play_with(lab: &Lab) {
    page::heading("It is yours");
    let program = lab.program();
    for (what, arguments) in [
        ("nodes, pods and addresses", "lab status --name demo"),
        ("a shell in a pod", "lab exec --name demo web/portal-0 -- bash"),
        ("what a node knows and counted", "lab exec --name demo node/node1 -- ringfence status"),
        ("the wire", "lab exec --name demo underlay -- tcpdump -ni br0"),
        ("another policy, in force when this returns", "lab apply --name demo -f FILE"),
        ("end an agent: enforcement stays", "lab agent kill --name demo node1"),
        ("take it all away", "lab down --name demo"),
    ] {
        println!("  # {what}\n  {program} {arguments}");
    }
}
