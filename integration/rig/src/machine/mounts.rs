//! A machine's root file system: the host's below a layer in memory, so that every program that the host has runs there and
//! nothing it writes is seen outside.
use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::pivot_root;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

const NONE: Option<&str> = None;

/// Directories of a machine that lie on the host's disk, in the machine's home: they outlive its processes as a node's disk
/// outlives a reboot, and containerd's layers cannot lie on an overlay.
pub const KEPT: [&str; 8] = [
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/var/lib/cni",
    "/var/lib/ringfence",
    "/var/lib/etcd",
    "/var/log/pods",
    "/etc/cni",
    "/opt/cni",
];

/// Enters a root file system of this process's own. Its mount namespace must be its own already, its PID namespace too.
///
/// # Errors
/// If a mount is refused.
pub(super) fn enter(home: &Path, shared: &[PathBuf]) -> Result<()> {
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).context("making mounts private")?;
    let layer = home.join("layer");
    fs::create_dir_all(&layer).with_context(|| format!("making {}", layer.display()))?;
    fresh("tmpfs", &layer, Some("mode=755"))?;
    let [upper, work, root] = ["upper", "work", "root"].map(|name| layer.join(name));
    for directory in [&upper, &work, &root] {
        fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    }
    let options = format!("lowerdir=/,upperdir={},workdir={}", upper.display(), work.display());
    mount(Some("overlay"), &root, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .context("mounting an overlay of the root file system")?;
    if fs::metadata("/usr")?.dev() != fs::metadata("/")?.dev() {
        bind(Path::new("/usr"), &root.join("usr"), MsFlags::MS_REC)?;
    }
    kernel(&root)?;
    for directory in shared {
        bind(directory, &inside(&root, directory), MsFlags::empty())?;
    }
    for directory in KEPT.map(Path::new) {
        let kept = home.join("disk").join(directory.strip_prefix("/").unwrap_or(directory));
        fs::create_dir_all(&kept).with_context(|| format!("making {}", kept.display()))?;
        bind(&kept, &inside(&root, directory), MsFlags::empty())?;
    }
    std::env::set_current_dir(&root).context("entering the new root")?;
    // pivot_root(2): with the same directory twice, the old root lies over the new one and can be taken off.
    pivot_root(".", ".").context("changing the root")?;
    umount2(".", MntFlags::MNT_DETACH).context("leaving the old root")?;
    std::env::set_current_dir("/").context("entering the new root")?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SHARED, NONE).context("sharing mounts")
}

/// File systems of the kernel: a fresh `/sys` shows the machine's own devices, its own bpffs its own pins. Cgroups are the
/// host's, for a hierarchy cannot be had twice.
fn kernel(root: &Path) -> Result<()> {
    fresh("proc", &root.join("proc"), None)?;
    fresh("sysfs", &root.join("sys"), None)?;
    bind(Path::new("/sys/fs/cgroup"), &root.join("sys/fs/cgroup"), MsFlags::MS_REC)?;
    fresh("bpf", &root.join("sys/fs/bpf"), None)?;
    bind(Path::new("/dev"), &root.join("dev"), MsFlags::MS_REC)?;
    fresh("tmpfs", &root.join("run"), Some("mode=755"))?;
    fresh("tmpfs", &root.join("tmp"), Some("mode=1777"))?;
    for directory in ["run/netns", "run/lock", "run/wireguard"] {
        let directory = root.join(directory);
        fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
    }
    Ok(())
}

/// Shows a file that says `value` in place of a setting that the kernel has but once, so that a program which insists on a
/// value finds it, and the host's stays as it is.
///
/// # Errors
/// If the mount is refused.
pub(super) fn pretend(setting: &str, value: &str) -> Result<()> {
    let real = Path::new("/proc/sys").join(setting);
    if !real.is_file() {
        return Ok(());
    }
    let shown = Path::new("/run/settings").join(setting);
    if let Some(parent) = shown.parent() {
        fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
    }
    fs::write(&shown, format!("{value}\n")).with_context(|| format!("writing {}", shown.display()))?;
    fs::set_permissions(&shown, fs::Permissions::from_mode(0o644))?;
    mount(Some(&shown), &real, NONE, MsFlags::MS_BIND, NONE)
        .with_context(|| format!("mounting over {}", real.display()))
}

fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn fresh(kind: &str, at: &Path, options: Option<&str>) -> Result<()> {
    mount(Some(kind), at, Some(kind), MsFlags::empty(), options)
        .with_context(|| format!("mounting {kind} at {}", at.display()))
}

/// Without `MS_REC` what is mounted below `from` is not seen there: of the cluster's directory, layers of machines.
fn bind(from: &Path, at: &Path, depth: MsFlags) -> Result<()> {
    fs::create_dir_all(at).with_context(|| format!("making {}", at.display()))?;
    mount(Some(from), at, NONE, MsFlags::MS_BIND | depth, NONE)
        .with_context(|| format!("binding {} at {}", from.display(), at.display()))
}
