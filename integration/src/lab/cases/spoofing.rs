//! P2: a source address is believed only where it lives. Each lie is dropped, counted, and never delivered.
use crate::lab::{Lab, eventually};
use crate::testrun::packet::{Echo, Packet};
use anyhow::{Context, Result, ensure};
use ringfence::lab::patience;
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

/// How long what is sent may take to be heard.
const PATIENCE: Duration = Duration::from_secs(10);

/// Somebody in a pod who listens for echo requests from one address.
struct Listener<'a> {
    lab: &'a Lab,
    pod: &'a str,
    tcpdump: Child,
    lines: Receiver<String>,
}

impl<'a> Listener<'a> {
    /// Returns once it listens.
    fn start(lab: &'a Lab, pod: &'a str, from: &str) -> Result<Self> {
        let script = format!("exec tcpdump -n -l -i eth0 'src host {from} and (icmp or icmp6)' 2>&1");
        let mut tcpdump = lab.spawn(pod, &["sh", "-c", &script])?;
        let output = BufReader::new(tcpdump.stdout.take().context("no output")?);
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let listener = Self { lab, pod, tcpdump, lines };
        listener.until("listening on")?;
        Ok(listener)
    }

    fn until(&self, what: &str) -> Result<()> {
        while !self.lines.recv_timeout(patience(PATIENCE)).context("tcpdump says nothing")?.contains(what) {}
        Ok(())
    }

    /// Waits until an echo request is heard: the control.
    fn hears(mut self) -> Result<()> {
        self.until("echo request").context("the listener hears nothing at all")?;
        self.end()
    }

    /// What was heard, once the sender has given up.
    fn heard(mut self) -> Result<String> {
        std::thread::sleep(patience(Duration::from_millis(500)));
        self.end()?;
        Ok(self.lines.iter().collect::<Vec<_>>().join("\n"))
    }

    /// The lab's exec does not pass signals into the pod: tcpdump is ended there, which closes the pipe.
    fn end(&mut self) -> Result<()> {
        self.lab.shell(
            self.pod,
            "for p in $(ip netns pids $(ip netns identify $$)); do read -r n < /proc/$p/comm; \
                        [ \"$n\" = tcpdump ] && kill $p; done; true",
        )?;
        let _ = self.tcpdump.wait();
        Ok(())
    }
}

fn refused_by_wireguard(lab: &Lab, node: &str) -> Result<u64> {
    Ok(lab.status(node)?.mesh.planes.iter().filter_map(|p| p.refused_packets).sum())
}

/// A pod uses another pod's address.
///
/// # Errors
/// If it is believed, or not counted.
pub fn pod_as_another_pod(lab: &Lab) -> Result<()> {
    let target = lab.pod("talk/a2")?.1[0].clone();
    // The control: with its own address it gets through, and the listener hears it.
    let own = lab.pod("talk/a1")?.1[0].clone();
    let listener = Listener::start(lab, "talk/a2", &own)?;
    lab.shell("talk/a1", &format!("ping -n -q -c 2 -W 2 {target}"))?;
    listener.hears()?;

    for victim in ["talk/b1", "talk/a3"] {
        let address = lab.pod(victim)?.1[0].clone();
        let before = lab.drops("node1", "spoofed-pod")?;
        let listener = Listener::start(lab, "talk/a2", &address)?;
        lab.shell(
            "talk/a1",
            &format!(
                "ip addr add {address}/32 dev lo; ping -n -q -c 3 -i 0.2 -W 1 -I {address} {target}; \
                 ip addr del {address}/32 dev lo"
            ),
        )?;
        let text = listener.heard()?;
        ensure!(!text.contains("echo request"), "as {victim}: {text}");
        let counted = lab.drops("node1", "spoofed-pod")? - before;
        ensure!(counted >= 3, "as {victim}: {counted} counted");
    }
    Ok(())
}

/// A node sends another node's pod address through its own tunnel.
///
/// # Errors
/// If it is believed, or not counted.
pub fn node_as_another_nodes_pod(lab: &Lab) -> Result<()> {
    let target = lab.pod("talk/a2")?.1[0].clone();
    let victim = lab.pod("talk/a3")?.1[0].clone();
    let before = refused_by_wireguard(lab, "node2")?;
    let listener = Listener::start(lab, "talk/a2", &victim)?;
    // Root on node 1 does all it can: the address is its own, and no NAT mends the source.
    lab.shell(
        "node/node1",
        &format!(
            "nft 'add table ip lie; add chain ip lie out {{ type filter hook output priority raw; }}; \
             add rule ip lie out ip saddr {victim} notrack'; ip addr add {victim}/32 dev lo; \
             ping -n -q -c 3 -i 0.2 -W 1 -I {victim} {target}; \
             ip addr del {victim}/32 dev lo; nft delete table ip lie"
        ),
    )?;
    let text = listener.heard()?;
    ensure!(!text.contains("echo request"), "{text}");
    eventually("WireGuard's refusals are counted", Duration::from_secs(5), || {
        Ok(refused_by_wireguard(lab, "node2")? >= before + 3)
    })
}

/// A plain packet on the underlay has a pod's or a node's source.
///
/// # Errors
/// If it is believed, or not counted.
pub fn plain_packet_as_a_pod(lab: &Lab) -> Result<()> {
    let target = lab.pod("talk/a2")?.1[0].clone();
    let before = lab.drops("node2", "spoofed-underlay")?;
    for liar in [lab.pod("talk/a1")?.1[0].clone(), lab.pod("talk/b2")?.1[0].clone(), "10.88.0.11".to_owned()]
    {
        let listener = Listener::start(lab, "talk/a2", &liar)?;
        lab.shell(
            "outside",
            &format!(
                "ip route replace {target}/32 via 10.88.0.12; ip addr add {liar}/32 dev lo; \
                 ping -n -q -c 3 -i 0.2 -W 1 -I {liar} {target}; ip addr del {liar}/32 dev lo; \
                 ip route del {target}/32"
            ),
        )?;
        let text = listener.heard()?;
        ensure!(!text.contains("echo request"), "as {liar}: {text}");
    }
    let counted = lab.drops("node2", "spoofed-underlay")? - before;
    ensure!(counted >= 9, "{counted} counted");
    Ok(())
}

/// Sends `packet` off the first device of `sender`, behind VLAN tags that name no network, to the device that has `next`.
fn send_tagged(lab: &Lab, sender: &str, next: &str, tags: &[u16], packet: &Packet) -> Result<()> {
    let mut ip = packet.ip();
    if ip[0] >> 4 == 4 {
        // A kernel that is to forward it asks for the header's checksum (RFC 1071).
        let sum: u32 = ip[..20].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        let folded = (sum & 0xffff) + (sum >> 16);
        ip[10..12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    }
    let mut behind = Vec::new();
    let mut kinds = tags.to_vec();
    kinds.push(if ip[0] >> 4 == 4 { 0x0800 } else { 0x86dd });
    for (i, kind) in kinds.iter().enumerate() {
        // Each tag is followed by what it names: no network, and the kind of what comes next.
        behind.extend(if i == 0 { Vec::new() } else { vec![0, 0] });
        behind.extend(kind.to_be_bytes());
    }
    behind.extend(ip);
    let hex: String = behind.iter().map(|byte| format!("{byte:02x}")).collect();
    lab.shell(
        sender,
        &format!(
            "set -e; ping -n -q -c 1 -W 2 {next} > /dev/null; \
             to=$(ip neigh show to {next} | grep -o 'lladdr [^ ]*' | cut -d ' ' -f 2 | tr -d :); test -n \"$to\"; \
             perl -e 'socket(my $s, 17, 3, 0) or die \"socket: $!\"; \
                      my $to = pack(\"SnlSCCx8\", 17, 0, $ARGV[0], 0, 0, 0); \
                      for (1..3) {{ send($s, pack(\"H*\", $ARGV[1]), 0, $to) or die \"send: $!\" }}' \
                  $(ip -o link show dev eth0 | cut -d : -f 1) ${{to}}020000000001{hex}"
        ),
    )
    .map(drop)
}

/// A source is hidden behind two VLAN tags of no network, of which the kernel takes the second off behind every hook:
/// a pod speaks as its neighbour, and somebody on the underlay as a pod, to a pod of another node.
///
/// # Errors
/// If it is believed, or not counted.
pub fn behind_vlan_tags(lab: &Lab) -> Result<()> {
    let (own, target) = (lab.pod("talk/a1")?.1, lab.pod("talk/a2")?.1);
    let gateway = lab.shell("talk/a1", "ip -4 route show default | cut -d ' ' -f 3")?;
    for (sender, next) in [("talk/a1", gateway.trim()), ("outside", "10.88.0.11")] {
        let victim = lab.pod(if sender == "outside" { "talk/a1" } else { "talk/b1" })?.1;
        for (i, to) in target.iter().enumerate() {
            let echo = |from: &str| -> Result<Packet> {
                Ok(Packet::echo(from.parse()?, to.parse()?, Echo::Request, 7))
            };
            if sender != "outside" {
                // The control: such a frame arrives if nothing hides who sent it.
                let listener = Listener::start(lab, "talk/a2", &own[i])?;
                send_tagged(lab, sender, next, &[], &echo(&own[i])?)?;
                listener.hears()?;
            }
            for tags in [&[0x8100, 0x8100][..], &[0x88a8, 0x8100], &[0x8100, 0x8100, 0x8100]] {
                let before = lab.drops("node1", "malformed")?;
                let listener = Listener::start(lab, "talk/a2", &victim[i])?;
                send_tagged(lab, sender, next, tags, &echo(&victim[i])?)?;
                let text = listener.heard()?;
                ensure!(!text.contains("echo request"), "{sender} behind {tags:x?}: {text}");
                let counted = lab.drops("node1", "malformed")? - before;
                ensure!(counted >= 3, "{sender} behind {tags:x?}: {counted} counted");
            }
        }
    }
    Ok(())
}
