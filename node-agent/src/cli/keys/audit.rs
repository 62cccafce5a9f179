//! `ringfence audit verify`.
use super::arguments::VerifyArguments;
use super::history::log_of;
use crate::lab::Lab;
use crate::watch::directory::{self, Mode};
use anyhow::Context;
use ringfence_keyring::audit::{self, Anchor, Entry, KeyEvent, Size, verify};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Something is wrong with a log.
const DAMAGED: u8 = 3;

/// One log, looked at.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Looked {
    /// Whose it is; empty if it has no line to tell by.
    node: String,
    /// The file.
    log: PathBuf,
    /// `intact`, `unanchored` or `damaged`.
    verdict: &'static str,
    /// The number it begins at: more than 1 where the oldest of many files were removed.
    begins: u64,
    /// The number it ends with.
    lines: u64,
    /// The line up to which others confirm it.
    anchored: Option<u64>,
    /// What others have seen of lines before that, which are not kept: nothing can be told by it.
    unchecked: usize,
    /// What is wrong.
    problems: Vec<String>,
}

/// A log with what it says of others.
struct Log {
    path: PathBuf,
    text: Vec<u8>,
    node: String,
    seen: Vec<(String, Anchor)>,
}

pub(super) fn run(arguments: &VerifyArguments) -> anyhow::Result<ExitCode> {
    let (logs, count, published) = match &arguments.lab {
        Some(name) => {
            let lab = Lab::open(&arguments.root, name)?;
            let there = lab.nodes.keys().map(|node| log_of(&lab, node)).filter(|path| path.exists());
            let logs = there.map(|path| read(&path)).collect::<anyhow::Result<Vec<_>>>()?;
            let count = logs.len();
            (logs, count, published(&lab.source())?)
        }
        None => {
            let paths = std::iter::once(&arguments.log).chain(&arguments.peer);
            (paths.map(|path| read(path)).collect::<anyhow::Result<Vec<_>>>()?, 1, BTreeMap::new())
        }
    };
    let looked: Vec<Looked> = logs[..count].iter().map(|log| look(log, &logs, &published)).collect();
    let damaged = looked.iter().any(|looked| looked.verdict == "damaged");
    arguments.output.print(&looked, |looked| table(looked))?;
    Ok(if damaged { ExitCode::from(DAMAGED) } else { ExitCode::SUCCESS })
}

fn read(path: &Path) -> anyhow::Result<Log> {
    let text = audit::read(path).with_context(|| path.display().to_string())?;
    let entries = text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    let (mut node, mut seen) = (String::new(), Vec::new());
    for Entry { node: by, event, .. } in entries {
        if let KeyEvent::HeadSeen { peer, head, .. } = event {
            seen.push((peer, Anchor { by: by.clone(), head }));
        }
        node = by;
    }
    Ok(Log { path: path.to_owned(), text, node, seen })
}

/// What nodes publish of their own logs: kept by the API, not by them.
fn published(source: &Path) -> anyhow::Result<BTreeMap<String, Anchor>> {
    let loaded = directory::read(source, Mode::Watch)?;
    let anchor = |head| Anchor { by: "its own publication".to_owned(), head };
    let heads = loaded.publications.iter();
    Ok(heads.filter_map(|(node, p)| Some((node.clone(), anchor(p.value.progress().head.clone()?)))).collect())
}

fn look(log: &Log, all: &[Log], published: &BTreeMap<String, Anchor>) -> Looked {
    let others = all.iter().filter(|other| other.path != log.path).flat_map(|other| &other.seen);
    let of_peers = others.filter(|(node, _)| *node == log.node).map(|(_, anchor)| anchor.clone());
    let anchors: Vec<Anchor> = of_peers.chain(published.get(&log.node).cloned()).collect();
    let verdict = verify(&log.text, Size::AGENT, &anchors);
    Looked {
        node: log.node.clone(),
        log: log.path.clone(),
        verdict: match (verdict.problems.is_empty(), verdict.anchored) {
            (false, _) => "damaged",
            (true, None) => "unanchored",
            (true, Some(_)) => "intact",
        },
        begins: verdict.begins,
        lines: verdict.head.number,
        anchored: verdict.anchored,
        unchecked: verdict.unchecked,
        problems: verdict.problems.iter().map(ToString::to_string).collect(),
    }
}

fn table(looked: &[Looked]) -> String {
    let mut text = String::new();
    for Looked { node, log, verdict, begins, lines, anchored, unchecked, problems } in looked {
        let of = if node.is_empty() { log.display().to_string() } else { node.clone() };
        let confirmed = match anchored {
            Some(number) => format!("others confirm it up to number {number}"),
            None => {
                "nobody else's word stands for it: what was cut off at its end would not be missed".to_owned()
            }
        };
        let begins = match (begins, unchecked) {
            (1, _) => String::new(),
            (_, 0) => format!("begins at number {begins}, "),
            _ => format!(
                "begins at number {begins} ({unchecked} that others have seen before it cannot be looked at), "
            ),
        };
        text.push_str(&format!("{of}: {verdict}: {begins}{lines} lines; {confirmed}\n"));
        for problem in problems {
            text.push_str(&format!("  {problem}\n"));
        }
    }
    text
}
