//! A machine: a process that is PID 1 of namespaces of its own. Every command of the lab runs on one.
use super::LabError;
use super::namespaces::{Depth, in_new, inside};
use super::process::{self, Process};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// A running machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Its name: `underlay`, `outside` or a node's.
    pub name: String,
    /// Its first process.
    pub init: Process,
}

impl Machine {
    /// Starts a machine of the lab at `root` and returns once its namespaces are ready. What its first process has to
    /// say later goes to `log`.
    ///
    /// # Errors
    /// If this system refuses namespaces.
    pub fn start(name: &str, root: &Path, log: &Path) -> Result<Self, LabError> {
        let binary = std::env::current_exe().map_err(LabError::file("find", Path::new("/proc/self/exe")))?;
        let errors = File::create(log).map_err(LabError::file("create", log))?;
        let spawned = in_new(|| {
            Command::new(&binary)
                .args(["lab", "machine", "--root"])
                .arg(root)
                .args(["--machine", name])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(errors)
                .spawn()
        });
        let mut child = spawned.map_err(|source| namespaces("make", name, source))?;
        let mut said = String::new();
        if let Some(stdout) = child.stdout.take() {
            // An unreadable answer is no `ready`.
            let _ = BufReader::new(stdout).read_line(&mut said);
        }
        if said.trim() == "ready" {
            return Ok(Self { name: name.to_owned(), init: Process::of(child.id()) });
        }
        let _ = child.kill();
        let status = child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
        let output = std::fs::read_to_string(log).unwrap_or_default();
        Err(command_error(name, "ringfence lab machine", status, output.trim()))
    }

    /// First processes of machines of the lab at `root`, whoever started them.
    pub(super) fn find(root: &Path) -> Vec<Process> {
        let root = root.to_string_lossy();
        process::find(|arguments| {
            let at = |i: usize| arguments.get(i).copied().unwrap_or_default();
            at(1) == "lab" && at(2) == "machine" && at(3) == "--root" && at(4) == root
        })
    }

    /// Runs `work` inside, on a thread of its own; programs that it starts are on the machine.
    pub(super) fn enter<T: Send>(
        &self,
        depth: Depth<'_>,
        work: impl FnOnce() -> io::Result<T> + Send,
    ) -> Result<T, LabError> {
        inside(self.init.pid, depth, || self.init.alive(), work)
            .map_err(|source| namespaces("enter", &self.name, source))
    }

    /// Starts a command inside.
    pub(super) fn spawn(&self, depth: Depth<'_>, command: &mut Command) -> Result<Child, LabError> {
        self.spawn_after(depth, || Ok(()), command)
    }

    /// Starts a command inside, from a thread that has done `first` there.
    pub(super) fn spawn_after(
        &self,
        depth: Depth<'_>,
        first: impl FnOnce() -> io::Result<()> + Send,
        command: &mut Command,
    ) -> Result<Child, LabError> {
        let shown = shown(command);
        let spawned = self.enter(depth, move || {
            first()?;
            Ok(command.spawn())
        })?;
        spawned.map_err(|e| command_error(&self.name, &shown, e.to_string(), ""))
    }

    /// Runs a command inside to its end and returns its output; an exit status other than 0 is an error that holds what
    /// it said.
    pub(super) fn run(
        &self,
        depth: Depth<'_>,
        command: &mut Command,
        input: &str,
    ) -> Result<String, LabError> {
        let shown = shown(command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.spawn(depth, command)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not read its input closes the pipe; its exit status tells what matters.
            let _ = stdin.write_all(input.as_bytes());
        }
        let failed = |e: io::Error| command_error(&self.name, &shown, e.to_string(), "");
        let output: Output = child.wait_with_output().map_err(failed)?;
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(out);
        }
        let said = format!("{}{out}", String::from_utf8_lossy(&output.stderr));
        Err(command_error(&self.name, &shown, output.status.to_string(), said.trim()))
    }

    /// Starts a program inside that goes on by itself, as a child of the machine's first process (so that nobody else has
    /// to clear it away), in a session of its own. What it says on standard error goes to `log`; with `speaks` this waits
    /// for its first line on standard output and returns that too, else standard output goes to `log` as well.
    pub(super) fn daemon(
        &self,
        depth: Depth<'_>,
        command: &Command,
        log: &Path,
        speaks: bool,
    ) -> Result<(Process, String), LabError> {
        let errors =
            File::options().create(true).append(true).open(log).map_err(LabError::file("open", log))?;
        let script = if speaks { r#"setsid "$@" & echo "$!""# } else { r#"setsid "$@" >&2 & echo "$!""# };
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]).arg(command.get_program()).args(command.get_args());
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let mut child = self.spawn(depth, &mut shell)?;
        let (mut number, mut line) = (None, String::new());
        if let Some(stdout) = child.stdout.take() {
            // The shell's line and the program's come in any order; at the end of the output there are no more.
            for said in BufReader::new(stdout).lines().map_while(Result::ok) {
                match said.parse::<u32>() {
                    Ok(n) => number = Some(n),
                    Err(_) => line = said,
                }
                if number.is_some() && (!speaks || !line.is_empty()) {
                    break;
                }
            }
        }
        let status = child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
        let number =
            number.ok_or_else(|| command_error(&self.name, &shown(command), status, "it did not start"))?;
        // One that has ended already is nobody.
        let process = process::in_namespace(self.init.pid, number).unwrap_or(Process { pid: 0, started: 0 });
        Ok((process, line))
    }

    /// Runs lines of `ip -batch` inside.
    pub(super) fn ip(&self, depth: Depth<'_>, lines: &str) -> Result<(), LabError> {
        self.run(depth, Command::new("ip").args(["-batch", "-"]), lines).map(drop)
    }

    /// Loads a ruleset inside, all of it or nothing.
    pub(super) fn nft(&self, ruleset: &str) -> Result<(), LabError> {
        self.run(Depth::Machine, Command::new("nft").args(["-f", "-"]), ruleset).map(drop)
    }

    /// Ends the machine and all that runs on it, and waits until it is gone.
    pub fn stop(&self) {
        stop(self.init);
    }
}

/// Ends a machine by its first process.
pub(super) fn stop(init: Process) {
    init.signal(Signal::SIGKILL);
    init.ends_within(Duration::from_secs(10));
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn namespaces(operation: &'static str, machine: &str, source: io::Error) -> LabError {
    LabError::Namespaces { operation, machine: machine.to_owned(), source }
}

pub(super) fn command_error(machine: &str, command: &str, status: String, output: &str) -> LabError {
    LabError::Command {
        machine: machine.to_owned(),
        command: command.to_owned(),
        status,
        output: output.to_owned(),
    }
}
