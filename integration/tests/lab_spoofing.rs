//! P2: a source address is believed only where it lives. Each lie is dropped, counted, and never delivered.
use anyhow::{Context, Result, ensure};
use ringfence_integration::lab::{Lab, eventually, manifest};
use std::process::Child;
use std::time::Duration;

/// Listens in a pod for echo requests from one address.
fn listen(lab: &Lab, pod: &str, from: &str) -> Result<Child> {
    let child =
        lab.spawn(pod, &["tcpdump", "-n", "-l", "-i", "eth0", &format!("src host {from} and icmp")])?;
    std::thread::sleep(Duration::from_secs(1));
    Ok(child)
}

/// What was heard, once the sender has given up.
fn heard(lab: &Lab, pod: &str, mut child: Child) -> Result<String> {
    std::thread::sleep(Duration::from_millis(500));
    // The lab's exec does not pass signals into the pod: tcpdump is ended there, which closes the pipe.
    lab.shell(
        pod,
        "for p in $(ip netns pids $(ip netns identify $$)); do read -r n < /proc/$p/comm; \
                    [ \"$n\" = tcpdump ] && kill $p; done; true",
    )?;
    let mut text = String::new();
    std::io::Read::read_to_string(child.stdout.as_mut().context("no output")?, &mut text)?;
    let _ = child.wait();
    Ok(text)
}

fn refused_by_wireguard(lab: &Lab, node: &str) -> Result<u64> {
    Ok(lab.status(node)?.mesh.planes.iter().filter_map(|p| p.refused_packets).sum())
}

fn lab() -> Result<Lab> {
    Lab::up("spoof", &manifest("pairs.yaml")?, &[])
}

#[test]
fn a_pod_that_uses_another_pods_address_is_dropped_and_counted() -> Result<()> {
    let lab = lab()?;
    let target = lab.pod("talk/a2")?.1[0].clone();
    // The control: with its own address it gets through, and the listener hears it.
    let own = lab.pod("talk/a1")?.1[0].clone();
    let listener = listen(&lab, "talk/a2", &own)?;
    lab.shell("talk/a1", &format!("ping -n -q -c 2 -W 2 {target}"))?;
    ensure!(heard(&lab, "talk/a2", listener)?.contains("echo request"), "the listener hears nothing at all");

    for victim in ["talk/b1", "talk/a3"] {
        let address = lab.pod(victim)?.1[0].clone();
        let before = lab.drops("node1", "spoofed-pod")?;
        let listener = listen(&lab, "talk/a2", &address)?;
        lab.shell(
            "talk/a1",
            &format!(
                "ip addr add {address}/32 dev lo; ping -n -q -c 3 -i 0.2 -W 1 -I {address} {target} || true"
            ),
        )?;
        let text = heard(&lab, "talk/a2", listener)?;
        ensure!(!text.contains("echo request"), "as {victim}: {text}");
        let counted = lab.drops("node1", "spoofed-pod")? - before;
        ensure!(counted >= 3, "as {victim}: {counted} counted");
    }
    Ok(())
}

#[test]
fn a_node_that_sends_another_nodes_pod_address_through_its_tunnel_is_refused_and_counted() -> Result<()> {
    let lab = lab()?;
    let target = lab.pod("talk/a2")?.1[0].clone();
    let victim = lab.pod("talk/a3")?.1[0].clone();
    let before = refused_by_wireguard(&lab, "node2")?;
    let listener = listen(&lab, "talk/a2", &victim)?;
    // Root on node 1 does all it can: the address is its own, and no NAT mends the source.
    lab.shell(
        "node/node1",
        &format!(
            "nft 'add table ip lie; add chain ip lie out {{ type filter hook output priority raw; }}; \
             add rule ip lie out ip saddr {victim} notrack'; ip addr add {victim}/32 dev lo; \
             ping -n -q -c 3 -i 0.2 -W 1 -I {victim} {target} || true"
        ),
    )?;
    let text = heard(&lab, "talk/a2", listener)?;
    ensure!(!text.contains("echo request"), "{text}");
    eventually("WireGuard's refusals are counted", Duration::from_secs(5), || {
        Ok(refused_by_wireguard(&lab, "node2")? >= before + 3)
    })
}

#[test]
fn a_plain_packet_on_the_underlay_with_a_pods_source_is_dropped_and_counted() -> Result<()> {
    let lab = lab()?;
    let target = lab.pod("talk/a2")?.1[0].clone();
    let before = lab.drops("node2", "spoofed-underlay")?;
    for liar in [lab.pod("talk/a1")?.1[0].clone(), lab.pod("talk/b2")?.1[0].clone(), "10.88.0.11".to_owned()]
    {
        let listener = listen(&lab, "talk/a2", &liar)?;
        lab.shell(
            "outside",
            &format!(
                "ip route replace {target}/32 via 10.88.0.12; ip addr add {liar}/32 dev lo; \
                 ping -n -q -c 3 -i 0.2 -W 1 -I {liar} {target} || true; ip addr del {liar}/32 dev lo"
            ),
        )?;
        let text = heard(&lab, "talk/a2", listener)?;
        ensure!(!text.contains("echo request"), "as {liar}: {text}");
    }
    let counted = lab.drops("node2", "spoofed-underlay")? - before;
    ensure!(counted >= 9, "{counted} counted");
    Ok(())
}
