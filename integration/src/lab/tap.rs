//! What somebody hears who taps the underlay: every frame that crosses its bridge, told by its bytes.
use super::{Frame, Kind, Lab};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::net::IpAddr;
use std::process::{Child, ChildStdout};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// WireGuard's ports unless an agent is told others.
const PORTS: [u16; 2] = [51871, 51872];
/// UDP port of the packet that says "everything before this has been seen".
const MARKER: u16 = 9;
const PATIENCE: Duration = Duration::from_secs(20);

/// A capture under way.
pub struct Tap<'a> {
    lab: &'a Lab,
    child: Child,
    frames: Receiver<Frame>,
    seen: Heard,
}

/// What was captured.
#[derive(Clone, Default, Debug)]
pub struct Heard {
    /// WireGuard's messages between nodes.
    pub wireguard: usize,
    /// ARP and neighbour discovery.
    pub neighbours: usize,
    /// Everything else that went between nodes, with how often: there must be nothing.
    pub clear: BTreeMap<String, usize>,
    /// What came from or went outside, in the clear as it must, by its addresses.
    pub outside: BTreeMap<(IpAddr, IpAddr), usize>,
}

impl<'a> Tap<'a> {
    pub(super) fn start(lab: &'a Lab) -> Result<Self> {
        let arguments = ["tcpdump", "-i", "br0", "-U", "-s", "256", "-B", "32768", "-w", "-"];
        let mut child = lab.spawn("underlay", &arguments).context("starting tcpdump")?;
        let output = child.stdout.take().context("tcpdump has no output")?;
        let (send, frames) = mpsc::channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            // The end of the stream is the end of the capture, however it comes.
            let _ = read(&mut output, |frame| send.send(frame).is_ok());
        });
        let mut capture = Self { lab, child, frames, seen: Heard::default() };
        // tcpdump listens once it has seen the first marker; what came before is not of this capture.
        capture.until_marker()?;
        capture.seen = Heard::default();
        Ok(capture)
    }

    /// What was seen until now.
    pub fn so_far(&mut self) -> Result<Heard> {
        self.until_marker()?;
        Ok(self.seen.clone())
    }

    /// Stops; what was seen.
    pub fn stop(mut self) -> Result<Heard> {
        self.so_far()
    }

    /// Sends markers and takes in frames until one of them is seen.
    fn until_marker(&mut self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let ours = format!("marker {} of {}", NUMBER.fetch_add(1, Ordering::Relaxed), std::process::id());
        loop {
            self.mark(&ours)?;
            let next = Instant::now() + Duration::from_millis(300);
            while let Some(left) = next.checked_duration_since(Instant::now()) {
                let Ok(frame) = self.frames.recv_timeout(left) else { break };
                if self.take(frame, &ours) {
                    return Ok(());
                }
            }
            ensure!(Instant::now() < until, "tcpdump on the underlay saw no marker in {PATIENCE:?}");
        }
    }

    /// From the outside to a node: no node ever sends the like.
    fn mark(&self, text: &str) -> Result<()> {
        let node = self.lab.state()?.nodes.into_iter().find(|n| n.up).context("no node is up")?;
        let to = node.addresses.first().context("a node without address")?;
        let script = format!("printf '%s' '{text}' > /dev/udp/{to}/{MARKER}");
        self.lab.shell("outside", &format!("bash -c \"{script}\"")).map(drop)
    }

    /// Counts a frame; whether it is the marker.
    fn take(&mut self, frame: Frame, marker: &str) -> bool {
        match &frame.kind {
            Kind::Wireguard | Kind::Unreachable => self.seen.wireguard += 1,
            Kind::Arp | Kind::Neighbours => self.seen.neighbours += 1,
            Kind::Clear { protocol: 17, payload, .. } if is_marker(payload) => {
                // The frame may have been padded, the payload cut; markers differ in their first bytes.
                let text = payload.get(8..).unwrap_or_default();
                return !text.is_empty()
                    && text.starts_with(&marker.as_bytes()[..marker.len().min(text.len())]);
            }
            Kind::Clear { source, destination, .. } if !frame.between_nodes => {
                *self.seen.outside.entry((*source, *destination)).or_default() += 1;
            }
            _ => *self.seen.clear.entry(frame.to_string()).or_default() += 1,
        }
        false
    }
}

fn is_marker(payload: &[u8]) -> bool {
    payload.get(2..4) == Some(&MARKER.to_be_bytes()[..])
}

impl Drop for Tap<'_> {
    fn drop(&mut self) {
        // tcpdump itself ends when it next writes, or with the lab.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a pcap stream of this machine's byte order (pcap-savefile(5)) until `take` has enough.
fn read(output: &mut BufReader<ChildStdout>, mut take: impl FnMut(Frame) -> bool) -> Result<()> {
    let mut header = [0; 24];
    output.read_exact(&mut header)?;
    ensure!(header[..4] == 0xa1b2_c3d4_u32.to_ne_bytes(), "no pcap stream");
    loop {
        let mut record = [0; 16];
        output.read_exact(&mut record)?;
        let length = u32::from_ne_bytes([record[8], record[9], record[10], record[11]]);
        let mut bytes = vec![0; length as usize];
        output.read_exact(&mut bytes)?;
        if let Some(frame) = Frame::parse(&bytes, &PORTS)
            && !take(frame)
        {
            return Ok(());
        }
    }
}
