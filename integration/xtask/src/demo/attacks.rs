//! What must not work, tried.

use anyhow::Result;
use serde_json::Value;

use super::lab::{Lab, Pod, answer, output};

/// Something that was tried.
pub(super) struct Attack {
    pub(super) what: String,
    /// Whether anything came back.
    pub(super) answered: bool,
    pub(super) node: String,
    /// The counter that must have moved, and by how much it did.
    pub(super) reason: &'static str,
    pub(super) dropped: u64,
}

impl Attack {
    /// Nothing came back, and the drop was counted.
    pub(super) fn was_stopped(&self) -> bool {
        !self.answered && self.dropped > 0
    }
}

/// A pod calls another that policy keeps from it, on another node.
///
/// # Errors
/// When it cannot be tried.
pub(super) fn forbidden(lab: &Lab, from: &Pod, to: &Pod) -> Result<Attack> {
    let what = format!("{} calls {}, which no policy allows", from.name, to.name);
    counted(lab, what, &from.node, "policy-egress", || call(lab, &from.name, to, None))
}

/// A pod that no policy keeps from calling calls one that lets nobody in but its friends.
///
/// # Errors
/// When it cannot be tried.
pub(super) fn uninvited(lab: &Lab, from: &Pod, to: &Pod) -> Result<Attack> {
    let what = format!("{} calls {}, which lets only others in", from.name, to.name);
    counted(lab, what, &to.node, "policy-ingress", || call(lab, &from.name, to, None))
}

/// A pod takes another pod's address, one that is let in, and calls under that.
///
/// # Errors
/// When it cannot be tried.
pub(super) fn stolen_address(lab: &Lab, thief: &Pod, victim: &Pod, to: &Pod) -> Result<Attack> {
    let what = format!("{} calls {} under the address of {}", thief.name, to.name, victim.name);
    counted(lab, what, &thief.node, "spoofed-pod", || under(lab, &thief.name, victim, to))
}

/// Somebody on the wire between the nodes sends under a pod's address.
///
/// # Errors
/// When it cannot be tried.
pub(super) fn forged_on_the_wire(lab: &Lab, victim: &Pod, to: &Pod) -> Result<Attack> {
    let what = format!("a machine on the wire calls {} under the address of {}", to.name, victim.name);
    counted(lab, what, &to.node, "spoofed-underlay", || under(lab, "outside", victim, to))
}

fn counted(
    lab: &Lab,
    what: String,
    node: &str,
    reason: &'static str,
    attack: impl FnOnce() -> Result<bool>,
) -> Result<Attack> {
    let before = lab.dropped(node, reason)?;
    let answered = attack()?;
    let dropped = lab.dropped(node, reason)? - before;
    Ok(Attack { what, answered, node: node.to_owned(), reason, dropped })
}

/// Adds the victim's address, calls from it, takes it away again.
fn under(lab: &Lab, target: &str, victim: &Pod, to: &Pod) -> Result<bool> {
    let address = &victim.addresses[0];
    let mine = format!("{address}/32");
    output(&mut lab.exec(target, &["ip", "address", "add", &mine, "dev", "lo"]))?;
    let answered = call(lab, target, to, Some(address));
    output(&mut lab.exec(target, &["ip", "address", "delete", &mine, "dev", "lo"]))?;
    answered
}

fn call(lab: &Lab, target: &str, to: &Pod, source: Option<&str>) -> Result<bool> {
    let (protocol, port) = to.ports.first().cloned().unwrap_or_default();
    let mut attempt = serde_json::json!({
        "id": 0, "to": format!("{}:{port}", to.addresses[0]), "protocol": protocol, "timeout_ms": 1500,
    });
    if let Some(source) = source {
        attempt["source"] = source.into();
    }
    let outcome = answer(&mut lab.exec(target, &[&lab.program(), "lab", "probe"]), &attempt.to_string())?;
    let outcome: Value = serde_json::from_str(outcome.trim())?;
    Ok(outcome["seen"] == "answered" || outcome["seen"] == "refused")
}
