//! Ringfence as the network of a real cluster that had none, installed by `kubectl apply -k`. Needs root and what builds
//! Kubernetes.
use anyhow::{Result, ensure};
use ringfence_integration::kubernetes::{Options, Running};
use ringfence_rig::run;
use serde_json::json;

/// What `Running::server` serves on.
const PORT: u16 = 8080;

#[test]
fn pods_of_three_nodes_talk_through_the_mesh_alone_and_a_network_policy_shuts_out_whom_it_does_not_name()
-> Result<()> {
    let cluster = Running::bare("network", Options::default())?;
    ensure!(cluster.status()?.nodes.iter().all(|node| !node.ready), "a node is ready without a pod network");
    cluster.install()?;
    ensure!(cluster.status()?.nodes.iter().all(|node| node.ready));

    let pods = [("web", "node-1", "web"), ("friend", "node-2", "friend"), ("stranger", "node-3", "stranger")];
    for (name, node, app) in pods {
        cluster.server(name, node, app)?;
    }
    cluster.wait_for_pods(&pods.map(|(name, ..)| name))?;
    cluster.apply(&service())?;
    every_pod_reaches_every_other_inside_wireguard(&cluster)?;
    a_policy_is_enforced(&cluster)
}

fn every_pod_reaches_every_other_inside_wireguard(cluster: &Running) -> Result<()> {
    let wire = cluster.listen()?;
    let names = ["web", "friend", "stranger"];
    for from in names {
        for to in names.into_iter().filter(|to| *to != from) {
            let at = format!("{}:{PORT}", cluster.address(to)?);
            ensure!(cluster.name_at(from, &at)? == to, "{from} to {to}");
        }
    }
    let heard = wire.stop()?;
    let plain = heard.count("net 10.244.0.0/16")?;
    ensure!(plain == 0, "{plain} packets of pods went in the clear");
    // The control: six requests and their answers, of some packets each.
    let encrypted = heard.count("udp and (port 51871 or port 51872)")?;
    ensure!(encrypted >= 6 * 6, "only {encrypted} packets inside WireGuard: did the capture hear anything?");
    Ok(())
}

fn a_policy_is_enforced(cluster: &Running) -> Result<()> {
    let web = format!("{}:{PORT}", cluster.address("web")?);
    let service = format!("{}:80", service_address(cluster)?);
    for at in [&web, &service] {
        ensure!(cluster.connects("stranger", at, 5)?, "stranger to {at} before there is a policy");
    }
    cluster.apply(&policy())?;
    run::until("the policy to be enforced", 30, || {
        Ok(cluster.connects("stranger", &web, 1)?.then(|| "a stranger still gets in".to_owned()))
    })?;
    for _ in 0..3 {
        for at in [&web, &service] {
            ensure!(cluster.connects("friend", at, 5)?, "a friend does not reach {at}");
            ensure!(!cluster.connects("stranger", at, 1)?, "a stranger reaches {at}");
        }
    }
    // Its kubelet still probes it, and its own node is let in.
    cluster.wait_for_pods(&["web"])?;
    cluster.ask(&["delete", "networkpolicy", "friends"])?;
    run::until("the policy to be gone", 30, || {
        Ok((!cluster.connects("stranger", &web, 2)?).then(|| "a stranger does not get in".to_owned()))
    })
}

fn service_address(cluster: &Running) -> Result<String> {
    let found = cluster.get(&["service", "web"])?;
    Ok(found["spec"]["clusterIP"].as_str().unwrap_or_default().to_owned())
}

fn service() -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": PORT}]},
    })
}

fn policy() -> serde_json::Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "friends", "namespace": "default"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "web"}},
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "friend"}}}], "ports": [{"port": PORT}]}],
        },
    })
}
