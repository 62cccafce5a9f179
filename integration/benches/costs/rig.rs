//! Two pods on one node: A -> R -> B through two veths, R forwarding. What filters is put into R.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::flood::Flood;
use super::frames::{End, Frame, udp};
use super::netns::Netns;

/// The sender.
pub(crate) const A: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 10);
/// The receiver.
pub(crate) const B: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 11);
/// Both veths' addresses in R.
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// R's ends of A's and B's veths.
pub(crate) const VETHS: [&str; 2] = ["to-a", "to-b"];
/// The ports that B is called at.
pub(crate) const PORTS: std::ops::Range<u16> = 8000..8016;

const MAC_A: [u8; 6] = [2, 0, 0, 0, 0, 0xa0];
const MAC_R: [u8; 6] = [2, 0, 0, 0, 0, 0xff];
const MAC_B: [u8; 6] = [2, 0, 0, 0, 0, 0xb0];

/// The three namespaces.
pub(crate) struct Rig {
    pub(crate) router: Netns,
    a: Netns,
    b: Netns,
    from_a: Flood,
    from_b: Flood,
}

impl Rig {
    /// Without any filter.
    ///
    /// # Errors
    /// Without root.
    pub(crate) fn new() -> Result<Self> {
        let (router, a, b) = (Netns::new()?, Netns::new()?, Netns::new()?);
        let [to_a, to_b] = VETHS;
        for netns in [&router, &a, &b] {
            // Neighbour discovery would send frames of its own while others are counted.
            netns.sysctl("ipv6/conf/default/disable_ipv6", "1")?;
        }
        router.ip(&format!(
            "link add {to_a} address 02:00:00:00:00:ff type veth peer name eth0 address 02:00:00:00:00:a0 netns {}
             link add {to_b} address 02:00:00:00:00:ff type veth peer name eth0 address 02:00:00:00:00:b0 netns {}
             address add {GATEWAY}/32 dev {to_a}
             address add {GATEWAY}/32 dev {to_b}
             link set {to_a} up
             link set {to_b} up
             route add {A}/32 dev {to_a}
             route add {B}/32 dev {to_b}
             neighbour add {A} lladdr 02:00:00:00:00:a0 dev {to_a} nud permanent
             neighbour add {B} lladdr 02:00:00:00:00:b0 dev {to_b} nud permanent\n",
            a.path(),
            b.path()
        ))?;
        router.sysctl("ipv4/ip_forward", "1")?;
        for (end, address) in [(&a, A), (&b, B)] {
            end.ip(&format!("link set eth0 up\naddress add {address}/32 dev eth0\n"))?;
            // What arrives ends at the device: how long a stack takes to throw it away is nobody's question here.
            end.nft("table netdev sink {\nchain sink {\ntype filter hook ingress device eth0 priority 0\ndrop\n}\n}\n")?;
        }
        let (from_a, from_b) = (Flood::new(&a, "eth0")?, Flood::new(&b, "eth0")?);
        let mut rig = Self { router, a, b, from_a, from_b };
        rig.wait_until_up()?;
        Ok(rig)
    }

    /// The kernel takes a veth into service some time after both its ends are up.
    fn wait_until_up(&mut self) -> Result<()> {
        let frame = established(1);
        let began = Instant::now();
        loop {
            let arrived = self.flood(&frame).and_then(|_| self.answer(&answers(&frame)));
            if arrived.is_ok() || began.elapsed() > Duration::from_secs(5) {
                return arrived.map(drop);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Sends frames of A's; all must arrive.
    ///
    /// # Errors
    /// When one is lost: then what is in the way is not what was meant to be measured.
    pub(crate) fn flood(&mut self, frames: &[Frame]) -> Result<Duration> {
        let before = self.b.received("eth0")?;
        let took = self.from_a.send(frames)?;
        arrived(self.b.received("eth0")? - before, frames.len())?;
        Ok(took)
    }

    /// Sends frames of B's; all must arrive.
    ///
    /// # Errors
    /// When one is lost.
    pub(crate) fn answer(&mut self, frames: &[Frame]) -> Result<Duration> {
        let before = self.a.received("eth0")?;
        let took = self.from_b.send(frames)?;
        arrived(self.a.received("eth0")? - before, frames.len())?;
        Ok(took)
    }
}

fn arrived(count: u64, sent: usize) -> Result<()> {
    if count < sent as u64 {
        bail!("{count} of {sent} frames arrived");
    }
    Ok(())
}

/// The first packets of flows from A to B, all different, `number` of them from the `first` on.
pub(crate) fn flows(first: usize, number: usize) -> Vec<Frame> {
    let ports = PORTS.len();
    let flow = |i: usize| {
        // As many source ports as there are above the well-known ones, then the next destination port.
        let source = 1024 + u16::try_from(i % 64_000).unwrap_or(0);
        let port = PORTS.start + u16::try_from(i / 64_000 % ports).unwrap_or(0);
        udp(End { mac: MAC_A, ip: A, port: source }, End { mac: MAC_R, ip: B, port })
    };
    (first..first + number).map(flow).collect()
}

/// The same number of packets, of a thousand flows in turn.
pub(crate) fn established(number: usize) -> Vec<Frame> {
    flows(0, number.min(1000)).into_iter().cycle().take(number).collect()
}

/// What B answers to them.
pub(crate) fn answers(frames: &[Frame]) -> Vec<Frame> {
    let port = |bytes: &[u8]| u16::from_be_bytes([bytes[0], bytes[1]]);
    let answer = |frame: &Frame| {
        let (from, to) = (port(&frame[36..38]), port(&frame[34..36]));
        udp(End { mac: MAC_B, ip: B, port: from }, End { mac: MAC_R, ip: A, port: to })
    };
    frames.iter().map(answer).collect()
}
