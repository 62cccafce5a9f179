//! A node that has one family less than the cluster.
use anyhow::{Result, ensure};
use ringfence_integration::lab::{Lab, eventually, manifest};
use std::time::Duration;

#[test]
fn a_node_that_has_lost_ipv6_goes_on_over_ipv4() -> Result<()> {
    let lab = Lab::up("family", &manifest("pairs.yaml")?, &[])?;
    // Then no route of IPv6 can be made, and the device's own are to be made anew.
    let lose = "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1; ip link del rf-wg0";
    lab.shell("node/node1", lose)?;
    let pod = lab.pod("talk/a2")?.1.remove(0);
    for (what, address) in
        [("the other node's pod is reached", pod.as_str()), ("and the node itself", "10.88.0.12")]
    {
        eventually(what, Duration::from_secs(20), || {
            lab.succeeds("talk/a1", &format!("ping -n -q -c 1 -W 1 {address}"))
        })?;
    }
    // Nor do keys wait for routes that cannot be made: they are named.
    lab.rotate(&[])?;
    let unmade = lab.status("node1")?.mesh.rotation.unmade;
    ensure!(unmade.iter().any(|route| route.contains("fd00:")), "{unmade:?}");
    let said = lab.keys(&["status"])?;
    ensure!(said.lines().any(|line| line.contains("node1") && line.contains("route to")), "{said}");
    Ok(())
}
