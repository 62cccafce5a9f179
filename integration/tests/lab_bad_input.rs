//! Manifests and queries that cannot be understood: every command names file, object and field and fails; a running agent
//! reports the same and keeps enforcing what it had, and a policy that cannot be understood isolates what it selects.
use anyhow::{Context, Result, ensure};
use ringfence_integration::lab::{Lab, Talk, all_whole, binary, eventually, none_answered};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(15);

/// The guarded pod takes in the client alone; the open one is of no policy. The client is of another namespace, for a policy
/// whose selector cannot be understood isolates all of its own.
const CLUSTER: &str = "
{apiVersion: v1, kind: Node, metadata: {name: node1}, spec: {podCIDRs: [10.244.1.0/24, 'fd00:10:244:1::/64']}}
---
{apiVersion: v1, kind: Node, metadata: {name: node2}, spec: {podCIDRs: [10.244.2.0/24, 'fd00:10:244:2::/64']}}
---
{apiVersion: v1, kind: Pod, metadata: {name: client, namespace: front, labels: {role: client}},
 spec: {nodeName: node1, containers: [{name: c, image: x}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: stranger, namespace: shop, labels: {role: stranger}},
 spec: {nodeName: node1, containers: [{name: c, image: x}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: guarded, namespace: shop, labels: {role: guarded}},
 spec: {nodeName: node2, containers: [{name: c, image: x, ports: [{containerPort: 80}, {containerPort: 80, protocol: UDP}]}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: open, namespace: shop, labels: {role: open}},
 spec: {nodeName: node2, containers: [{name: c, image: x, ports: [{containerPort: 80}, {containerPort: 80, protocol: UDP}]}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: guard, namespace: shop},
 spec: {podSelector: {matchLabels: {role: guarded}}, 
  ingress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {role: client}}}]}]}}
";

/// A file that is bad, what must be named, and whether it is a policy that selects the open pod.
struct Bad {
    text: String,
    object: &'static str,
    field: &'static str,
    isolates: bool,
}

fn policy(selector: &str, ingress: &str) -> String {
    format!(
        "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: odd, namespace: shop}},
 spec: {{podSelector: {selector}, policyTypes: [Ingress], ingress: {ingress}}}}}\n"
    )
}

fn all() -> Vec<Bad> {
    let open = "{matchLabels: {role: open}}";
    let odd = |text: String, field| Bad { text, object: "shop/odd", field, isolates: true };
    let file = |text: &str, field| Bad { text: text.to_owned(), object: "", field, isolates: false };
    vec![
        file("kind: NetworkPolicy\nmetadata: {name: [\n", "line 3"),
        file(
            "{\"apiVersion\": \"networking.k8s.io/v1\", \"kind\": \"NetworkPolicy\", \"metadata\": {\"na",
            "line 1",
        ),
        odd(
            policy("{matchExpressions: [{key: role, operator: Sometimes}]}", "[]"),
            "spec.podSelector.matchExpressions[0].operator",
        ),
        odd(
            policy(open, "[{from: [{ipBlock: {cidr: 0.0.0.0/33}}]}]"),
            "spec.ingress[0].from[0].ipBlock.cidr",
        ),
        odd(policy(open, "[{ports: [{port: 90, endPort: 80}]}]"), "spec.ingress[0].ports[0].endPort"),
        odd(
            policy(open, "[{from: [{podSelector: {matchLabels: {'a b': c}}}]}]"),
            "spec.ingress[0].from[0].podSelector.matchLabels",
        ),
        Bad {
            text: "{apiVersion: v1, kind: Node, metadata: {name: node3}, spec: {podCIDRs: [10.244.2.128/25]},
 status: {addresses: [{type: InternalIP, address: 172.30.0.99}]}}\n"
                .to_owned(),
            object: "node3",
            field: "10.244.2.128/25",
            isolates: false,
        },
        Bad {
            text: policy(open, "[]") + "---\n" + &policy(open, "[{}]"),
            object: "shop/odd",
            field: "metadata.name",
            isolates: false,
        },
    ]
}

/// What a command says on its way to failing.
fn refused(arguments: &[&str]) -> Result<String> {
    let output = Command::new(binary()?).args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(1), "{arguments:?}: {}: {said}", output.status);
    ensure!(output.stdout.is_empty(), "{arguments:?} answered all the same");
    Ok(said)
}

/// The same of questions to an engine.
fn verdicts_refused(engine: &str, manifests: &str, queries: &str) -> Result<String> {
    refused(&["policy", "verdicts", "--engine", engine, "--manifests", manifests, "--queries", queries])
}

fn names(said: &str, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(said.contains(word), "{word:?} is not named: {said}");
    }
    Ok(())
}

fn queries(directory: &Path, text: &str) -> Result<String> {
    let file = directory.join("queries.jsonl");
    fs::write(&file, text)?;
    Ok(file.to_string_lossy().into_owned())
}

const QUESTION: &str =
    "{\"from\": \"front/client\", \"to\": \"shop/open\", \"port\": 80, \"protocol\": \"TCP\"}\n";

#[test]
fn every_command_that_reads_bad_manifests_names_file_object_and_field_and_fails() -> Result<()> {
    for bad in all() {
        let directory = tempfile::tempdir()?;
        let questions = tempfile::tempdir()?;
        fs::write(directory.path().join("cluster.yaml"), CLUSTER)?;
        fs::write(directory.path().join("bad.yaml"), &bad.text)?;
        let path = directory.path().to_string_lossy().into_owned();
        let asked = queries(questions.path(), QUESTION)?;
        for engine in ["model", "kernel", "lab"] {
            let said = verdicts_refused(engine, &path, &asked)?;
            names(&said, &["bad.yaml", bad.object, bad.field])?;
        }
        let said = refused(&["lab", "up", "--name", "bad-input", &path])?;
        names(&said, &["bad.yaml", bad.object, bad.field])?;
    }
    let directory = tempfile::tempdir()?;
    let path = directory.path().to_string_lossy().into_owned();
    symlink("/nowhere", directory.path().join("gone.yaml"))?;
    names(&refused(&["lab", "up", "--name", "bad-input", &path])?, &["gone.yaml", "No such file"])
}

#[test]
fn a_bad_line_of_queries_is_named_by_file_line_and_field() -> Result<()> {
    let directory = tempfile::tempdir()?;
    fs::write(directory.path().join("cluster.yaml"), CLUSTER)?;
    let path = directory.path().to_string_lossy().into_owned();
    let elsewhere = tempfile::tempdir()?;
    for (line, field) in [
        ("{\"from\": ", "JSON"),
        (
            "{\"from\": \"front/client\", \"to\": \"shop/open\", \"port\": 70000, \"protocol\": \"TCP\"}",
            "port",
        ),
        (
            "{\"from\": \"front/client\", \"to\": \"shop/open\", \"port\": 80, \"protocol\": \"ICMP\"}",
            "protocol",
        ),
        (
            "{\"from\": \"front/client\", \"to\": \"shop/nobody\", \"port\": 80, \"protocol\": \"TCP\"}",
            "shop/nobody",
        ),
        ("{\"to\": \"shop/open\", \"port\": 80, \"protocol\": \"TCP\"}", "from"),
    ] {
        let asked = queries(elsewhere.path(), &format!("{QUESTION}{line}\n{QUESTION}"))?;
        for engine in ["model", "kernel"] {
            let said = verdicts_refused(engine, &path, &asked)?;
            names(&said, &["queries.jsonl:2", field])?;
        }
    }
    let nowhere = elsewhere.path().join("none.jsonl").to_string_lossy().into_owned();
    let said = refused(&["policy", "verdicts", "--manifests", &path, "--queries", &nowhere])?;
    names(&said, &["none.jsonl", "No such file"])
}

fn at(lab: &Lab, pod: &str) -> Result<Vec<SocketAddr>> {
    lab.pod(pod)?.1.iter().map(|a| Ok(SocketAddr::new(a.parse()?, 80))).collect()
}

/// Puts a file in the agents' source and waits until a node's agent says what is wrong with it.
fn given(lab: &Lab, bad: &Bad) -> Result<()> {
    lab.put("bad.yaml", &bad.text)?;
    eventually(&format!("a report of {}", bad.text), SOON, || {
        let status = lab.status("node2")?;
        let mut said = format!("{:?}", status.refused_nodes);
        for problem in &status.problems {
            said += &format!("{} {} {} {}", problem.source, problem.object, problem.field, problem.message);
        }
        // A node that is refused is named by itself.
        let file = bad.object == "node3" || said.contains("bad.yaml");
        Ok(status.ready && file && said.contains(bad.object) && said.contains(bad.field))
    })
}

#[test]
fn a_running_agent_reports_what_is_bad_enforces_what_it_had_and_isolates_what_a_bad_policy_selects()
-> Result<()> {
    let lab = Lab::up("bad", CLUSTER, &[])?;
    let source = lab.state()?.source;
    let (mut allowed, mut forbidden) = (Vec::new(), Vec::new());
    for to in at(&lab, "shop/guarded")? {
        allowed.extend([lab.talk("front/client", "TCP", to)?, lab.talk("front/client", "UDP", to)?]);
        forbidden.extend([lab.talk("shop/stranger", "UDP", to)?, lab.knock("shop/stranger", to)?]);
    }
    allowed.iter_mut().try_for_each(Talk::goes)?;
    let open = *at(&lab, "shop/open")?.first().context("no address")?;
    for bad in all() {
        given(&lab, &bad)?;
        let reached = lab.http("shop/stranger", open, if bad.isolates { 1 } else { 5 })?;
        ensure!(reached.is_none() == bad.isolates, "{}: {reached:?}", bad.text);
        allowed.iter_mut().try_for_each(Talk::goes).with_context(|| bad.text.clone())?;
        fs::remove_file(source.join("bad.yaml"))?;
        eventually("nothing is wrong any more", SOON, || {
            let status = lab.status("node2")?;
            Ok(status.problems.is_empty() && status.refused_nodes.is_empty())
        })?;
        ensure!(lab.http("shop/stranger", open, 5)?.is_some(), "{}: it is gone, and yet", bad.text);
        // The same by way of the command changes nothing.
        let error = lab.apply(&bad.text).err().with_context(|| format!("applied: {}", bad.text))?;
        names(&format!("{error:#}"), &["apply.yaml", bad.object, bad.field])?;
    }
    none_answered(forbidden)?;
    all_whole(allowed, 50)
}
