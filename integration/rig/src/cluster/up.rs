//! Taking a cluster up.
use super::control_plane::{ControlPlane, DAEMONS, server};
use super::pki::{Authority, Files};
use super::{CONTROL_PLANE, Cluster, Options, down, kubeconfig, layout, node_files, underlay};
use crate::build::Programs;
use crate::machine::Machine;
use anyhow::{Context, Result, bail};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// Takes a cluster up at `root`, without a pod network: its nodes are there, and not ready. `rig` is this crate's program.
/// What takes long is said on standard output. If it fails nothing is left but the logs.
///
/// # Errors
/// If there is one already, or something does not start.
pub fn up(root: &Path, options: Options, programs: Programs, rig: &Path) -> Result<Cluster> {
    if root.join(super::STATE).exists() {
        bail!("there is a cluster at {} already; take it down first", root.display());
    }
    std::fs::create_dir_all(root).with_context(|| format!("making {}", root.display()))?;
    let root = root.canonicalize().with_context(|| format!("finding {}", root.display()))?;
    let mut cluster = Cluster { root, options, programs, rig: rig.to_owned(), machines: BTreeMap::new() };
    cluster.save()?;
    let started = bring_up(&mut cluster);
    if let Err(error) = started {
        let kept = down::keep_logs(&cluster.root);
        down::down(&cluster.root)?;
        return Err(error.context(match kept {
            Some(logs) => format!("the cluster did not come up; its logs are in {}", logs.display()),
            None => "the cluster did not come up".to_owned(),
        }));
    }
    Ok(cluster)
}

fn bring_up(cluster: &mut Cluster) -> Result<()> {
    let began = Instant::now();
    let authority = Authority::new()?;
    let files = authority.write(&cluster.root.join("pki"), cluster.options.families)?;
    let kubeconfigs = kubeconfigs(cluster, &authority)?;
    let control_plane = cluster.start_machine(CONTROL_PLANE)?;
    underlay::make(&control_plane, cluster.options.families)?;
    let mut nodes = Vec::new();
    for number in cluster.nodes() {
        let machine = cluster.start_machine(&layout::node_name(number))?;
        underlay::connect(&control_plane, &machine, number, cluster.options.families)?;
        nodes.push((number, machine));
    }
    println!("cluster: {} machines stand after {:.1} s", nodes.len() + 1, began.elapsed().as_secs_f32());
    let here: &Cluster = cluster;
    let ready = |what: &str| println!("cluster: {what} after {:.1} s", began.elapsed().as_secs_f32());
    // Images take as long to unpack as the control plane takes to start.
    std::thread::scope(|scope| {
        let prepare = |(_, machine): &(u8, Machine)| here.start_containerd(machine);
        let prepared: Vec<_> = nodes.iter().map(|node| scope.spawn(move || prepare(node))).collect();
        here.start_control_plane(&control_plane, &files, &kubeconfigs)?;
        ready("the control plane is ready");
        here.announce_nodes()?;
        for thread in prepared {
            thread.join().map_err(|_| anyhow::anyhow!("a node's thread panicked"))??;
        }
        nodes.iter().try_for_each(|(number, machine)| here.start_kubelet(*number, machine))
    })?;
    cluster.wait_for_service_account()?;
    cluster.wait_for_nodes()?;
    ready("all nodes have announced themselves");
    Ok(())
}

/// One file for each user: `admin` beside the cluster's state, the others in a directory of their own.
fn kubeconfigs(cluster: &Cluster, authority: &Authority) -> Result<Files> {
    let directory = cluster.root.join("kubeconfigs");
    std::fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
    let server = server(cluster.options.families);
    let admin = authority.client("admin", &["system:masters"])?;
    kubeconfig::write(&cluster.kubeconfig(), &server, authority, &admin)?;
    let mut users: Vec<(String, String, &[&str])> =
        ["kube-controller-manager", "kube-scheduler", "kube-proxy"]
            .map(|name| (name.to_owned(), format!("system:{name}"), &[] as &[&str]))
            .to_vec();
    for name in cluster.nodes().map(layout::node_name) {
        users.push((name.clone(), format!("system:node:{name}"), &["system:nodes"]));
    }
    for (file, user, groups) in users {
        let identity = authority.client(&user, groups)?;
        kubeconfig::write(&directory.join(file), &server, authority, &identity)?;
    }
    Ok(Files { directory })
}

impl Cluster {
    fn start_control_plane(&self, machine: &Machine, files: &Files, kubeconfigs: &Files) -> Result<()> {
        let plane = ControlPlane {
            machine,
            programs: &self.programs,
            files,
            kubeconfigs,
            families: self.options.families,
        };
        let [etcd, api_server, others @ ..] = DAEMONS;
        plane.start(etcd)?;
        plane.start(api_server)?;
        self.wait_for_api()?;
        others.iter().try_for_each(|daemon| plane.start(daemon))
    }

    /// Makes the Node objects.
    fn announce_nodes(&self) -> Result<()> {
        let nodes: Vec<_> = self.nodes().map(|n| node_files::node_object(&self.options, n)).collect();
        if nodes.is_empty() {
            return Ok(());
        }
        self.apply(&json!({"apiVersion": "v1", "kind": "List", "items": nodes}))
    }
}
