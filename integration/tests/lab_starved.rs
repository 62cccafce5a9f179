//! P3 with the source away: what the agent had stays enforced, and a pod that nobody can tell anything about gets no
//! network, in time and with a reason.
use anyhow::{Context, Result, ensure};
use ringfence_integration::cluster::bank::{bank, reaches};
use ringfence_integration::cluster::eventually;
use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(20);

/// One that will come. Addresses are given by name, so it comes after the others.
const LATE: &str = "
apiVersion: v1
kind: Pod
metadata: {name: NAME, namespace: bank, labels: {app: stranger}}
spec: {nodeName: node-0, containers: [{name: c, image: i}]}
";

#[test]
fn without_its_source_an_agent_enforces_what_it_had_and_refuses_pods_it_knows_nothing_of() -> Result<()> {
    let bank = bank()?;
    let db = SocketAddr::new(bank.db.address(false)?, 5432);
    let holds = |when: &str| -> Result<()> {
        ensure!(reaches(&bank.shop, db), "{when}: the shop does not reach the database");
        ensure!(!reaches(&bank.stranger, db), "{when}: the stranger does");
        Ok(())
    };
    bank.cluster.write("known.yaml", &LATE.replace("NAME", "z-known"))?;
    eventually(LONG, "the mesh", || holds("before"))?;
    let (there, away) = (bank.cluster.manifests(), bank.cluster.manifests().with_extension("away"));
    let node = &bank.cluster.nodes[0];
    let enforced = node.status()?.enforcement.enforced;
    eventually(LONG, "the known pod is heard of", || {
        ensure!(node.status()?.enforcement.enforced >= enforced && node.status()?.problems.is_empty());
        Ok(())
    })?;

    for unreadable in [false, true] {
        fs::rename(&there, &away)?;
        if unreadable {
            // Root reads whatever its permissions say; nobody reads a file as a directory.
            fs::write(&there, "no directory")?;
        }
        eventually(LONG, "the loss is reported", || {
            let problems = node.status()?.problems;
            ensure!(problems.iter().any(|p| p.source.contains("manifests")), "{problems:?}");
            Ok(())
        })?;
        holds("without the source")?;
        let name = if unreadable { "z-late-1" } else { "z-late-0" };
        let started = Instant::now();
        let error = node.add_pod("bank", name).err().context("ADD of a pod that nobody knows succeeded")?;
        let took = started.elapsed();
        let text = format!("{error:#}");
        ensure!(text.contains(&format!("bank/{name} is not known")), "{text}");
        ensure!(took < Duration::from_secs(15), "the runtime was told after {took:?}");
        holds("after a refused pod")?;
        if unreadable {
            // What it was told of before comes up, under the policies it was told of.
            let known = node.add_pod("bank", "z-known")?;
            ensure!(
                known.connect(db, Duration::from_millis(700)).is_err(),
                "the new pod reaches the database"
            );
            let other = SocketAddr::new(bank.shop.address(false)?, 80);
            bank.shop.serve_tcp(80)?;
            ensure!(reaches(&known, other), "the new pod has no network at all");
            fs::remove_file(&there)?;
        }
        fs::rename(&away, &there)?;
        eventually(LONG, "the source is back", || {
            let problems = node.status()?.problems;
            ensure!(problems.is_empty(), "{problems:?}");
            Ok(())
        })?;
        holds("with the source back")?;
    }
    bank.cluster.write("late.yaml", &LATE.replace("NAME", "z-late-2"))?;
    let late = node.add_pod("bank", "z-late-2")?;
    ensure!(late.connect(db, Duration::from_millis(700)).is_err(), "the last pod reaches the database");
    Ok(())
}
