//! Reachability, and the order of things at start.
use crate::mesh_lab::MeshLab;
use anyhow::{Context, Result, ensure};
use ringfence::lab::patience_factor;
use ringfence_keyring::Plane;

/// Pods of three nodes reach each other in both families; another convergence does nothing; devices get their programs
/// before they are up.
///
/// # Errors
/// What does not hold.
pub fn everybody(lab: &MeshLab) -> Result<()> {
    for number in 1..=3 {
        let attached = lab.node(number)?.attached();
        let expected = Plane::ALL.map(|plane| (plane.device().to_owned(), false));
        ensure!(attached == expected, "n{number}: {attached:?}");
    }
    // The full size of both families, unfragmented.
    let mtu = lab.spec(1)?.devices[&Plane::Zero].mtu;
    let (from, to) = (&lab.node(1)?.pod, &lab.node(2)?.pod);
    let seconds = 2 * patience_factor();
    from.netns.run(&format!("ping -n -q -M do -c 2 -W {seconds} -s {} {}", mtu - 28, to.v4))?;
    from.netns.run(&format!("ping -n -q -M do -c 2 -W {seconds} -s {} {}", mtu - 48, to.v6))?;
    Ok(())
}

/// A pod reaches another node's own addresses, and the node a pod there.
///
/// # Errors
/// What does not hold.
pub fn nodes_and_pods(lab: &MeshLab) -> Result<()> {
    let (pod, node) = (&lab.node(1)?.pod, lab.node(2)?);
    for address in ["192.0.2.2", "2001:db8::2"] {
        pod.netns.answered(address, 3)?;
    }
    for address in [&pod.v4, &pod.v6] {
        node.netns.answered(address, 3)?;
    }
    Ok(())
}

/// What does not come from a peer's own addresses is refused and counted.
///
/// # Errors
/// What does not hold.
pub fn spoofed_peer(lab: &MeshLab) -> Result<()> {
    let refused = |plane: Plane| {
        lab.node(1)?.worker.call(move |executor, runtime| runtime.block_on(executor.refused_packets(plane)))
    };
    let before = refused(Plane::Zero)??;
    // n2 speaks as n3's pod: its own source translation would mend that, so it has to go.
    let liar = &lab.node(2)?.netns;
    liar.run("nft delete table inet ringfence")?;
    for (source, to) in
        [("10.244.3.10/32", &lab.node(1)?.pod.v4), ("fd00:10:244:3::10/128", &lab.node(1)?.pod.v6)]
    {
        liar.run(&format!("ip address add {source} dev lo"))?;
        let source = source.split('/').next().unwrap_or_default();
        ensure!(!liar.pings(to, Some(source), 5), "{source} was believed");
        liar.run(&format!("ip address del {source}/{} dev lo", if source.contains(':') { 128 } else { 32 }))?;
    }
    lab.converge(2)?;
    // More where the liar's kernel repeats what was never answered.
    let counted = refused(Plane::Zero)?? - before;
    ensure!(counted >= 10, "10 packets were refused, but {counted} counted");
    lab.node(3)?.pod.netns.answered(&lab.node(1)?.pod.v4, 3).context("the real pod is harmed")
}
