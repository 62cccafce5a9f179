//! Changes that lose nothing (P4).
use crate::mesh_lab::MeshLab;
use crate::netns::{Drops, Flood, Netns, Server, Stream, eventually};
use anyhow::{Context, Result, ensure};
use ipnetwork::IpNetwork;
use ringfence::mesh::MeshSpec;
use ringfence::mesh::spec::PeerSpec;
use ringfence_keyring::{Plane, PrivateKey};
use std::collections::BTreeSet;
use std::time::Duration;

const PORT: u16 = 8080;

/// Runs `work` while pods of n1 and n2 flood each other in both families.
fn under_flood(lab: &MeshLab, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let (one, two) = (&lab.node(1)?.pod, &lab.node(2)?.pod);
    let pairs = [(one, two, &two.v4), (one, two, &two.v6), (two, one, &one.v4), (two, one, &one.v6)];
    let namespaces = lab.namespaces();
    let before = Drops::of(&namespaces)?;
    let floods = pairs.map(|(from, other, to)| Flood::start(&from.netns, &other.netns, to));
    std::thread::sleep(Duration::from_millis(300));
    let worked = work();
    std::thread::sleep(Duration::from_millis(300));
    let finished: Vec<_> = floods.into_iter().map(|flood| flood?.finish()).collect::<Result<_>>()?;
    let dropped = Drops::of(&namespaces)?.since(&before);
    for ((sent, lost), (.., to)) in finished.into_iter().zip(pairs) {
        ensure!(sent > 100, "only {sent} packets were sent");
        ensure!(
            lost.is_empty(),
            "to {to}: {} of {sent} packets were lost, sent after ms {lost:?}; counted as dropped:\n{dropped}",
            lost.len()
        );
    }
    worked
}

/// A peer that is not there at all.
fn stranger(number: u8) -> Result<(ringfence_keyring::PublicKey, PeerSpec)> {
    let peer = PeerSpec {
        node: format!("stranger-{number}"),
        endpoint: format!("192.0.2.{number}:51871").parse()?,
        allowed: BTreeSet::from([format!("10.244.{number}.0/24").parse()?]),
        keepalive: 0,
        begins: false,
    };
    Ok((PrivateKey::generate()?.public(), peer))
}

/// Peers come and go, and the peer that is flooded gains, keeps and loses networks.
///
/// # Errors
/// What was lost.
pub fn of_peers(lab: &MeshLab) -> Result<()> {
    let spec = lab.spec(1)?;
    let extra: IpNetwork = "10.244.77.0/24".parse()?;
    let change = |change: &dyn Fn(&mut MeshSpec) -> Result<()>| -> Result<()> {
        let mut changed = spec.clone();
        change(&mut changed)?;
        let report = lab.node(1)?.converge(changed)?;
        ensure!(report.failed.is_empty(), "{:?}", report.failed);
        ensure!(!report.done.is_empty(), "nothing was changed");
        Ok(())
    };
    let peer_n2 = |spec: &mut MeshSpec, change: &dyn Fn(&mut PeerSpec)| {
        for device in spec.devices.values_mut() {
            device.peers.values_mut().filter(|peer| peer.node == "n2").for_each(change);
        }
    };
    under_flood(lab, || {
        for _ in 0..5 {
            change(&|spec| {
                for device in spec.devices.values_mut() {
                    device.peers.extend([stranger(201)?, stranger(202)?]);
                }
                Ok(())
            })?;
            change(&|spec| {
                peer_n2(spec, &|peer| peer.allowed.extend([extra]));
                Ok(())
            })?;
            change(&|spec| {
                peer_n2(spec, &|peer| peer.keepalive = 7);
                Ok(())
            })?;
            lab.converge(1)?;
        }
        Ok(())
    })
}

/// Our nftables table is replaced over and over while new connections are made.
///
/// # Errors
/// A connection that failed or was seen as somebody else.
pub fn of_nat(lab: &MeshLab) -> Result<()> {
    let _server = Server::start(&lab.node(2)?.pod.netns, PORT)?;
    let (node, to) = (lab.node(1)?, lab.node(2)?.pod.v4.clone());
    let mut spec = lab.spec(1)?;
    for number in 0..20_u8 {
        spec.nat.local_pods.insert(format!("10.244.1.{}", 100 + number).parse()?);
        let changing = spec.clone();
        std::thread::scope(|scope| -> Result<()> {
            let converge = scope.spawn(|| node.converge(changing));
            for _ in 0..5 {
                let seen = crate::netns::seen_as(&node.netns, &to, PORT, None)?;
                ensure!(seen.to_string() == "192.0.2.1", "the node is seen as {seen}");
            }
            let report = converge.join().map_err(|_| anyhow::anyhow!("panicked"))??;
            ensure!(report.done.len() == 1, "{report:?}");
            Ok(())
        })?;
    }
    Ok(())
}

/// Traffic moves to the other plane and back, node by node.
///
/// # Errors
/// What was lost, and connections that broke.
pub fn of_plane(lab: &mut MeshLab) -> Result<()> {
    for _ in 0..4 {
        lab.epoch = lab.epoch.next().context("no epoch")?;
        let lab = &*lab;
        under_flood(lab, || switch_nodes(lab))?;
    }
    // Apart from the flood, which would be lost to their queues.
    let _server = Server::start(&lab.node(2)?.pod.netns, PORT)?;
    let to = lab.node(2)?.pod.v4.clone();
    lab.nodes.iter().try_for_each(|node| strict_tracking(&node.netns))?;
    let streams = [&lab.node(1)?.netns, &lab.node(1)?.pod.netns].map(|from| Stream::start(from, &to, PORT));
    for _ in 0..4 {
        lab.epoch = lab.epoch.next().context("no epoch")?;
        switch_nodes(lab)?;
    }
    for stream in streams {
        let echoes = stream?.finish().context("a connection broke when the plane changed")?;
        ensure!(echoes > 1 << 20, "only {echoes} bytes were echoed");
    }
    Ok(())
}

/// Connection tracking that takes no TCP connection up in mid-stream, so that one that it lost stays lost.
fn strict_tracking(node: &Netns) -> Result<()> {
    node.pipe("tee /proc/sys/net/netfilter/nf_conntrack_tcp_loose", "0").map(drop)
}

/// Moves one node after the other to the plane of the lab's epoch, while the others are on the former one.
fn switch_nodes(lab: &MeshLab) -> Result<()> {
    for number in 1..=lab.nodes.len() {
        let report = lab.converge(number)?;
        ensure!(!report.done.is_empty(), "nothing was changed");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Why the source is fixed before kube-proxy's masquerade: the kernel cuts a masqueraded connection whose output device
/// changes.
///
/// # Errors
/// If it does not.
pub fn of_plane_cuts_what_is_masqueraded(lab: &mut MeshLab) -> Result<()> {
    let _server = Server::start(&lab.node(2)?.pod.netns, PORT)?;
    let (node, to) = (&lab.node(1)?.netns, lab.node(2)?.pod.v4.clone());
    let before = "table inet before {\nchain postrouting { type nat hook postrouting priority 98; oifname \"rf-wg*\" masquerade; }\n}";
    node.pipe("nft -f -", before)?;
    strict_tracking(node)?;
    let stream = Stream::start(node, &to, PORT)?;
    eventually("the stream runs", Duration::from_secs(2), || stream.echoes() > 1 << 20)?;
    lab.epoch = lab.epoch.next().context("no epoch")?;
    lab.converge(1)?;
    eventually("the masqueraded stream breaks", Duration::from_secs(5), || stream.is_broken())?;
    ensure!(stream.finish().is_err());
    lab.node(1)?.netns.run("nft delete table inet before")?;
    lab.up()?;
    ensure!(
        lab.spec(1)?
            .routes
            .iter()
            .any(|route| matches!(route.via, ringfence::mesh::spec::RouteVia::Plane(Plane::One, _)))
    );
    Ok(())
}
