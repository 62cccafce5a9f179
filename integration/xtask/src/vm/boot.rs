//! One boot: the job's output on the machine's second serial port, which is a pipe here, and the kernel's console in a
//! file.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::kernel::Machine;
use super::share::{self, Guarded};
use super::{Job, Outcome, initramfs, qemu, uml};

/// From power on to the job's first line; measured: 4 s on two idle cores.
const BOOT_LIMIT: Duration = Duration::from_secs(120);
/// How many lines of the console are shown when the machine died.
const SHOWN_LINES: usize = 60;

/// Boots once in `directory`, which is removed if the job succeeds. `None`: it died before the job began.
///
/// # Errors
/// When a program cannot be started or a file not be written.
pub(super) fn boot(
    job: &Job,
    directory: &Path,
    each: &mut impl FnMut(&str) -> Option<String>,
) -> Result<Option<Outcome>> {
    std::fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    let token = format!("ringfence-vm-{:x}", token());
    let initramfs = initramfs::pack(job, &token, directory)?;
    let console = directory.join("console.log");
    let _ = std::fs::remove_file(&console); // of an earlier attempt
    let mut share = None;
    let mut command = match job.kernel.machine {
        Machine::Emulated { .. } => {
            println!("vm: booting {} (emulated, so slow)", job.kernel.release);
            let share = share.insert(share::start(&directory.join("virtiofsd.log"))?);
            qemu::command(job, &initramfs, &share.socket, &console)
        }
        Machine::UserMode => {
            println!("vm: booting {} (User-Mode Linux)", job.kernel.release);
            uml::command(job, &initramfs, directory, &console)?
        }
    };
    let started = Instant::now();
    let mut child = command.spawn().context("starting the machine")?;
    let output = child.stdout.take().context("the machine's output was not piped")?;
    let machine = Guarded(child);
    let lines = read_lines(output);
    let watched = Watch { token: &token, started, limit: job.timeout, label: job.label }.follow(&lines, each);
    drop(machine);
    drop(share);

    match watched {
        Some(Outcome::Exited(0)) => {
            let _ = std::fs::remove_dir_all(directory); // under target/: what stays behind is harmless
        }
        Some(Outcome::Exited(_)) => println!("vm: the kernel's console is in {}", console.display()),
        Some(Outcome::Died | Outcome::TimedOut) | None => show_tail(&console),
    }
    Ok(watched)
}

struct Watch<'a> {
    token: &'a str,
    started: Instant,
    limit: Duration,
    label: &'static str,
}

impl Watch<'_> {
    /// Passes the job's lines on until it ends, the machine dies or time is up. `None`: died or hung at boot.
    fn follow(
        &self,
        lines: &Receiver<String>,
        each: &mut impl FnMut(&str) -> Option<String>,
    ) -> Option<Outcome> {
        let mut up = false;
        let mut held_back = false;
        loop {
            let limit = if up { self.limit } else { BOOT_LIMIT };
            let line = match lines.recv_timeout(limit.saturating_sub(self.started.elapsed())) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => return up.then_some(Outcome::TimedOut),
                Err(RecvTimeoutError::Disconnected) => return up.then_some(Outcome::Died),
            };
            if let Some(report) = line.strip_prefix(self.token) {
                if report.trim() == "up" {
                    println!("{}vm: up after {:.1} s", self.label, self.started.elapsed().as_secs_f32());
                    up = true;
                    continue;
                }
                let status = report.trim().strip_prefix("exit ").and_then(|status| status.parse().ok());
                return Some(status.map_or(Outcome::Died, Outcome::Exited));
            }
            // The report stands after a line break of its own, which is not the job's.
            if std::mem::take(&mut held_back) {
                println!("{}", self.label);
            }
            if line.is_empty() {
                held_back = true;
            } else {
                println!("{}{line}", self.label);
            }
            if let Some(note) = each(&line) {
                eprintln!("{}error: {note}", self.label);
            }
        }
    }
}

/// A command that is killed when this process dies, however it dies.
pub(super) fn bound_to_us() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]);
    command
}

fn read_lines(output: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(output);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
            line.clear();
            if sender.send(text).is_err() {
                return;
            }
        }
    });
    receiver
}

fn show_tail(console: &Path) {
    let bytes = std::fs::read(console).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    eprintln!("vm: the end of the kernel's console, {}:", console.display());
    for line in &lines[lines.len().saturating_sub(SHOWN_LINES)..] {
        eprintln!("  {line}");
    }
}

/// Not to be met by chance in a job's output.
fn token() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

#[cfg(test)]
#[path = "boot_tests.rs"]
mod tests;
