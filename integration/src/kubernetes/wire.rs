//! What an eavesdropper on the wire between nodes sees.
use super::Running;
use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ringfence_rig::cluster::{BRIDGE, CONTROL_PLANE};
use ringfence_rig::run;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A capture of the whole wire that runs.
pub struct Wire {
    tcpdump: Child,
    file: PathBuf,
}

impl Running {
    /// Begins a capture and returns once it hears.
    pub fn listen(&self) -> Result<Wire> {
        let file = self.root.join("wire.pcap");
        let mut command = self.machine(CONTROL_PLANE)?.in_network("tcpdump");
        command
            .args(["--immediate-mode", "-B", "16384", "-U", "-n", "-i", BRIDGE, "-Z", "root", "-w"])
            .arg(&file);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut tcpdump = command.spawn().context("starting tcpdump")?;
        let mut said = String::new();
        if let Some(stderr) = tcpdump.stderr.take() {
            BufReader::new(stderr).read_line(&mut said).context("reading from tcpdump")?;
        }
        ensure!(said.contains("listening on"), "tcpdump says: {said}");
        Ok(Wire { tcpdump, file })
    }
}

impl Wire {
    /// Ends the capture.
    pub fn stop(mut self) -> Result<Heard> {
        let pid = i32::try_from(self.tcpdump.id()).context("a process id")?;
        kill(Pid::from_raw(pid), Signal::SIGINT).context("stopping tcpdump")?;
        self.tcpdump.wait().context("waiting for tcpdump")?;
        Ok(Heard { file: self.file })
    }
}

/// A capture that has ended.
pub struct Heard {
    file: PathBuf,
}

impl Heard {
    /// How many packets match an expression of pcap-filter(7).
    pub fn count(&self, filter: &str) -> Result<usize> {
        let said = run::output(Command::new("tcpdump").args(["-n", "-r"]).arg(&self.file).arg(filter))?;
        Ok(said.lines().count())
    }
}
