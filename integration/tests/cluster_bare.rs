//! A cluster without a pod network: what the machines of other tests stand on. Needs root and what builds Kubernetes.
use anyhow::{Result, ensure};
use ringfence_integration::kubernetes::{Cluster, Families, Options, Running, cluster};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What a cluster could leave on the host: links, mounts, cgroups, processes.
fn traces(root: &Path) -> Result<BTreeSet<String>> {
    let mut traces = BTreeSet::new();
    for entry in fs::read_dir("/sys/class/net")?.flatten() {
        traces.insert(format!("link {}", entry.file_name().to_string_lossy()));
    }
    for line in fs::read_to_string("/proc/self/mountinfo")?.lines() {
        traces.insert(format!("mount {}", line.split(' ').skip(4).collect::<Vec<_>>().join(" ")));
    }
    let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for hierarchy in fs::read_dir("/sys/fs/cgroup")?.flatten() {
        let cgroup = hierarchy.path().join(format!("ringfence-cluster-{name}"));
        if cgroup.exists() {
            traces.insert(format!("cgroup {}", cgroup.display()));
        }
    }
    for entry in fs::read_dir("/proc")?.flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(&root.display().to_string()) {
            traces.insert(format!("process {line}"));
        }
    }
    Ok(traces)
}

#[test]
fn a_node_without_a_pod_network_is_there_and_not_ready_and_nothing_is_left_when_it_is_gone() -> Result<()> {
    let before = traces(Path::new("/nowhere"))?;
    for down in [Down::Orderly, Down::AfterACrash] {
        let options = Options { nodes: 2, families: Families::Dual, ..Options::default() };
        let running = Running::bare("bare", options)?;
        let status = running.status()?;
        ensure!(status.nodes.len() == 2);
        for node in &status.nodes {
            ensure!(!node.ready && node.why.contains("cni plugin not initialized"), "{node:?}");
            ensure!(node.addresses.len() == 2 && node.pod_cidrs.len() == 2, "{node:?}");
        }
        let path = running.root.clone();
        ensure!(traces(&path)?.iter().any(|trace| trace.starts_with("process")));
        match down {
            Down::Orderly => drop(running),
            Down::AfterACrash => {
                forget_state(&running)?;
                cluster::down(&path)?;
                ensure!(!path.exists());
                std::mem::forget(running);
            }
        }
        ensure!(!path.exists(), "{} is still there", path.display());
        let left = traces(&path)?;
        ensure!(before == left, "left behind: {:?}", left.difference(&before).collect::<Vec<_>>());
    }
    Ok(())
}

enum Down {
    Orderly,
    AfterACrash,
}

/// As if whoever took it up was killed before it wrote down what it had started.
fn forget_state(cluster: &Cluster) -> Result<()> {
    Ok(fs::write(cluster.root.join("cluster.json"), "{}")?)
}
