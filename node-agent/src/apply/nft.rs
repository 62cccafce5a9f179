//! nftables tables of ours by the `nft` program, and whether each is still as we made it.
use super::mesh_error::MeshApplyError;
use ipnetwork::IpNetwork;
use rtnetlink::sys::{Socket, SocketAddr};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// nft waits for others that change rules, and the first time for the kernel to load modules.
const PATIENCE: Duration = Duration::from_secs(20);

/// A table of family `inet`, as far as this process knows it, with what it was made from.
#[derive(Debug)]
pub(super) struct Table<S> {
    program: PathBuf,
    name: &'static str,
    ours: Option<Ours<S>>,
}

/// What this process has put there.
#[derive(Debug)]
struct Ours<S> {
    spec: S,
    /// As nft listed it right after.
    listing: String,
    /// Of the ruleset when it was last seen to be like that.
    generation: Option<u32>,
}

impl<S: Clone> Table<S> {
    pub(super) fn new(program: PathBuf, name: &'static str) -> Self {
        Self { program, name, ours: None }
    }

    /// What the table does; `None` if it is not there, or not as this process made it.
    pub(super) async fn observe(&mut self) -> Result<Option<S>, MeshApplyError> {
        let Some(ours) = &mut self.ours else { return Ok(None) };
        // Read first: what changes while nft lists shows next time.
        let generation = generation().ok();
        if generation.is_none() || generation != ours.generation {
            if list(&self.program, self.name).await?.as_ref() != Some(&ours.listing) {
                self.ours = None;
                return Ok(None);
            }
            ours.generation = generation;
        }
        Ok(Some(ours.spec.clone()))
    }

    /// Runs the script that makes the table what `spec` says, in one transaction.
    pub(super) async fn replace(&mut self, spec: &S, script: &str) -> Result<(), MeshApplyError> {
        self.ours = None;
        run(&self.program, &["-f", "-"], script, "replace").await?;
        let listing = list(&self.program, self.name).await?;
        self.ours = listing.map(|listing| Ours { spec: spec.clone(), listing, generation: None });
        Ok(())
    }

    /// Removes the table.
    pub(super) async fn remove(&mut self) -> Result<(), MeshApplyError> {
        self.ours = None;
        run(&self.program, &["-f", "-"], &cleared(self.name), "remove").await.map(drop)
    }

    /// Packets that one of the table's named counters has counted; 0 if it is not there.
    pub(super) async fn counted(&self, counter: &str) -> Result<u64, MeshApplyError> {
        let asked = ["list", "counter", "inet", self.name, counter];
        let listing = found(run(&self.program, &asked, "", "count").await)?.unwrap_or_default();
        let mut words = listing.split_whitespace().skip_while(|word| *word != "packets");
        Ok(words.nth(1).and_then(|number| number.parse().ok()).unwrap_or(0))
    }

    /// Packets that each of the table's named counters has counted; none if it is not there.
    pub(super) async fn counters(&self) -> Result<BTreeMap<String, u64>, MeshApplyError> {
        let asked = ["list", "counters", "table", "inet", self.name];
        let listing = found(run(&self.program, &asked, "", "count").await)?.unwrap_or_default();
        // counter NAME { packets N bytes M }
        let words: Vec<&str> = listing.split_whitespace().collect();
        let counted = words.windows(5).filter(|at| (at[0], at[3]) == ("counter", "packets"));
        Ok(counted.filter_map(|at| Some((at[1].to_owned(), at[4].parse().ok()?))).collect())
    }
}

/// The part of a script that removes a table, whether it is there or not.
pub(super) fn cleared(name: &str) -> String {
    format!("table inet {name}\ndelete table inet {name}\n")
}

/// Networks of one family as an anonymous set; `None` if there is none. nft refuses members that overlap, so those within
/// others are left out.
pub(super) fn set(networks: impl Iterator<Item = IpNetwork>, v4: bool) -> Option<String> {
    let networks: BTreeSet<IpNetwork> = networks.filter(|network| network.is_ipv4() == v4).collect();
    let covered = |inner: &IpNetwork| {
        networks.iter().any(|outer| outer.prefix() < inner.prefix() && outer.contains(inner.network()))
    };
    let outer: Vec<String> =
        networks.iter().filter(|network| !covered(network)).map(IpNetwork::to_string).collect();
    (!outer.is_empty()).then(|| format!("{{ {} }}", outer.join(", ")))
}

/// A table in nft's own words, without counters; `None` if it is not there.
async fn list(program: &Path, name: &str) -> Result<Option<String>, MeshApplyError> {
    found(run(program, &["--stateless", "--numeric", "list", "table", "inet", name], "", "list").await)
}

/// What was listed; `None` if it is not there.
fn found(listing: Result<String, MeshApplyError>) -> Result<Option<String>, MeshApplyError> {
    match listing {
        Err(MeshApplyError::Nft { reason, .. }) if reason.contains("No such file") => Ok(None),
        other => other.map(Some),
    }
}

async fn run(
    program: &Path,
    arguments: &[&str],
    input: &str,
    operation: &'static str,
) -> Result<String, MeshApplyError> {
    let failed = |reason| MeshApplyError::Nft { operation, reason };
    let output = tokio::time::timeout(PATIENCE, output(program, arguments, input)).await;
    let output = output.map_err(|_| failed(format!("nft did not end within {} s", PATIENCE.as_secs())))?;
    let output = output
        .map_err(|error| failed(format!("cannot run {}: {error} (package nftables)", program.display())))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

async fn output(program: &Path, arguments: &[&str], input: &str) -> io::Result<Output> {
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // nft may end before it has read all; its exit status tells.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    child.wait_with_output().await
}

/// `NETLINK_NETFILTER`, linux/netlink.h.
pub(super) const NETLINK_NETFILTER: isize = 12;
/// `NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN`, linux/netfilter/nfnetlink.h and nf_tables.h.
const GET_GENERATION: u16 = 10 << 8 | 16;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `NFTA_GEN_ID`, a `__be32`.
const GENERATION_ID: u16 = 1;

/// The number that grows with every change of the ruleset, whoever makes it.
fn generation() -> io::Result<u32> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    // struct nlmsghdr in host order, then struct nfgenmsg.
    let mut request = Vec::with_capacity(20);
    request.extend(20_u32.to_ne_bytes());
    request.extend(GET_GENERATION.to_ne_bytes());
    request.extend(REQUEST.to_ne_bytes());
    request.extend([0; 8]);
    request.extend([0; 4]);
    socket.send(&request, 0)?;
    let (answer, _) = socket.recv_from_full()?;
    let mut attributes = answer.get(20..).unwrap_or_default();
    while let [length_low, length_high, kind_low, kind_high, rest @ ..] = attributes {
        let length = usize::from(u16::from_ne_bytes([*length_low, *length_high]));
        let kind = u16::from_ne_bytes([*kind_low, *kind_high]);
        if let (GENERATION_ID, Some(value)) = (kind, rest.first_chunk()) {
            return Ok(u32::from_be_bytes(*value));
        }
        attributes = attributes.get(length.max(4).next_multiple_of(4)..).unwrap_or_default();
    }
    Err(io::ErrorKind::InvalidData.into())
}
