//! Which source a packet has when it arrives, as the server at the other end sees it.
use crate::mesh_lab::MeshLab;
use crate::netns::{Netns, Server, seen_as};
use anyhow::{Result, ensure};

const PORT: u16 = 8080;

/// A kube-proxy for one port: node port to a backend, masquerading as kube-proxy does under policy Cluster.
fn node_port(node: &Netns, port: u16, backend4: &str, backend6: &str) -> Result<()> {
    let script = format!(
        "table inet fake-kube-proxy {{
           chain services {{
             meta nfproto ipv4 fib daddr type local tcp dport {port} meta mark set 0x4000 dnat ip to {backend4}:{PORT}
             meta nfproto ipv6 fib daddr type local tcp dport {port} meta mark set 0x4000 dnat ip6 to [{backend6}]:{PORT}
           }}
           chain prerouting {{ type nat hook prerouting priority dstnat; jump services; }}
           chain output {{ type nat hook output priority -100; jump services; }}
           chain postrouting {{ type nat hook postrouting priority srcnat; meta mark & 0x4000 != 0 masquerade; }}
         }}"
    );
    node.pipe("nft -f -", &script).map(drop)
}

fn expect(what: &str, seen: Result<std::net::IpAddr>, expected: &str) -> Result<()> {
    let seen = seen?;
    ensure!(seen.to_string() == expected, "{what} is seen as {seen}, not {expected}");
    Ok(())
}

/// Straight onto the mesh.
///
/// # Errors
/// Who is seen as somebody else.
pub fn direct(lab: &MeshLab) -> Result<()> {
    let (from, to) = (lab.node(1)?, lab.node(2)?);
    let _pod = Server::start(&to.pod.netns, PORT)?;
    let _node = Server::start(&to.netns, PORT)?;
    for (to, pod, node, gateway) in [
        (&to.pod.v4, &from.pod.v4, "192.0.2.1", "10.244.1.1"),
        (&to.pod.v6, &from.pod.v6, "2001:db8::1", "fd00:10:244:1::1"),
    ] {
        expect("a pod", seen_as(&from.pod.netns, to, PORT, None), pod)?;
        expect("a node", seen_as(&from.netns, to, PORT, None), node)?;
        expect("a node from its gateway address", seen_as(&from.netns, to, PORT, Some(gateway)), node)?;
    }
    expect("a pod, by another node", seen_as(&from.pod.netns, "192.0.2.2", PORT, None), &from.pod.v4)?;
    expect("a pod, by another node", seen_as(&from.pod.netns, "2001:db8::2", PORT, None), &from.pod.v6)?;
    Ok(())
}

/// Through a node port, with the masquerade of kube-proxy behind ours.
///
/// # Errors
/// Who is seen as somebody else.
pub fn node_ports(lab: &MeshLab) -> Result<()> {
    let (n1, n2, n3) = (lab.node(1)?, lab.node(2)?, lab.node(3)?);
    let client = outside(lab)?;
    let _local = Server::start(&n1.pod.netns, PORT)?;
    let _remote = Server::start(&n2.pod.netns, PORT)?;
    node_port(&n1.netns, 30080, &n2.pod.v4, &n2.pod.v6)?;
    // One more for a backend on the node itself.
    let to_own = format!(
        "insert rule inet fake-kube-proxy services ip daddr 192.0.2.1 tcp dport 30081 meta mark set 0x4000 dnat ip to {}:{PORT}",
        n1.pod.v4
    );
    n1.netns.pipe("nft -f -", &to_own)?;
    expect("a client, on the mesh", seen_as(&client, "192.0.2.1", 30080, None), "10.244.1.1")?;
    expect("a client, on the mesh", seen_as(&client, "2001:db8::1", 30080, None), "fd00:10:244:1::1")?;
    expect("a local pod", seen_as(&n1.pod.netns, "192.0.2.1", 30080, None), &n1.pod.v4)?;
    expect("the node itself", seen_as(&n1.netns, "192.0.2.1", 30080, None), "192.0.2.1")?;
    expect("a pod of a third node", seen_as(&n3.pod.netns, "192.0.2.1", 30080, None), "10.244.1.1")?;
    expect("a remote pod, at a local backend", seen_as(&n3.pod.netns, "192.0.2.1", 30081, None), &n3.pod.v4)?;
    // Behind its own node port a pod must see someone else, or it would answer itself directly.
    expect("a pod, at itself", seen_as(&n1.pod.netns, "192.0.2.1", 30081, None), "10.244.1.1")?;
    n1.netns.run("nft delete table inet fake-kube-proxy").map(drop)
}

/// Out of the cluster.
///
/// # Errors
/// Who is seen as somebody else.
pub fn outwards(lab: &MeshLab) -> Result<()> {
    let outside = outside(lab)?;
    let _server = Server::start(&outside, PORT)?;
    let pod = &lab.node(1)?.pod.netns;
    expect("a pod", seen_as(pod, "192.0.2.200", PORT, None), "192.0.2.1")?;
    expect("a pod", seen_as(pod, "2001:db8::200", PORT, None), "2001:db8::1")?;
    Ok(())
}

/// A machine on the underlay that is no node.
fn outside(lab: &MeshLab) -> Result<Netns> {
    let outside = Netns::new("rfm-outside")?;
    lab.underlay.attach(&outside, "outside", &["192.0.2.200/24", "2001:db8::200/64"])?;
    Ok(outside)
}
