//! What the kernel keeps from the sockets on which agents talk to each other, as an nftables table of its own.
//!
//! On the mesh, [`PORT`] of a node's addresses is its agent's. What comes there from any address that is no node's is dropped
//! before it is tracked or queued, so no pod can fill the agent's socket. What leaves this node for another's agent comes
//! from root's processes or not at all. That is a first sieve: who speaks for a node is proven by its key
//! ([`crate::words`]). And nothing between agents is tracked, so no other flow from this node can take the agent's port away
//! from it by a translation of sources, nor get what is meant for it.
#[cfg(test)]
mod tests;

use super::mesh_error::MeshApplyError;
use super::nft::{Table, cleared, set};
use crate::mesh::spec::WordsSpec;
use crate::words::PORT;
use ipnetwork::IpNetwork;
use ringfence_keyring::Plane;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;
use std::path::PathBuf;

/// Name of the table, of family `inet`.
const TABLE: &str = "ringfence-words";
/// Counts what came off the mesh from no node's address. Kept as long as the table is, as the other one.
const STRANGERS: &str = "strangers";
/// Counts what others than root sent to other nodes' agents.
const IMPOSTORS: &str = "impostors";

/// The table, as far as this process knows it.
#[derive(Debug)]
pub(super) struct Words(Table<WordsSpec>);

impl Words {
    pub(super) fn new(program: PathBuf) -> Self {
        Self(Table::new(program, TABLE))
    }

    /// Whom the table knows; `None` if it is not there, or not as this process made it.
    pub(super) async fn observe(&mut self) -> Result<Option<WordsSpec>, MeshApplyError> {
        self.0.observe().await
    }

    /// Lets these through, and nobody else.
    pub(super) async fn replace(&mut self, words: &WordsSpec) -> Result<(), MeshApplyError> {
        if self.0.replace(words, &script(words, false)).await.is_ok() {
            return Ok(());
        }
        self.0.replace(words, &script(words, true)).await
    }

    /// Removes the table.
    pub(super) async fn remove(&mut self) -> Result<(), MeshApplyError> {
        self.0.remove().await
    }

    /// Packets from strangers, and from impostors.
    pub(super) async fn dropped(&self) -> Result<(u64, u64), MeshApplyError> {
        let counted = self.0.counters().await?;
        let of = |name| counted.get(name).copied().unwrap_or(0);
        Ok((of(STRANGERS), of(IMPOSTORS)))
    }
}

/// The script, one transaction: rules are put in the place of those that were there, while what was counted stays. `afresh`
/// removes the table before, for one of whose chains another of our versions made something else.
fn script(words: &WordsSpec, afresh: bool) -> String {
    let mut text =
        if afresh { cleared(TABLE) } else { format!("table inet {TABLE}\nflush table inet {TABLE}\n") };
    let [zero, one] = Plane::ALL.map(Plane::device);
    let _ = writeln!(text, "table inet {TABLE} {{\ncounter {STRANGERS} {{ }}\ncounter {IMPOSTORS} {{ }}");
    // Before connection tracking (priority -200) and every translation of destinations.
    let _ = writeln!(text, "chain prerouting {{\ntype filter hook prerouting priority -300; policy accept;");
    let _ = writeln!(text, "iifname != {{ \"{zero}\", \"{one}\" }} accept\nudp dport != {PORT} accept");
    let families = [("ip", true), ("ip6", false)].map(|(word, v4)| {
        let set = |addresses: &BTreeSet<IpAddr>| set(addresses.iter().copied().map(IpNetwork::from), v4);
        (word, set(&words.own), set(&words.others))
    });
    for (word, own, others) in &families {
        let Some(own) = own else { continue };
        if let Some(others) = others {
            let _ =
                writeln!(text, "udp dport {PORT} {word} daddr {own} {word} saddr {others} notrack accept");
        }
        let _ = writeln!(text, "udp dport {PORT} {word} daddr {own} counter name \"{STRANGERS}\" drop");
    }
    text.push_str("}\n");
    // Before connection tracking; and once more behind every translation of destinations, for by one (a Service whose endpoint
    // is another agent) a packet that was for somebody else becomes one for an agent.
    for (chain, hook, priority) in [("output", "output", -300), ("leaving", "postrouting", 300)] {
        let _ =
            writeln!(text, "chain {chain} {{\ntype filter hook {hook} priority {priority}; policy accept;");
        let _ = writeln!(text, "oifname != {{ \"{zero}\", \"{one}\" }} accept");
        for (word, own, others) in &families {
            let Some(others) = others else { continue };
            let to_agents = format!("udp dport {PORT} {word} daddr {others}");
            let _ = writeln!(text, "{to_agents} meta skuid != 0 counter name \"{IMPOSTORS}\" drop");
            if let Some(own) = own.as_ref().filter(|_| chain == "output") {
                let _ = writeln!(text, "{to_agents} {word} saddr {own} notrack");
            }
        }
        text.push_str("}\n");
    }
    text.push_str("}\n");
    text
}
