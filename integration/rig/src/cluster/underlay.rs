//! The wire between machines: a bridge on the control plane's machine, and from it a cable to each node.
use super::layout::Families;
use crate::machine::Machine;
use crate::run;
use anyhow::{Context, Result};
use std::fmt::Write;

/// The bridge.
pub const BRIDGE: &str = "br0";
/// A node's end of its cable.
pub const DEVICE: &str = "eth0";

/// Makes the bridge and gives the control plane its addresses.
///
/// # Errors
/// If the kernel refuses it.
pub(super) fn make(control_plane: &Machine, families: Families) -> Result<()> {
    let mut lines = format!("link add {BRIDGE} type bridge\n");
    // The smaller the better for whoever watches the wire: nobody here needs a spanning tree or groups.
    let _ = writeln!(lines, "link set {BRIDGE} type bridge mcast_snooping 0");
    addresses(&mut lines, BRIDGE, &families.control_plane(), families);
    ip(control_plane, &lines)
}

/// Lays a cable from the bridge to a node.
///
/// # Errors
/// If the kernel refuses it.
pub(super) fn connect(control_plane: &Machine, node: &Machine, number: u8, families: Families) -> Result<()> {
    let (port, pid) = (&node.name, node.init.pid);
    let cable = format!(
        "link add {port} type veth peer name {DEVICE} netns {pid}\nlink set {port} master {BRIDGE} up\n"
    );
    ip(control_plane, &cable)?;
    let mut lines = String::new();
    addresses(&mut lines, DEVICE, &families.node(number), families);
    // Nothing forwards there: it makes ClusterIPs addresses that a node has a route to.
    for gateway in families.control_plane() {
        let _ = writeln!(lines, "route add default via {gateway}");
    }
    ip(node, &lines)
}

fn addresses(lines: &mut String, device: &str, addresses: &[String], families: Families) {
    let _ = writeln!(lines, "link set {device} up");
    for (address, prefix) in addresses.iter().zip(families.underlay_prefixes()) {
        let nodad = if address.contains(':') { " nodad" } else { "" };
        let _ = writeln!(lines, "address add {address}/{prefix} dev {device}{nodad}");
    }
}

/// Runs lines of `ip -batch` in a machine's network.
fn ip(machine: &Machine, lines: &str) -> Result<()> {
    let mut command = machine.in_network("ip");
    let done = run::input(command.args(["-batch", "-"]), lines);
    done.map(drop).with_context(|| format!("wiring {}", machine.name))
}
