//! The matrix of who reaches whom, as policy says and as packets say.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::lab::{Lab, answer, output};
use super::page;
use super::questions::{Question, Source};

/// Milliseconds until silence counts, and until it counts where an answer was expected.
const TIMEOUTS: [u32; 2] = [1200, 5000];

/// What policy says, by the compiler that the agents use: whether each question is allowed.
///
/// # Errors
/// When the manifests or a question are not understood.
pub(super) fn by_policy(
    lab: &Lab,
    manifests: &Path,
    questions: &[Question],
    scratch: &Path,
) -> Result<Vec<bool>> {
    let file = scratch.join("queries.jsonl");
    let queries: Vec<String> = questions.iter().map(Question::query).collect();
    std::fs::write(&file, queries.join("\n")).with_context(|| format!("writing {}", file.display()))?;
    let mut command =
        lab.ringfence(&["policy", "verdicts", "--engine", "model", "-o", "json", "--manifests"]);
    command.arg(manifests).arg("--queries").arg(&file);
    page::prompt(&command);
    println!();
    let answers = output(&mut command)?;
    let verdicts: Vec<bool> = answers
        .lines()
        .map(|line| Ok(serde_json::from_str::<Value>(line)?["verdict"] == "allow"))
        .collect::<Result<_>>()
        .context("reading verdicts")?;
    ensure!(verdicts.len() == questions.len(), "{} answers to {} questions", verdicts.len(), questions.len());
    Ok(verdicts)
}

/// What packets say: every question is a connection that is tried. One that policy allows and that nobody answered is
/// tried once more with more patience, so that a busy machine is not taken for a refusal.
///
/// # Errors
/// When they cannot be tried.
pub(super) fn by_packets(lab: &Lab, questions: &[Question], expected: &[bool]) -> Result<Vec<bool>> {
    let all: Vec<usize> = (0..questions.len()).collect();
    let mut reached = vec![false; questions.len()];
    for timeout in TIMEOUTS {
        let left = all.iter().copied().filter(|i| !reached[*i] && (timeout == TIMEOUTS[0] || expected[*i]));
        for id in tried(lab, questions, &left.collect::<Vec<_>>(), timeout)? {
            reached[id] = true;
        }
    }
    Ok(reached)
}

/// Tries some of the questions, all callers at once; returns those that were answered.
fn tried(lab: &Lab, questions: &[Question], which: &[usize], timeout: u32) -> Result<Vec<usize>> {
    let mut by_source: BTreeMap<&Source, String> = BTreeMap::new();
    for i in which {
        let lines = by_source.entry(&questions[*i].source).or_default();
        lines.push_str(&questions[*i].attempt(*i, timeout));
        lines.push('\n');
    }
    let program = lab.program();
    std::thread::scope(|scope| {
        let callers: Vec<_> = by_source
            .iter()
            .map(|(source, attempts)| {
                let target = match source {
                    Source::Pod(name) => name,
                    Source::Outside(_) => "outside",
                };
                let mut probe = lab.exec(target, &[&program, "lab", "probe"]);
                scope.spawn(move || answer(&mut probe, attempts))
            })
            .collect();
        let mut reached = Vec::new();
        for caller in callers {
            let outcomes = caller.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            for line in outcomes.lines() {
                let outcome: Value = serde_json::from_str(line).context("reading an outcome")?;
                // A refusal came back from there too: packets went both ways.
                if outcome["seen"] == "answered" || outcome["seen"] == "refused" {
                    let id = outcome["id"].as_u64().and_then(|id| usize::try_from(id).ok());
                    reached.push(id.context("an outcome without a number")?);
                }
            }
        }
        Ok(reached)
    })
}

/// Prints a matrix of verdicts: rows are called, columns call.
pub(super) fn show(questions: &[Question], verdicts: &[bool]) {
    let direct = || questions.iter().zip(verdicts).filter(|(question, _)| !question.by_service);
    let mut callers: Vec<&str> = Vec::new();
    let mut called: Vec<&str> = Vec::new();
    for (question, _) in direct() {
        if !callers.contains(&question.from.as_str()) {
            callers.push(&question.from);
        }
        if !called.contains(&question.to.as_str()) {
            called.push(&question.to);
        }
    }
    let cell = |to: &str, from: &str| {
        let asked = direct().filter(|(question, _)| question.to == to && question.from == from);
        let (yes, no): (Vec<bool>, Vec<bool>) = asked.map(|(_, verdict)| *verdict).partition(|v| *v);
        match (yes.is_empty(), no.is_empty()) {
            (true, true) => "",
            (false, true) => "yes",
            (true, false) => "-",
            (false, false) => "SOME",
        }
    };
    let rows: Vec<Vec<String>> = called
        .iter()
        .map(|to| {
            let cells = callers.iter().map(|from| cell(to, from).to_owned());
            std::iter::once((*to).to_owned()).chain(cells).collect()
        })
        .collect();
    let heading: Vec<&str> = std::iter::once("called \\ caller").chain(callers.iter().copied()).collect();
    page::table(&heading, &rows);
}

/// Lists where the two differ.
pub(super) fn differences(questions: &[Question], policy: &[bool], packets: &[bool]) -> Vec<String> {
    let word = |allowed: bool| if allowed { "allow" } else { "deny" };
    let both = questions.iter().zip(policy.iter().zip(packets));
    both.filter(|(_, (policy, packets))| policy != packets)
        .map(|(question, (policy, packets))| {
            format!("{}: policy says {}, packets say {}", question.query(), word(*policy), word(*packets))
        })
        .collect()
}
