//! A rig that runs a command under another kernel, the host's root file system below a writable overlay, so that
//! everything installed here runs there, and nothing done there is seen here.
//!
//! A distribution's own kernel runs in QEMU without KVM; the host's root comes by virtiofs, read-only, and kernel modules
//! load on demand. User-Mode Linux is a process of this machine, and reads the host's root itself. Neither has a network
//! device.

mod boot;
mod guest;
mod initramfs;
pub(crate) mod kernel;
mod mirror;
pub(crate) mod programs;
mod qemu;
mod share;
pub(crate) mod uml;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
pub(crate) use guest::quote;

use crate::{repo, setup};

/// What a boot needs and logs is in directories of this name, our process id and a number.
const RUN_PREFIX: &str = "run-";

/// `cargo xtask vm`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Debian kernel to boot: 6.1 or 6.12 in QEMU, or uml: 6.12 as User-Mode Linux, which is much faster
    #[arg(long, default_value = "6.12")]
    kernel: String,
    /// Seconds after which the machine is stopped
    #[arg(long, default_value_t = 1800)]
    timeout: u64,
    /// Memory in MiB
    #[arg(long, default_value_t = 2048)]
    memory: u32,
    /// What to run, as root in the working directory
    #[arg(required = true, last = true)]
    command: Vec<OsString>,
}

/// What to run, and in what machine.
#[derive(Debug)]
pub(crate) struct Job {
    /// The kernel to boot.
    pub(crate) kernel: kernel::Kernel,
    /// A script for the host's `/bin/sh`; its exit status is the job's.
    pub(crate) script: String,
    /// Where it starts.
    pub(crate) directory: PathBuf,
    /// Environment beside what [`guest::inherited_environment`] takes over.
    pub(crate) environment: Vec<(String, OsString)>,
    /// MiB.
    pub(crate) memory: u32,
    /// After this the machine is stopped, and the job has failed.
    pub(crate) timeout: Duration,
    /// Put before each line that is printed: tells machines apart that run at once.
    pub(crate) label: &'static str,
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The script's exit status.
    Exited(u8),
    /// It took longer than it may.
    TimedOut,
    /// The machine stopped before the script ended: a panic, or out of memory.
    Died,
}

/// The command's work.
///
/// # Errors
/// When the machine cannot be made or booted.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let job = Job {
        kernel: prepare(&args.kernel)?,
        script: guest::quote_command(&args.command),
        directory: std::env::current_dir()?,
        environment: Vec::new(),
        memory: args.memory,
        timeout: Duration::from_secs(args.timeout),
        label: "",
    };
    match run(&job, |_| None)? {
        Outcome::Exited(status) => Ok(ExitCode::from(status)),
        Outcome::TimedOut => bail!("the machine was stopped after {} s", args.timeout),
        Outcome::Died => bail!("the machine stopped before the command ended; its console is above"),
    }
}

/// Installs what machines need and fetches the kernel.
///
/// # Errors
/// When something cannot be installed or fetched, or without root.
pub(crate) fn prepare(version: &str) -> Result<kernel::Kernel> {
    if !ringfence_bootstrap::is_root() {
        bail!("the machine sees the host's files as root does: run it as root (sudo -E env PATH=\"$PATH\")");
    }
    setup::lab()?;
    setup::initramfs()?;
    let cache = repo::target_dir()?.join("vm");
    remove_stale(&cache);
    if version == uml::SERIES {
        return uml::prepare(&cache);
    }
    setup::vm()?;
    kernel::prepare(version, &cache)
}

/// Boots, runs the script and passes its output through; `each` sees every line and may say what is wrong with it.
/// A machine that dies before the script has begun is booted once more.
///
/// # Errors
/// When the machine cannot be started, or died twice at boot.
pub(crate) fn run(job: &Job, mut each: impl FnMut(&str) -> Option<String>) -> Result<Outcome> {
    let cache = repo::target_dir()?.join("vm");
    remove_stale(&cache);
    let directory = run_directory(&cache);
    for attempt in 1..=2 {
        if let Some(outcome) = boot::boot(job, &directory, &mut each)? {
            return Ok(outcome);
        }
        eprintln!("vm: {} died at boot (attempt {attempt} of 2)", job.kernel.release);
    }
    bail!("{} did not boot; its console is above", job.kernel.release)
}

/// What this process needs for a while: another one at each call.
fn run_directory(cache: &Path) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    cache.join(format!("{RUN_PREFIX}{}-{number}", std::process::id()))
}

/// Failed boots leave their console behind for reading; the next one takes away those of processes that are gone.
fn remove_stale(cache: &Path) {
    let Ok(entries) = std::fs::read_dir(cache) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(process) = name.to_str().and_then(|name| name.strip_prefix(RUN_PREFIX)) else { continue };
        let process = process.split('-').next().unwrap_or(process);
        if !Path::new("/proc").join(process).exists() {
            let _ = std::fs::remove_dir_all(entry.path()); // another process may be doing the same
        }
    }
}
