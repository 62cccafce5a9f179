//! What passed on the underlay, sorted into what may be there and what must not.
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// WireGuard's two ports, address resolution, neighbour discovery and group membership; and a node's word that nobody
/// listens on one of those ports (a deleted device), which quotes ciphertext. That is all that may be on a wire.
const PERMITTED: &[&str] = &[
    "udp port 51871 or udp port 51872",
    "arp",
    "icmp6 and ((ip6[40] >= 130 and ip6[40] <= 136) or ip6[40] == 143)",
    "ip6 and ip6[6] == 0",
    "icmp[0] == 3 and icmp[1] == 3 and icmp[17] == 17 and (icmp[30:2] == 51871 or icmp[30:2] == 51872)",
    "icmp6 and ip6[40] == 1 and ip6[41] == 4 and ip6[54] == 17 and (ip6[90:2] == 51871 or ip6[90:2] == 51872)",
];

/// A running capture.
pub struct Capture {
    tcpdump: Child,
    file: PathBuf,
}

impl Capture {
    pub(super) fn started(tcpdump: Child, file: PathBuf) -> Result<Self> {
        let until = Instant::now() + Duration::from_secs(10);
        // The file's header is written once the capture is on.
        while std::fs::metadata(&file).map_or(0, |m| m.len()) < 24 {
            ensure!(Instant::now() < until, "tcpdump has not begun within 10 s");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { tcpdump, file })
    }

    fn read(&self, filter: &str) -> Result<Vec<String>> {
        let output = Command::new("tcpdump").args(["-n", "-r"]).arg(&self.file).arg(filter).output()?;
        let text = String::from_utf8(output.stdout).context("tcpdump printed no text")?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Packets that match a filter of tcpdump's so far, one line each.
    pub fn matching(&self, filter: &str) -> Result<Vec<String>> {
        self.read(filter)
    }

    /// Packets so far that must not be on a wire between nodes.
    pub fn in_the_clear(&self) -> Result<Vec<String>> {
        self.read(&format!("not (({}))", PERMITTED.join(") or (")))
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // The process is the lab's `exec`, which passes its end on; the lab's own end takes what is left.
        let _ = self.tcpdump.kill();
        let _ = self.tcpdump.wait();
    }
}
