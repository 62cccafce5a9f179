//! Cgroups of a node, in every hierarchy: the kubelet's root, and beside the pods in it one for the node's own programs.
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const MOUNT: &str = "/sys/fs/cgroup";
/// For the node's own programs.
const SYSTEM: &str = "system";

/// A node's cgroup, as a kubelet's `cgroupRoot` names it.
pub fn of_node(root: &Path, node: &str) -> String {
    format!("/{}/{node}", of_cluster(root))
}

fn of_cluster(root: &Path) -> String {
    let name = root.file_name().unwrap_or_default().to_string_lossy();
    format!("ringfence-cluster-{name}")
}

/// Makes a node's cgroups and puts this process into the one for its programs.
///
/// # Errors
/// If this system refuses it.
pub(super) fn join(root: &Path, node: &str) -> Result<()> {
    let path = of_node(root, node);
    let path = path.trim_start_matches('/');
    for hierarchy in hierarchies()? {
        let system = hierarchy.join(path).join(SYSTEM);
        fs::create_dir_all(&system).with_context(|| format!("making {}", system.display()))?;
        let mut above = hierarchy.clone();
        for part in Path::new(path).join(SYSTEM).components() {
            let below = above.join(part);
            inherit(&above, &below)?;
            above = below;
        }
        // cgroups(7): 0 is the writer.
        let procs = system.join("cgroup.procs");
        fs::write(&procs, "0").with_context(|| format!("writing {}", procs.display()))?;
    }
    Ok(())
}

/// The files into which a process writes 0 to be one of a node's own programs; none for a machine without cgroups.
pub(super) fn system_files(root: &Path, node: &str) -> Result<Vec<PathBuf>> {
    let below = of_node(root, node);
    let file =
        |hierarchy: PathBuf| hierarchy.join(below.trim_start_matches('/')).join(SYSTEM).join("cgroup.procs");
    Ok(hierarchies()?.into_iter().map(file).filter(|file| file.is_file()).collect())
}

/// Hierarchies that a node's programs are put into: the one of version 2, or each of version 1.
fn hierarchies() -> Result<Vec<PathBuf>> {
    let mut found = mounted()?;
    // Beside those of version 1 there may be one of version 2, without controllers.
    if found != [Path::new(MOUNT)] {
        found.retain(|path| !path.join("cgroup.controllers").is_file());
    }
    if found.is_empty() {
        bail!("no cgroups are mounted at {MOUNT}");
    }
    Ok(found)
}

/// Every hierarchy there is: runc makes cgroups in all of them.
fn mounted() -> Result<Vec<PathBuf>> {
    let mount = Path::new(MOUNT);
    if mount.join("cgroup.controllers").is_file() {
        return Ok(vec![mount.to_owned()]);
    }
    let entries = fs::read_dir(mount).with_context(|| format!("reading {MOUNT}"))?.flatten();
    // Links name the same hierarchy once more.
    let real = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(real.map(|entry| entry.path()).filter(|path| path.join("cgroup.procs").is_file()).collect())
}

/// Gives a cgroup what its parent has: version 1 makes cpusets empty, and nothing may run in an empty one; version 2 offers
/// to children only the controllers that were enabled for them.
fn inherit(above: &Path, below: &Path) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let (from, to) = (above.join(file), below.join(file));
        if above.join("cgroup.controllers").is_file() || !to.is_file() {
            continue;
        }
        let value = fs::read_to_string(&from).with_context(|| format!("reading {}", from.display()))?;
        fs::write(&to, value.trim()).with_context(|| format!("writing {}", to.display()))?;
    }
    let controllers = above.join("cgroup.controllers");
    if !controllers.is_file() || below.ends_with(SYSTEM) {
        return Ok(());
    }
    let offered =
        fs::read_to_string(&controllers).with_context(|| format!("reading {}", controllers.display()))?;
    for controller in offered.split_whitespace() {
        // One that cannot be enabled, such as cpu beside real-time processes, the kubelet names if it needs it.
        let _ = fs::write(above.join("cgroup.subtree_control"), format!("+{controller}"));
    }
    Ok(())
}

/// Removes the cgroups of a cluster whose processes have ended.
///
/// # Errors
/// If some are still in use after 10 s.
pub fn remove(root: &Path) -> Result<()> {
    let began = Instant::now();
    loop {
        let left: Vec<PathBuf> = mounted()?
            .into_iter()
            .map(|hierarchy| hierarchy.join(of_cluster(root)))
            .filter(|path| path.is_dir())
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        if began.elapsed() > Duration::from_secs(10) {
            bail!("{} is still in use", left[0].display());
        }
        left.iter().for_each(|path| remove_tree(path));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Cgroups are removed one by one, from the leaves; their files go with them.
fn remove_tree(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    // What is in use stays for the next look.
    let _ = fs::remove_dir(path);
}
