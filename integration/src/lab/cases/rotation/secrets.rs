//! Where private keys are, and are not any more: on disk, in the agent's memory, in that of an embedded WireGuard.
use super::lab;
use super::traffic::NODES;
use crate::lab::Lab;
use anyhow::{Context, Result, ensure};
use ringfence_keyring::PrivateKey;
use serde_json::Value;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const NODE: &str = NODES[0];

/// A private key in the forms in which it could lie about.
struct Secret {
    what: String,
    forms: [Vec<u8>; 3],
}

impl Secret {
    /// The key that a node has on a plane now.
    fn of(lab: &Lab, plane: &str) -> Result<Self> {
        let text = fs::read_to_string(lab.node_dir(NODE)?.join(format!("state/keys/{plane}.key")))?;
        let file: Value = serde_json::from_str(&text)?;
        let base64 = file["privateKey"].as_str().context("no private key")?.to_owned();
        let key = PrivateKey::from_base64(&base64)?;
        let raw = key.expose_bytes().to_vec();
        let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self {
            what: format!("{plane} of epoch {}", file["epoch"]),
            forms: [raw, base64.into_bytes(), hex.into_bytes()],
        })
    }

    fn is_in(&self, bytes: &[u8]) -> bool {
        self.forms.iter().any(|form| bytes.windows(form.len()).any(|window| window == form))
    }

    /// Where it is: files below a directory, and the memory of processes.
    fn places(&self, directory: &Path, processes: &[(String, u32)]) -> Result<Vec<String>> {
        let mut places = Vec::new();
        for file in files(directory)? {
            if self.is_in(&fs::read(&file)?) {
                places.push(file.display().to_string());
            }
        }
        for (name, pid) in processes {
            let found = memory(*pid)?.iter().filter(|(_, bytes)| self.is_in(bytes)).count();
            if found > 0 {
                places.push(format!("memory of {name}"));
            }
        }
        Ok(places)
    }
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory)?.flatten() {
        let (Ok(kind), path) = (entry.file_type(), entry.path()) else { continue };
        if kind.is_dir() {
            all.extend(files(&path)?);
        } else if kind.is_file() {
            all.push(path);
        }
    }
    Ok(all)
}

/// What a core dump would hold: every readable mapping, where it begins and its bytes.
fn memory(pid: u32) -> Result<Vec<(u64, Vec<u8>)>> {
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let mut all = Vec::new();
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (Some(range), Some(rights)) = (words.next(), words.next()) else { continue };
        let Some((from, to)) = range.split_once('-') else { continue };
        let (from, to) = (u64::from_str_radix(from, 16)?, u64::from_str_radix(to, 16)?);
        if !rights.starts_with("rw") {
            continue;
        }
        let mut bytes = vec![0; usize::try_from(to - from)?];
        // Some mappings are the kernel's own, or guards.
        if memory.read_at(&mut bytes, from).is_ok() {
            all.push((from, bytes));
        }
    }
    Ok(all)
}

/// The node's agent, and the processes of an embedded WireGuard if there are any.
fn processes(lab: &Lab) -> Result<Vec<(String, u32)>> {
    let node = lab.state()?.nodes.into_iter().find(|node| node.name == NODE).context("no such node")?;
    let agent = node.agent_pid.context("no agent")?;
    let network = |pid: u32| fs::read_link(format!("/proc/{pid}/ns/net"));
    let of_node = network(agent)?;
    let mut all = vec![("the agent".to_owned(), agent)];
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(" wireguard-userspace ") && network(pid).is_ok_and(|found| found == of_node) {
            all.push((line.trim().to_owned(), pid));
        }
    }
    Ok(all)
}

/// After a rotation the old key is nowhere; the one that is in use is found where it must be.
///
/// # Errors
/// Where the old one still is.
pub fn old_keys_are_gone() -> Result<()> {
    let lab = lab("secrets")?;
    let directory =
        lab.node_dir(NODE)?.parent().and_then(Path::parent).context("no lab directory")?.to_owned();
    let old = Secret::of(&lab, "rf-wg0")?;
    let before = old.places(&directory, &processes(&lab)?)?;
    eprintln!("{} before: {before:?}", old.what);
    ensure!(
        before.iter().any(|place| place.ends_with("rf-wg0.key")),
        "the search finds no key on disk: {before:?}"
    );
    ensure!(before.iter().any(|place| place.contains("the agent")), "nor in memory: {before:?}");
    lab.rotate(&[])?;
    let live = Secret::of(&lab, "rf-wg1")?;
    let processes = processes(&lab)?;
    let embedded = processes.iter().any(|(name, _)| name.contains("rf-wg1"));
    let there = live.places(&directory, &processes)?;
    eprintln!("{} after: {there:?}", live.what);
    ensure!(there.iter().any(|place| place.contains("the agent")), "the live key is not found: {there:?}");
    ensure!(
        !embedded || there.iter().any(|place| place.contains("rf-wg1") && place.contains("memory")),
        "{there:?}"
    );
    let after = old.places(&directory, &processes)?;
    ensure!(after.is_empty(), "{} is still in {after:?}", old.what);
    Ok(())
}
