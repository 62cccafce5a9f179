//! `cargo xtask setup`: installs what is missing, each with a line of what and why; run again, it does nothing.
//!
//! Rust itself, rustfmt, clippy and the sources of `core` come from rust-toolchain.toml; the C compiler was seen
//! to by ringfence-bootstrap, before this could be built.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use ringfence_bootstrap::apt::{self, Package};
use ringfence_bootstrap::{find_program, progress};

use crate::repo;

/// The linker that makes eBPF objects; this version, because the programs' behaviour under the verifier depends on it.
const BPF_LINKER: &str = "0.13.0";
/// Must match the LLVM of the toolchain in rust-toolchain.toml: bitcode of a newer LLVM cannot be read.
const LLVM_PREFIX: &str = "/usr/lib/llvm-22";
/// Checks licences, duplicates and origins of dependencies.
const CARGO_DENY: &str = "0.20.2";

const fn package(name: &'static str, why: &'static str) -> Package {
    Package { name, why }
}

const LLVM: [Package; 4] = [
    package("llvm-22-dev", "LLVM 22, which bpf-linker links eBPF programs with"),
    package("libpolly-22-dev", "a part of LLVM that its link line names"),
    package("zlib1g-dev", "LLVM compresses sections with it"),
    package("libzstd-dev", "LLVM compresses sections with it"),
];

const LAB: [Package; 7] = [
    package("nftables", "masquerade and Service NAT in labs"),
    package("iptables", "the CNI plugin portmap (hostPort) calls it"),
    package("iproute2", "namespaces and links of labs, and looking at them"),
    package("tcpdump", "captures on the underlay"),
    package("iputils-ping", "reachability checks"),
    package("util-linux", "nsenter, to run commands in a lab's nodes and pods"),
    package("containernetworking-plugins", "the CNI plugins ptp, host-local and portmap"),
];

const INITRAMFS: [Package; 2] =
    [package("busybox-static", "the shell of the initramfs"), package("cpio", "packs the initramfs")];

const VM: [Package; 4] = [
    package("qemu-system-x86", "boots distribution kernels"),
    package("kmod", "lists which kernel modules need which"),
    package("xz-utils", "unpacks the modules of Debian's 6.12"),
    package("zstd", "unpacks the modules of other kernels"),
];

const CLUSTER: [Package; 4] = [
    package("containerd", "runs containers on nodes of clusters; its service on this machine is not used"),
    package("runc", "starts them"),
    package("busybox-static", "a shell in test images"),
    package("ca-certificates", "Go fetches Kubernetes' modules over TLS"),
];

const IMAGE: [Package; 2] = [
    package("musl-tools", "compiles the C parts of libraries for a static binary"),
    package("nftables", "goes into the image: the agent calls it"),
];

/// The command's work: `vm` adds QEMU, `lint` adds cargo-deny.
///
/// # Errors
/// When something is missing and cannot be installed.
pub(crate) fn run(vm: bool, lint: bool) -> Result<()> {
    build()?;
    lab()?;
    if vm {
        initramfs()?;
        self::vm()?;
    }
    if lint {
        deny()?;
    }
    println!("setup: everything is in place");
    Ok(())
}

/// What building the workspace needs: bpf-linker, and the LLVM to build it with.
///
/// # Errors
/// When it cannot be installed.
pub(crate) fn build() -> Result<()> {
    if has_version("bpf-linker", BPF_LINKER) {
        return Ok(());
    }
    apt::install(&LLVM)?;
    if !Path::new(LLVM_PREFIX).join("bin/llvm-config").is_file() {
        bail!(
            "{LLVM_PREFIX}/bin/llvm-config is missing although llvm-22-dev is installed; reinstall that package"
        );
    }
    println!("setup: installing bpf-linker {BPF_LINKER}: links the eBPF programs (about a minute)");
    let mut install = cargo_install("bpf-linker", BPF_LINKER)?;
    install.env("LLVM_PREFIX", LLVM_PREFIX).args(["--no-default-features", "--features", "llvm-22"]);
    progress::run("bpf-linker", &mut install)?;
    must_run("bpf-linker", BPF_LINKER)
}

/// What labs need.
///
/// # Errors
/// When it cannot be installed.
pub(crate) fn lab() -> Result<()> {
    apt::install(&LAB)?;
    for plugin in ["ptp", "host-local", "portmap"] {
        let path = Path::new("/usr/lib/cni").join(plugin);
        if !path.is_file() {
            bail!("{} is missing although containernetworking-plugins is installed", path.display());
        }
    }
    Ok(())
}

/// What real clusters need beside what labs do.
///
/// # Errors
/// When it cannot be installed.
pub(crate) fn cluster() -> Result<()> {
    lab()?;
    Ok(apt::install(&CLUSTER)?)
}

/// What the image is made of, beside the binary.
///
/// # Errors
/// When it cannot be installed.
pub(crate) fn image() -> Result<()> {
    Ok(apt::install(&IMAGE)?)
}

/// What every machine needs to boot.
///
/// # Errors
/// When it cannot be installed.
pub(crate) fn initramfs() -> Result<()> {
    Ok(apt::install(&INITRAMFS)?)
}

/// What emulated machines need.
///
/// # Errors
/// When it cannot be installed.
pub(crate) fn vm() -> Result<()> {
    Ok(apt::install(&VM)?)
}

/// cargo-deny, which only the lint tier needs.
///
/// # Errors
/// When it cannot be installed.
pub(crate) fn deny() -> Result<()> {
    if has_version("cargo-deny", CARGO_DENY) {
        return Ok(());
    }
    println!(
        "setup: installing cargo-deny {CARGO_DENY}: checks dependencies' licences and origins (some minutes)"
    );
    let mut install = cargo_install("cargo-deny", CARGO_DENY)?;
    progress::run("cargo-deny", install.arg("--no-default-features"))?;
    must_run("cargo-deny", CARGO_DENY)
}

fn cargo_install(name: &str, version: &str) -> Result<Command> {
    let mut command = repo::cargo()?;
    // --force: an older version may be there. Not in the workspace's target directory: its lock may be held.
    command
        .args(["install", name, "--version", version, "--locked", "--force"])
        .env_remove("CARGO_TARGET_DIR");
    Ok(command)
}

fn must_run(name: &str, version: &str) -> Result<()> {
    let path =
        find_program(name).with_context(|| format!("cargo install put no {name} where cargo finds it"))?;
    if has_version(name, version) {
        return Ok(());
    }
    bail!(
        "{} is not {name} {version} or does not run; remove it, or put cargo's bin directory first",
        path.display()
    )
}

/// The program is there, runs, and says it is this version.
fn has_version(name: &str, version: &str) -> bool {
    let Some(path) = find_program(name) else { return false };
    let Ok(output) = Command::new(path).arg("--version").output() else { return false };
    String::from_utf8_lossy(&output.stdout).trim() == format!("{name} {version}")
}
