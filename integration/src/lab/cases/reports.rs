//! P1 of what the kernel itself says: an ICMP error to a node's own address goes in the clear, and quotes the packet that it is
//! about. Of packets to pods none leaves.
use super::bypass::{LOCK, locked};
use crate::lab::{Lab, eventually};
use anyhow::{Result, ensure};
use std::time::Duration;

/// Errors of either family that tell that a packet's time is up.
const REPORTS: [&str; 2] = ["icmp and icmp[0] == 11", "icmp6 and ip6[40] == 3"];
const PATIENCE: Duration = Duration::from_secs(20);

/// In a lab of `pairs.yaml`: a node's packet to another node's pod that ends at that node, for its time is up, is not quoted
/// on the underlay; it would be without the lock.
///
/// # Errors
/// What was seen.
pub fn by_an_error(lab: &Lab) -> Result<()> {
    let there = lab.pod("talk/a2")?.1;
    // Both reach the other node and no further: the kernel says so once a second to each, at most.
    let short =
        |address: &str| lab.shell("node/node1", &format!("ping -n -q -c 1 -W 1 -t 1 {address} || true"));
    let capture = lab.capture()?;
    for (address, what) in there.iter().zip(["an IPv4 error is dropped", "an IPv6 error is dropped"]) {
        let before = locked(lab, "node2")?;
        eventually(what, PATIENCE, || {
            short(address)?;
            Ok(locked(lab, "node2")? > before)
        })?;
    }
    for report in REPORTS {
        let seen = capture.matching(report)?;
        ensure!(seen.is_empty(), "{} errors in the clear, such as {:?}", seen.len(), seen.first());
    }

    // The control: without the lock both are seen.
    lab.lab(&["agent", "kill"], &["node2"])?;
    lab.shell("node/node2", &format!("nft delete table inet {LOCK}"))?;
    for (address, report) in there.iter().zip(REPORTS) {
        eventually("an error is seen without the lock", PATIENCE, || {
            short(address)?;
            Ok(!capture.matching(report)?.is_empty())
        })?;
    }
    lab.lab(&["agent", "start"], &["node2"]).map(drop)
}
