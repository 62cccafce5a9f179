//! A machine: PID 1 of namespaces of its own, with nothing on it but what a test starts there.
use anyhow::{Context, Result, bail};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// What PID 1 of a machine does before it waits for its end: mounts that only this machine sees. Its own `/run` keeps
/// the WireGuard sockets and named network namespaces of machines apart; a fresh `/sys` shows its own devices.
const BOOT: &str = r#"
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns /run/wireguard /run/ringfence /run/lock
mount -t sysfs sysfs /sys
mount -t bpf bpf /sys/fs/bpf
hostname "$RF_MACHINE"
ip link set lo up
: > "$RF_READY"
trap 'exit 0' TERM
while :; do sleep 3600 & wait $!; done
"#;

/// First process of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// Process number as the host sees it.
    pub pid: u32,
    /// Its start time (clock ticks since boot), so that another process with its number is not taken for it.
    pub started: u64,
}

/// Starts a machine and waits until its namespaces are ready. `tag` stands in its arguments, so that a lab whose
/// record was lost can still be found.
pub fn start(name: &str, tag: &str, log: &Path, ready: &Path) -> Result<Machine> {
    let _ = std::fs::remove_file(ready);
    let output = std::fs::File::create(log).with_context(|| format!("creating {}", log.display()))?;
    let errors = output.try_clone()?;
    let args =
        ["-m", "-n", "-u", "-i", "-p", "-f", "--kill-child", "--mount-proc", "--propagation", "private"];
    let mut child = Command::new("setsid")
        .arg("unshare")
        .args(args)
        .args(["bash", "-c", BOOT, tag])
        .env("RF_MACHINE", name)
        .env("RF_READY", ready)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .spawn()
        .context("starting unshare")?;
    let until = Instant::now() + Duration::from_secs(20);
    while !ready.exists() {
        if let Ok(Some(status)) = child.try_wait() {
            let output = std::fs::read_to_string(log).unwrap_or_default();
            bail!("unshare for {name}: {status}: {output}");
        }
        if Instant::now() > until {
            bail!("machine {name} did not come up; see {}", log.display());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let parent = child.id();
    let pid = only_child(parent).unwrap_or(parent);
    Ok(Machine { name: name.to_owned(), pid, started: start_time(pid) })
}

/// The process's only child: the first process inside the new PID namespace.
fn only_child(parent: u32) -> Option<u32> {
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

/// Field 22 of `/proc/PID/stat` (proc(5)): tells a process from a later one with its number.
pub fn start_time(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_whitespace().nth(19).and_then(|field| field.parse().ok()).unwrap_or(0)
}

impl Machine {
    /// Whether its first process still runs.
    pub fn alive(&self) -> bool {
        self.started != 0 && start_time(self.pid) == self.started
    }

    /// A command that will run on this machine, in network namespace `/run/netns/NETNS` of it if one is given.
    pub fn command(&self, netns: Option<&str>, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.pid.to_string(), "-m", "-n", "-u", "-i", "-p", "--"]);
        if let Some(netns) = netns {
            // A second nsenter, on the machine: the path is that of its own /run.
            command.args(["nsenter", &format!("--net=/run/netns/{netns}"), "--"]);
        }
        command.arg(program);
        command
    }

    /// Runs a command here to its end; an exit status other than 0 is an error that holds what it said.
    pub fn run(&self, netns: Option<&str>, program: &str, args: &[&str]) -> Result<String> {
        self.run_with(netns, program, args, &[], "")
    }

    /// The same with variables and standard input.
    pub fn run_with(
        &self,
        netns: Option<&str>,
        program: &str,
        args: &[&str],
        variables: &[(&str, &str)],
        input: &str,
    ) -> Result<String> {
        let shown = || format!("{program} {}", args.join(" "));
        let mut child = self
            .command(netns, program)
            .args(args)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(shown)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not read its input closes the pipe; its exit status tells what matters.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output: Output = child.wait_with_output().with_context(shown)?;
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(out);
        }
        let said = format!("{}{out}", String::from_utf8_lossy(&output.stderr));
        bail!("{} on {}: {}: {}", shown(), self.name, output.status, said.trim())
    }

    /// Starts a command here that goes on by itself; its output goes to `log`.
    pub fn spawn(&self, netns: Option<&str>, program: &str, args: &[String], log: &Path) -> Result<Child> {
        let output = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("opening {}", log.display()))?;
        let errors = output.try_clone()?;
        self.command(netns, program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("starting {program} on {}", self.name))
    }

    /// Ends the machine and all that runs on it, and waits until it is gone.
    pub fn stop(&self) {
        if !self.alive() {
            return;
        }
        let pid = nix::unistd::Pid::from_raw(self.pid as i32);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        let until = Instant::now() + Duration::from_secs(10);
        while self.alive() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
