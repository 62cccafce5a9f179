//! `ringfence lab status`.
use crate::cli::arguments::OutputArguments;
use crate::lab::{Lab, status::LabStatus};
use std::fmt::Write;
use std::process::ExitCode;

/// Something in the lab is not as it should be.
const NOT_READY: u8 = 3;

pub(super) fn status(lab: &Lab, output: OutputArguments) -> anyhow::Result<ExitCode> {
    let status = lab.status();
    output.print(&status, table)?;
    Ok(if status.ready { ExitCode::SUCCESS } else { ExitCode::from(NOT_READY) })
}

fn table(status: &LabStatus) -> String {
    let mut text = format!("lab {}: {}\n\n", status.name, if status.ready { "ready" } else { "not ready" });
    let row = |text: &mut String, cells: [&str; 5]| {
        let [a, b, c, d, e] = cells;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", format!("{a:<24}{b:<12}{c:<12}{d:<36}{e}").trim_end());
    };
    row(&mut text, ["NODE", "MACHINE", "AGENT", "ADDRESSES", "NOTE"]);
    for node in &status.nodes {
        let addresses = join(&node.addresses);
        let note = node.note.as_deref().unwrap_or_default();
        row(&mut text, [&node.name, up(node.up), node.agent.as_str(), &addresses, note]);
    }
    text.push('\n');
    row(&mut text, ["POD", "STATE", "NODE", "ADDRESSES", "PORTS"]);
    for pod in &status.pods {
        row(&mut text, [&pod.name, up(pod.up), &pod.node, &join(&pod.addresses), &pod.ports.join(" ")]);
    }
    text
}

fn up(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}

fn join(addresses: &[std::net::IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
