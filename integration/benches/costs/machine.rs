//! Where and when something was measured.

use std::fmt;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The load of a machine that does nothing else: this bench's own building may linger in it.
const IDLE: f64 = 1.0;

/// Enough to judge the numbers by; nothing that names the machine.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
    busy: String,
    commit: String,
    date: String,
}

impl Machine {
    /// This one, now.
    ///
    /// # Errors
    /// When it does not say.
    pub(crate) fn this() -> Result<Self> {
        let read = |path: &str| std::fs::read_to_string(path).with_context(|| format!("reading {path}"));
        let cpuinfo = read("/proc/cpuinfo")?;
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let changes = said(Command::new("git").args(["status", "--porcelain", "--untracked-files=no"]))?;
        let commit = said(Command::new("git").args(["rev-parse", "--short=12", "HEAD"]))?;
        Ok(Self {
            processor: model.map_or("unknown", |(_, name)| name.trim()).to_owned(),
            cores: std::thread::available_parallelism().context("counting cores")?.get(),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            busy: read("/proc/loadavg")?.split(' ').next().unwrap_or_default().to_owned(),
            commit: if changes.is_empty() { commit } else { format!("{commit} with changes") },
            date: said(Command::new("date").args(["-u", "+%Y-%m-%d"]))?,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, kernel, busy, commit, date } = self;
        writeln!(f, "Measured on {date} at commit {commit}: {processor}, {cores} cores, Linux {kernel}.")?;
        writeln!(f, "The machine's load when it began: {busy} (0 is an idle machine).")?;
        if busy.parse().is_ok_and(|load: f64| load > IDLE) {
            writeln!(
                f,
                "It had other work meanwhile. Taking turns evens that out in part only: a ratio near its mark may fall on \
                 either side of it in another run."
            )?;
        }
        Ok(())
    }
}

fn said(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("starting {name}"))?;
    if !output.status.success() {
        bail!("{name}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
