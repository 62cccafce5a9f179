//! Debian's kernels: fetched and unpacked into a cache, never installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use ringfence_bootstrap::{apt, progress};

use super::mirror::Mirror;

/// The series that are tested: Debian 12's own (clsact only) and the newer one (TCX).
pub(crate) const SERIES: [&str; 2] = ["6.1", "6.12"];

/// A kernel that can be booted.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    /// What was asked for: "6.12", "uml".
    pub(crate) series: String,
    /// What `uname -r` says, or nearly so: for people to read.
    pub(crate) release: String,
    /// The bzImage, or the program.
    pub(crate) image: PathBuf,
    /// What it runs on.
    pub(crate) machine: Machine,
}

/// What a kernel runs on.
#[derive(Debug, Clone)]
pub(crate) enum Machine {
    /// QEMU without KVM.
    Emulated {
        /// The directory that holds `lib/modules/RELEASE`, with dependency lists made.
        root: PathBuf,
    },
    /// None: User-Mode Linux, a kernel that is a process of this machine. It has no modules.
    UserMode,
}

/// `.ko` or `.ko.xz` files below `root` in the order they must be loaded for `names`; what is built in is left out.
///
/// # Errors
/// When a module does not exist.
pub(super) fn module_files(root: &Path, release: &str, names: &[&str]) -> Result<Vec<PathBuf>> {
    let mut command = Command::new("modprobe");
    command.arg("--dirname").arg(root).args(["--set-version", release]);
    let output =
        command.args(["--show-depends", "--all"]).args(names).output().context("starting modprobe")?;
    if !output.status.success() {
        bail!("{release} lacks modules: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let mut files = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Some(file) = line.strip_prefix("insmod ") else { continue }; // the others are "builtin NAME"
        let file = PathBuf::from(file.trim());
        if !files.contains(&file) {
            files.push(file);
        }
    }
    Ok(files)
}

/// The newest kernel of the series, from `cache` if it is there.
///
/// # Errors
/// When it is offered nowhere, or cannot be fetched or unpacked.
pub(crate) fn prepare(series: &str, cache: &Path) -> Result<Kernel> {
    let home = cache.join("kernels").join(series);
    if let Some(kernel) = find(series, &home)? {
        return Ok(kernel);
    }
    let scratch = cache.join(format!("fetch-{series}-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).with_context(|| format!("making {}", scratch.display()))?;
    let unpacked = fetch(series, cache, &scratch).and_then(|()| unpack(&scratch));
    if unpacked.is_ok() && !home.is_dir() {
        std::fs::create_dir_all(cache.join("kernels")).context("making the cache")?;
        std::fs::rename(scratch.join("root"), &home)
            .with_context(|| format!("moving to {}", home.display()))?;
    }
    let _ = std::fs::remove_dir_all(&scratch); // in the cache, so what stays behind is seen and harmless
    unpacked?;
    find(series, &home)?.with_context(|| format!("the package of {series} has no kernel in it"))
}

fn find(series: &str, root: &Path) -> Result<Option<Kernel>> {
    let modules = root.join("lib/modules");
    if !modules.is_dir() {
        return Ok(None);
    }
    let mut releases =
        std::fs::read_dir(&modules).with_context(|| format!("reading {}", modules.display()))?;
    let Some(entry) = releases.next() else { return Ok(None) };
    let release = entry.context("reading the cache")?.file_name().to_string_lossy().into_owned();
    let image = root.join("boot").join(format!("vmlinuz-{release}"));
    let machine = Machine::Emulated { root: root.to_owned() };
    let kernel = Kernel { series: series.to_owned(), release, image, machine };
    Ok(kernel.image.is_file().then_some(kernel))
}

/// Downloads the package into `scratch`, from the host's package sources if they have it, else from Debian 12's.
fn fetch(series: &str, cache: &Path, scratch: &Path) -> Result<()> {
    let host = Mirror::host();
    let (mirror, package) = match host.newest_kernel(series)? {
        Some(package) => (host, package),
        None => {
            let debian = Mirror::debian(&cache.join("apt"))?;
            let package = debian.newest_kernel(series)?;
            (
                debian,
                package.with_context(|| {
                    format!("neither this system nor Debian 12 has a cloud kernel {series}")
                })?,
            )
        }
    };
    println!(
        "vm: fetching {package}: the kernel to boot (about 30 MB, unpacked under target/, not installed)"
    );
    let mut download = mirror.apt_get();
    // Root is dropped for downloads, and `_apt` may not write here.
    download.args(["-o", "APT::Sandbox::User=root", "download", &package]).current_dir(scratch);
    Ok(progress::run("download", &mut download)?)
}

/// Unpacks the package in `scratch` to `scratch/root` and makes the modules' dependency lists.
fn unpack(scratch: &Path) -> Result<()> {
    let mut entries =
        std::fs::read_dir(scratch).context("reading the download")?.flatten().map(|entry| entry.path());
    let package = entries.find(|path| path.extension().is_some_and(|ext| ext == "deb"));
    let package = package.context("apt-get downloaded no package")?;
    let root = scratch.join("root");
    progress::run("unpack", Command::new("dpkg-deb").arg("--extract").arg(package).arg(&root))?;
    // Newer packages have /usr/lib/modules; kmod looks in /lib.
    if !root.join("lib/modules").is_dir() && root.join("usr/lib/modules").is_dir() {
        std::fs::create_dir_all(root.join("lib")).context("making lib")?;
        std::fs::rename(root.join("usr/lib/modules"), root.join("lib/modules"))
            .context("moving the modules")?;
    }
    let kernel = find("", &root)?.context("the package has no kernel in it")?;
    Ok(progress::run("depmod", Command::new("depmod").arg("--basedir").arg(&root).arg(&kernel.release))?)
}

/// Reads the package lists if they were never read; installing did so already on most machines.
pub(super) fn update_once(lists: &Path) -> Result<()> {
    let read = std::fs::read_dir(lists).is_ok_and(|dir| dir.flatten().any(|entry| entry.path().is_file()));
    if !read {
        apt::update()?;
    }
    Ok(())
}
