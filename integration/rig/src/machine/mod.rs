//! A machine: a process that is PID 1 of namespaces of its own, on a root file system of its own. Whatever runs on it ends
//! with that process, and what was written there outside of the machine's directory is gone then.

mod cgroup;
mod init;
mod mounts;
mod process;

pub use cgroup::{of_node as cgroup_of_node, remove as remove_cgroups};
pub use init::run as init;
pub use mounts::KEPT;
pub use process::Process;

use crate::run;
use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// All namespaces that a machine has of its own.
const OWN: CloneFlags = CloneFlags::CLONE_NEWNS
    .union(CloneFlags::CLONE_NEWNET)
    .union(CloneFlags::CLONE_NEWUTS)
    .union(CloneFlags::CLONE_NEWIPC)
    .union(CloneFlags::CLONE_NEWPID);

/// How a machine is made.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// The cluster's directory.
    pub root: &'a Path,
    /// The machine's name.
    pub name: &'a str,
    /// Directories of the host that the machine sees under their own paths, beside the cluster's.
    pub shared: &'a [PathBuf],
    /// Whether a kubelet runs there: it wants cgroups and settings of its own.
    pub node: bool,
}

/// A running machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// Its first process.
    pub init: Process,
    /// What of it lies on the host's disk.
    pub home: PathBuf,
}

impl Machine {
    /// Starts a machine with `rig`, this crate's program, as its first process, and returns once it is ready.
    ///
    /// # Errors
    /// If this system refuses namespaces or mounts; the error holds what the machine said.
    pub fn start(rig: &Path, plan: &Plan<'_>) -> Result<Self> {
        let home = home(plan.root, plan.name);
        std::fs::create_dir_all(home.join("log")).with_context(|| format!("making {}", home.display()))?;
        let log = home.join("log/machine.log");
        let errors = std::fs::File::create(&log).with_context(|| format!("making {}", log.display()))?;
        let mut command = Command::new(rig);
        command.args(["machine", "--root"]).arg(plan.root).args(["--name", plan.name]);
        for shared in plan.shared {
            command.arg("--share").arg(shared);
        }
        if plan.node {
            command.arg("--node");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let mut child =
            in_new_namespaces(&mut command).with_context(|| format!("starting machine {}", plan.name))?;
        let mut said = String::new();
        if let Some(stdout) = child.stdout.take() {
            // An unreadable answer is no `ready`.
            let _ = BufReader::new(stdout).read_line(&mut said);
        }
        if said.trim() == "ready" {
            return Ok(Self { name: plan.name.to_owned(), init: Process::of(child.id()), home });
        }
        let _ = child.kill();
        let status = child.wait().context("waiting for the machine")?;
        let output = std::fs::read_to_string(&log).unwrap_or_default();
        bail!("machine {} did not come up ({status}): {}", plan.name, output.trim())
    }

    /// First processes of machines of the cluster at `root`, whoever started them.
    pub fn find(root: &Path) -> Vec<Process> {
        let root = root.to_string_lossy();
        process::find(|arguments| {
            let at = |i: usize| arguments.get(i).copied().unwrap_or_default();
            at(1) == "machine" && at(2) == "--root" && at(3) == root
        })
    }

    /// A program that will run on the machine.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(self.init.pid.to_string()).args(["--all", "--"]).arg(program);
        command.env("PATH", PATH);
        command
    }

    /// A program that will run in the machine's network, but with the host's files and processes.
    pub fn in_network(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg("--target").arg(self.init.pid.to_string()).args(["--net", "--"]).arg(program);
        command
    }

    /// Starts a program that goes on by itself, under a name; what it says goes to `log/NAME.log` of the machine's home.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn daemon(&self, name: &str, program: &Path, arguments: &[String]) -> Result<()> {
        let (pid, log) = (self.pid_file(name), self.log(name));
        // Whoever enters namespaces is still in the cgroups that it came from: the shell takes it to the machine's.
        let mut script = String::from("pid=$1; log=$2; shift 2\n");
        for file in cgroup::system_files(&self.root()?, &self.name)? {
            script.push_str(&format!("echo 0 >{}\n", file.display()));
        }
        script.push_str(r#"setsid "$@" >>"$log" 2>&1 </dev/null & echo "$!" >"$pid""#);
        let mut shell = self.command("sh");
        shell.args(["-c", &script, "sh"]).arg(pid).arg(log).arg(program).args(arguments);
        run::output(&mut shell).map(drop).with_context(|| format!("starting {name} on {}", self.name))
    }

    /// Sends a signal to a program that was started under this name, and waits until it has ended.
    ///
    /// # Errors
    /// If there is none, or it has not ended after 20 s.
    pub fn end(&self, name: &str, signal: Signal) -> Result<()> {
        let pid = std::fs::read_to_string(self.pid_file(name))
            .with_context(|| format!("{name} was not started on {}", self.name))?;
        let pid = pid.trim();
        run::output(self.command("kill").args(["-s", signal.as_str().trim_start_matches("SIG"), pid]))?;
        run::until(&format!("{name} of {} to end", self.name), 20, || {
            let there = run::whole(self.command("kill").args(["-0", pid]), "")?.status.success();
            Ok(there.then(|| format!("process {pid} is still there")))
        })
    }

    /// The cluster's directory.
    fn root(&self) -> Result<PathBuf> {
        let root = self.home.ancestors().nth(2);
        root.map(Path::to_owned).with_context(|| format!("{} is in no cluster", self.home.display()))
    }

    /// Where a program's output is.
    pub fn log(&self, name: &str) -> PathBuf {
        self.home.join("log").join(format!("{name}.log"))
    }

    fn pid_file(&self, name: &str) -> PathBuf {
        self.home.join(format!("{name}.pid"))
    }

    /// Ends the machine and everything on it, and waits until it is gone.
    pub fn stop(&self) {
        stop(self.init);
    }
}

/// Where programs are looked for on a machine.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Ends a machine by its first process.
pub fn stop(init: Process) {
    init.signal(Signal::SIGKILL);
    init.ends_within(Duration::from_secs(20));
}

/// The directory of a machine.
pub fn home(root: &Path, name: &str) -> PathBuf {
    root.join("machines").join(name)
}

/// Starts a program in new namespaces of every kind, as PID 1.
fn in_new_namespaces(command: &mut Command) -> std::io::Result<Child> {
    // On a thread of its own, so that the rest of this process stays where it is.
    std::thread::scope(|scope| {
        let started = scope.spawn(|| {
            unshare(OWN)?;
            command.spawn()
        });
        started.join().unwrap_or_else(|_| Err(std::io::Error::other("the thread that starts it panicked")))
    })
}
