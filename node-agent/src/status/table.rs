//! The report as people read it.
use super::{BackendStatus, MeshStatus, RetryStatus, StatusReport};
use std::fmt::Write;

/// The report as text, with aligned columns.
pub fn render(report: &StatusReport) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = head(&mut out, report);
    let _ = mesh(&mut out, &report.mesh);
    let _ = endpoints(&mut out, report);
    let _ = counters(&mut out, report);
    let _ = troubles(&mut out, report);
    out
}

fn head(out: &mut String, r: &StatusReport) -> std::fmt::Result {
    let e = &r.enforcement;
    writeln!(out, "node        {} (ringfence {})", r.node, r.version)?;
    match r.waiting_for.as_slice() {
        [] if r.ready => writeln!(out, "state       ready")?,
        waiting => writeln!(out, "state       NOT READY: waiting for {}", waiting.join(", "))?,
    }
    writeln!(
        out,
        "policy      revision {} enforced of {} wanted, generation {}, {} hooks on {} devices",
        e.enforced, e.wanted, e.generation, e.hooks, e.devices
    )?;
    let plaintext = match r.plaintext {
        0 => "0 packets".to_owned(),
        n => format!("{n} PACKETS TRIED TO LEAVE IN THE CLEAR (dropped): routing has failed"),
    };
    writeln!(out, "plaintext   {plaintext}")?;
    let backend = match r.mesh.backend {
        BackendStatus::Kernel => "the kernel's WireGuard",
        BackendStatus::Userspace => {
            "USERSPACE WIREGUARD: slower, for kernels without their own; not for production"
        }
        BackendStatus::Unknown => "not known yet",
    };
    writeln!(out, "encryption  {backend}, epoch {}", r.mesh.epoch)?;
    if let Some(RetryStatus { attempts, next_milliseconds }) = r.mesh.retry {
        let next = next_milliseconds as f64 / 1000.0;
        let times = if attempts == 1 { "once".to_owned() } else { format!("{attempts} times") };
        writeln!(
            out,
            "mesh        NOT AS IT SHALL BE: tried {times}, again in {next:.1} s; see the errors below"
        )?;
    }
    Ok(())
}

fn mesh(out: &mut String, mesh: &MeshStatus) -> std::fmt::Result {
    for plane in &mesh.planes {
        let active = if plane.active { "active" } else { "idle" };
        writeln!(
            out,
            "\n{} ({active}, epoch {}, port {}, mtu {}, key {})",
            plane.device, plane.epoch, plane.port, plane.mtu, plane.public_key
        )?;
        let rows = plane.peers.iter().map(|peer| {
            let handshake = peer.handshake_seconds.map_or("never".to_owned(), |s| format!("{s} s ago"));
            vec![
                peer.node.clone(),
                peer.endpoint.clone().unwrap_or_else(|| "-".to_owned()),
                handshake,
                bytes(peer.received),
                bytes(peer.sent),
                peer.allowed.join(" "),
            ]
        });
        columns(out, &["PEER", "ENDPOINT", "HANDSHAKE", "RECEIVED", "SENT", "ALLOWED"], rows.collect())?;
    }
    Ok(())
}

fn endpoints(out: &mut String, r: &StatusReport) -> std::fmt::Result {
    writeln!(out)?;
    let rows = r.endpoints.iter().map(|e| {
        let isolated = match (e.ingress_isolated, e.egress_isolated) {
            (true, true) => "both",
            (true, false) => "ingress",
            (false, true) => "egress",
            (false, false) => "none",
        };
        let addresses: Vec<String> = e.addresses.iter().map(ToString::to_string).collect();
        vec![e.pod.to_string(), addresses.join(" "), e.device.clone(), e.state.clone(), isolated.to_owned()]
    });
    columns(out, &["POD", "ADDRESSES", "DEVICE", "STATE", "ISOLATED"], rows.collect())
}

fn counters(out: &mut String, r: &StatusReport) -> std::fmt::Result {
    let nonzero = |map: &std::collections::BTreeMap<String, u64>| {
        map.iter().filter(|(_, n)| **n > 0).map(|(k, n)| vec![k.clone(), n.to_string()]).collect::<Vec<_>>()
    };
    writeln!(out)?;
    columns(out, &["DROPPED BECAUSE", "PACKETS"], nonzero(&r.drops))?;
    writeln!(out)?;
    columns(out, &["COUNTED", "PACKETS"], nonzero(&r.counters))?;
    let tight: Vec<_> = r.tables.iter().filter(|t| t.used * 2 > t.capacity).collect();
    if !tight.is_empty() {
        writeln!(out)?;
        let rows = tight.iter().map(|t| vec![t.name.clone(), t.used.to_string(), t.capacity.to_string()]);
        columns(out, &["TABLE MORE THAN HALF FULL", "USED", "CAPACITY"], rows.collect())?;
    }
    Ok(())
}

fn troubles(out: &mut String, r: &StatusReport) -> std::fmt::Result {
    for (node, why) in &r.refused_nodes {
        writeln!(out, "\nrefused node {node}: {why}")?;
    }
    for node in &r.mesh.waiting {
        writeln!(out, "\nwaiting for node {node}: it has not published its keys yet")?;
    }
    for warning in &r.mesh.warnings {
        writeln!(out, "\nwarning: {warning}")?;
    }
    for (node, of) in r.mesh.rotation.refused.nodes.iter().filter(|(_, of)| of.forged > 0) {
        writeln!(
            out,
            "\nforged: {} messages in the name of {node}'s agent, by somebody without its keys",
            of.forged
        )?;
    }
    for problem in &r.problems {
        writeln!(out, "\nproblem: {problem}")?;
    }
    for error in &r.errors {
        writeln!(out, "\nerror: {error}")?;
    }
    Ok(())
}

/// Rows under a heading, columns as wide as their widest cell, two spaces between.
pub(crate) fn columns(out: &mut String, heading: &[&str], rows: Vec<Vec<String>>) -> std::fmt::Result {
    let width = |i: usize| {
        let cells = rows.iter().filter_map(|row| row.get(i)).map(|cell| cell.chars().count());
        cells.chain([heading[i].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| -> std::fmt::Result {
        let mut text = String::new();
        for (cell, width) in cells.zip(&widths) {
            write!(text, "{cell:width$}  ")?;
        }
        writeln!(out, "{}", text.trim_end())
    };
    line(&mut heading.iter().copied())?;
    for row in &rows {
        line(&mut row.iter().map(String::as_str))?;
    }
    if rows.is_empty() {
        writeln!(out, "(none)")?;
    }
    Ok(())
}

/// Bytes in the unit that keeps the number below a thousand.
fn bytes(n: u64) -> String {
    let mut value = n as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1000.0 {
            return format!("{value:.0} {unit}");
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}
