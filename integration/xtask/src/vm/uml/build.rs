//! The kernel as Debian's source package has it, built as a program: once for each version and configuration.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use ringfence_bootstrap::{apt, progress};

use crate::vm::kernel::{Kernel, Machine};
use crate::vm::mirror::Mirror;

/// The series that a Debian release has, so that what is tested is what is used.
const SOURCE: &str = "linux-source-6.12";
/// What the kernel has.
const CONFIG: &str = include_str!("kernel.config");
/// Added to `arch/um/Kconfig`. Only of machines that read unaligned words does the verifier let programs do so; x86 does, in
/// a process as in a kernel, but User-Mode Linux does not say it.
const ADDED: &str = "
config RINGFENCE_UML
	def_bool y
	select HAVE_EFFICIENT_UNALIGNED_ACCESS
";
/// Debugging information, from which the kernel's types are taken, doubles the time to build. What is needed is of three files:
/// the types of programs' contexts, `bpf_ctx_convert` in kernel/bpf/btf.c; and the functions that connection tracking and NAT
/// offer to programs. Without those they take back all they have set up (`nf_nat_init`, net/netfilter/nf_nat_core.c).
const DEBUGGED: [&str; 4] = [
    "KCFLAGS=-g0",
    "CFLAGS_btf.o=-gdwarf-4",
    "CFLAGS_nf_conntrack_bpf.o=-gdwarf-4",
    "CFLAGS_nf_nat_bpf.o=-gdwarf-4",
];
/// Most of the archive is drivers and documents; without these it unpacks in a third less time.
const LEFT_OUT: [&str; 2] = ["*/drivers/gpu/drm/amd/include", "*/Documentation/*/*"];

const fn package(name: &'static str, why: &'static str) -> apt::Package {
    apt::Package { name, why }
}

const TOOLS: [apt::Package; 8] = [
    package("make", "builds User-Mode Linux"),
    package("flex", "reads the kernel's configuration language"),
    package("bison", "reads the kernel's configuration language"),
    package("bc", "computes constants of the kernel"),
    package("libelf-dev", "the kernel's tool for the types of eBPF reads object files"),
    package("dwarves", "pahole, which writes down the kernel's types for eBPF"),
    package("binutils", "strips the kernel"),
    package("xz-utils", "unpacks the kernel's source"),
];

/// The kernel, from `cache` if it was built before.
///
/// # Errors
/// When its source is offered nowhere or does not build, or when the kernel lacks what `kernel.config` asks for.
pub(crate) fn prepare(cache: &Path) -> Result<Kernel> {
    let (mirror, version) = source(cache)?;
    let home = cache.join("kernels").join(format!("uml-{version}-{:016x}", fingerprint()));
    let kernel = Kernel {
        series: super::SERIES.to_owned(),
        release: version.clone(),
        image: home.join("linux"),
        machine: Machine::UserMode,
    };
    if kernel.image.is_file() {
        return Ok(kernel);
    }
    apt::install(&TOOLS)?;
    // As a run's own, so that the next one takes it away if this one is stopped: it holds more than a GB.
    let scratch = super::super::run_directory(cache).join("build");
    std::fs::create_dir_all(&scratch).with_context(|| format!("making {}", scratch.display()))?;
    let built = fetch(&mirror, &version, &scratch).and_then(|source| build(&source, &scratch));
    let kept = built.and_then(|program| {
        std::fs::create_dir_all(&home).with_context(|| format!("making {}", home.display()))?;
        // Renamed, so that a kernel which is there is whole.
        std::fs::rename(program, &kernel.image).with_context(|| format!("moving to {}", home.display()))
    });
    let _ = std::fs::remove_dir_all(&scratch); // in the cache, so what stays behind is seen and harmless
    kept?;
    Ok(kernel)
}

/// Who offers the source, and its version.
fn source(cache: &Path) -> Result<(Mirror, String)> {
    let host = Mirror::host();
    if let Some(version) = host.candidate(SOURCE)? {
        return Ok((host, version));
    }
    let debian = Mirror::debian(&cache.join("apt"))?;
    let version = debian.candidate(SOURCE)?;
    let version = version.with_context(|| format!("neither this system nor Debian 12 has {SOURCE}"))?;
    Ok((debian, version))
}

/// Downloads the package and unpacks its archive; where the source is.
fn fetch(mirror: &Mirror, version: &str, scratch: &Path) -> Result<PathBuf> {
    println!(
        "vm: fetching {SOURCE} {version}: the kernel to build (about 150 MB, under target/, not installed)"
    );
    let mut download = mirror.apt_get();
    // Root is dropped for downloads, and `_apt` may not write here.
    download.args(["-o", "APT::Sandbox::User=root", "download"]).arg(format!("{SOURCE}={version}"));
    progress::run("download", download.current_dir(scratch))?;
    let mut entries =
        std::fs::read_dir(scratch).context("reading the download")?.flatten().map(|entry| entry.path());
    let package = entries.find(|path| path.extension().is_some_and(|ext| ext == "deb"));
    let package = package.context("apt-get downloaded no package")?;
    let unpacked = scratch.join("package");
    progress::run(
        "unpack the package",
        Command::new("dpkg-deb").arg("--extract").arg(package).arg(&unpacked),
    )?;
    let archive = unpacked.join("usr/src").join(format!("{SOURCE}.tar.xz"));
    let mut tar = Command::new("tar");
    tar.arg("--extract").arg("--file").arg(&archive).arg("--directory").arg(scratch);
    tar.args(LEFT_OUT.map(|path| format!("--exclude={path}")));
    progress::run("unpack the source", &mut tar)?;
    Ok(scratch.join(SOURCE))
}

/// Builds the kernel of `source`; where the program is.
fn build(source: &Path, scratch: &Path) -> Result<PathBuf> {
    let (config, out) = (scratch.join("kernel.config"), scratch.join("out"));
    std::fs::write(&config, CONFIG).with_context(|| format!("writing {}", config.display()))?;
    let machine = source.join("arch/um/Kconfig");
    let mut options =
        std::fs::read_to_string(&machine).with_context(|| format!("reading {}", machine.display()))?;
    options.push_str(ADDED);
    std::fs::write(&machine, options).with_context(|| format!("writing {}", machine.display()))?;
    let make = || {
        let mut make = Command::new("make");
        make.current_dir(source).arg("ARCH=um").arg(format!("O={}", out.display()));
        // What cargo or another make says to its own children is not for this one.
        make.env_remove("MAKEFLAGS").env_remove("MFLAGS").env("KCONFIG_ALLCONFIG", &config);
        make
    };
    progress::run("configure", make().arg("allnoconfig"))?;
    let made = out.join(".config");
    let made = std::fs::read_to_string(&made).with_context(|| format!("reading {}", made.display()))?;
    let lacking = lacking(CONFIG, &made);
    if !lacking.is_empty() {
        bail!("{SOURCE} cannot be configured as kernel.config says: it leaves out {}", lacking.join(", "));
    }
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    println!("vm: building User-Mode Linux: some minutes, and never again for this version");
    progress::run("build the kernel", make().arg(format!("-j{jobs}")).args(DEBUGGED).arg("linux"))?;
    let program = out.join("linux");
    progress::run("strip", Command::new("strip").arg("--strip-debug").arg(&program))?;
    Ok(program)
}

/// Lines of `wanted` that are not in `made`.
fn lacking<'a>(wanted: &'a str, made: &str) -> Vec<&'a str> {
    let options = wanted.lines().filter(|line| line.starts_with("CONFIG_"));
    options.filter(|option| !made.lines().any(|line| line == *option)).collect()
}

/// Tells ways to build apart; another toolchain may say otherwise, and then it is built once more.
fn fingerprint() -> u64 {
    let mut hasher = DefaultHasher::new();
    (CONFIG, ADDED, DEBUGGED).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_the_kernel_does_not_know_is_noticed() {
        let made = "CONFIG_NET=y\nCONFIG_WIREGUARD_DEBUG=y\n# CONFIG_TUN is not set\n";
        let wanted = "# why\nCONFIG_NET=y\n\nCONFIG_WIREGUARD=y\nCONFIG_TUN=y\n";
        assert_eq!(lacking(wanted, made), ["CONFIG_WIREGUARD=y", "CONFIG_TUN=y"]);
    }

    #[test]
    fn what_is_tested_is_in_the_configuration() {
        for option in ["CONFIG_WIREGUARD=y", "CONFIG_NF_CT_PROTO_SCTP=y", "CONFIG_DEBUG_INFO_BTF=y"] {
            assert!(lacking(option, CONFIG).is_empty(), "{option}");
        }
    }
}
