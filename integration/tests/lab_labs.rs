//! Labs themselves: several do not meet, nothing is left of one that is gone, and what is done to one happens. Needs
//! root.
use anyhow::{Context, Result, ensure};
use ringfence_integration::lab::{Lab, binary};
use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Two nodes, a pod each, and a Service of the second.
const CLUSTER: &str = "
{apiVersion: v1, kind: Node, metadata: {name: one}, spec: {podCIDRs: [10.244.1.0/24, 'fd00:10:244:1::/64']},
 status: {addresses: [{type: InternalIP, address: 172.30.0.11}, {type: InternalIP, address: 'fd00:172:30::11'}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: two}, spec: {podCIDRs: [10.244.2.0/24, 'fd00:10:244:2::/64']},
 status: {addresses: [{type: InternalIP, address: 172.30.0.12}, {type: InternalIP, address: 'fd00:172:30::12'}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}},
 status: {podIPs: [{ip: 10.244.1.5}, {ip: 'fd00:10:244:1::5'}]},
 spec: {nodeName: one, containers: [{name: c, image: x, ports: [{containerPort: 80}]}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop, labels: {app: db}},
 status: {podIPs: [{ip: 10.244.2.5}, {ip: 'fd00:10:244:2::5'}]},
 spec: {nodeName: two, containers: [{name: c, image: x, ports: [{containerPort: 80}]}]}}
";

const DENY: &str = "
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny, namespace: shop},
 spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}}
";

const DB: &str = "10.244.2.5:80";

fn answer(lab: &Lab, from: &str, to: &str, seconds: u32) -> Result<Option<String>> {
    lab.http(from, to.parse()?, seconds)
}

/// What a lab could leave on the host: links, mounts and processes.
fn traces() -> Result<BTreeSet<String>> {
    let mut traces = BTreeSet::new();
    for entry in fs::read_dir("/sys/class/net")?.flatten() {
        traces.insert(format!("link {}", entry.file_name().to_string_lossy()));
    }
    for line in fs::read_to_string("/proc/self/mountinfo")?.lines() {
        traces.insert(format!("mount {}", line.split(' ').skip(4).collect::<Vec<_>>().join(" ")));
    }
    for entry in fs::read_dir("/proc")?.flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(&format!("/test-{}-", std::process::id())) {
            traces.insert(format!("process {line}"));
        }
    }
    Ok(traces)
}

#[test]
fn labs_of_the_same_addresses_do_not_meet_and_leave_nothing() -> Result<()> {
    let before = traces()?;
    {
        let (one, other) = (Lab::up("test", CLUSTER, &[])?, Lab::up("test", CLUSTER, &[])?);
        for lab in [&one, &other] {
            ensure!(answer(lab, "shop/web", DB, 5)?.as_deref() == Some("shop/db"));
            ensure!(answer(lab, "shop/web", "[fd00:10:244:2::5]:80", 5)?.as_deref() == Some("shop/db"));
        }
        one.apply(DENY)?;
        ensure!(answer(&one, "shop/web", DB, 1)?.is_none(), "the policy of one lab does not hold there");
        ensure!(answer(&other, "shop/web", DB, 5)?.is_some(), "the policy of one lab holds in another");
        ensure!(
            traces()?.iter().any(|t| t.starts_with("process")),
            "labs have no processes: {:#?}",
            traces()?
        );
    }
    let left: Vec<String> = traces()?.difference(&before).cloned().collect();
    ensure!(left.is_empty(), "left behind: {left:#?}");
    Ok(())
}

#[test]
fn nothing_is_left_of_a_lab_whose_making_was_killed_or_whose_record_was_lost() -> Result<()> {
    let before = traces()?;
    let manifests = tempfile::tempdir()?;
    fs::write(manifests.path().join("all.yaml"), CLUSTER)?;
    for milliseconds in [0, 50, 150, 300, 600, 1200, 2400] {
        let name = format!("test-{}-killed", std::process::id());
        let mut up = Command::new(binary()?);
        up.args(["lab", "up", "--name", &name]).arg(manifests.path()).stderr(Stdio::null());
        let mut up = up.spawn()?;
        sleep(Duration::from_millis(milliseconds));
        up.kill()?;
        up.wait()?;
        if milliseconds % 300 == 0 {
            // Down must find the machines without it.
            let _ = fs::remove_file(format!("/run/ringfence-lab/{name}/lab.json"));
        }
        let down = Command::new(binary()?).args(["lab", "down", "--name", &name]).output()?;
        ensure!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
        let left: Vec<String> = traces()?.difference(&before).cloned().collect();
        ensure!(left.is_empty(), "killed after {milliseconds} ms, left behind: {left:#?}");
        ensure!(!fs::exists(format!("/run/ringfence-lab/{name}"))?);
    }
    Ok(())
}

#[test]
fn what_is_applied_and_deleted_comes_and_goes() -> Result<()> {
    let lab = Lab::up("test", CLUSTER, &[])?;
    lab.apply(
        "
{apiVersion: apps/v1, kind: Deployment, metadata: {name: api, namespace: shop},
 spec: {replicas: 2, selector: {matchLabels: {app: api}}, template: {metadata: {labels: {app: api}},
   spec: {containers: [{name: c, image: x, ports: [{containerPort: 8080}]}]}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: api, namespace: shop},
 spec: {clusterIP: 10.96.0.77, selector: {app: api}, ports: [{port: 80, targetPort: 8080}]}}",
    )?;
    let mut met = BTreeSet::new();
    let until = Instant::now() + Duration::from_secs(20);
    while met.len() < 2 {
        met.extend(answer(&lab, "shop/web", "10.96.0.77:80", 5)?);
        ensure!(Instant::now() < until, "only {met:?} answer");
    }
    ensure!(met == BTreeSet::from(["shop/api-0".to_owned(), "shop/api-1".to_owned()]), "{met:?}");
    let address = |name: &str| -> Result<String> {
        let pods = lab.state()?.pods;
        let pod = pods.into_iter().find(|pod| pod.name == name).with_context(|| format!("no pod {name}"))?;
        Ok(format!("{}:8080", pod.addresses.first().context("no address")?))
    };
    let gone = address("shop/api-1")?;
    lab.lab(&["delete"], &["pod", "shop/api-1"])?;
    ensure!(answer(&lab, "shop/web", &gone, 1)?.is_none(), "a deleted pod answers");
    ensure!(lab.lab(&["delete"], &["pod", "shop/api-1"]).is_err(), "it was deleted twice");
    ensure!(answer(&lab, "shop/web", &address("shop/api-0")?, 5)?.is_some());
    lab.lab(&["delete"], &["namespace", "shop"])?;
    ensure!(lab.state()?.pods.is_empty());
    Ok(())
}

#[test]
fn a_pod_waits_for_its_nodes_agent_and_a_rebooted_node_brings_its_pods_back() -> Result<()> {
    let lab = Lab::up("test", CLUSTER, &[])?;
    lab.lab(&["agent", "kill"], &["two"])?;
    ensure!(answer(&lab, "shop/web", DB, 5)?.is_some(), "a killed agent takes its pods along");
    lab.apply(
        "
{apiVersion: v1, kind: Pod, metadata: {name: new, namespace: shop}, status: {podIPs: [{ip: 10.244.2.9}]},
 spec: {nodeName: two, containers: [{name: c, image: x, ports: [{containerPort: 80}]}]}}",
    )?;
    ensure!(answer(&lab, "shop/web", "10.244.2.9:80", 1)?.is_none());
    ensure!(!lab.state()?.ready);
    lab.lab(&["agent", "start"], &["two"])?;
    ensure!(answer(&lab, "shop/web", "10.244.2.9:80", 5)?.as_deref() == Some("shop/new"));

    let pid = |status: ringfence::lab::status::LabStatus| {
        status.nodes.into_iter().find(|n| n.name == "two").and_then(|n| n.pid)
    };
    let before = pid(lab.state()?);
    lab.lab(&["node", "reboot"], &["two", "--no-agent"])?;
    ensure!(answer(&lab, "shop/web", DB, 1)?.is_none(), "a pod answers on a node without an agent");
    lab.lab(&["agent", "start"], &["two"])?;
    // The other node may go on for 15 s with the session that was lost, until its WireGuard misses answers
    // (KEEPALIVE-TIMEOUT and REKEY-TIMEOUT in the WireGuard paper, section 6.1), unless this node speaks first.
    ensure!(answer(&lab, "shop/web", DB, 25)?.as_deref() == Some("shop/db"));
    ensure!(answer(&lab, "shop/new", "10.244.1.5:80", 5)?.as_deref() == Some("shop/web"));
    let status = lab.state()?;
    ensure!(status.ready, "{status:#?}");
    ensure!(pid(status) != before, "the node was not rebooted");
    Ok(())
}

#[test]
fn manifests_that_a_cluster_would_refuse_make_no_lab_and_change_none() -> Result<()> {
    let broken = DENY.replace("matchLabels", "matchLabel").replace("Ingress", "Sideways");
    let Err(refused) = Lab::up("test", &format!("{CLUSTER}---{broken}"), &[]) else {
        anyhow::bail!("a lab of a broken policy came up");
    };
    let text = format!("{refused:#}");
    ensure!(
        text.contains("cluster.yaml") && text.contains("shop/deny") && text.contains("policyTypes"),
        "{text}"
    );
    let lab = Lab::up("test", CLUSTER, &[])?;
    let refused = lab.apply(&broken).err().context("a broken policy was applied")?;
    ensure!(format!("{refused:#}").contains("policyTypes"), "{refused:#}");
    ensure!(answer(&lab, "shop/web", DB, 5)?.is_some());
    Ok(())
}
