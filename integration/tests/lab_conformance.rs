//! Conformance by real packets: every case of `integration/conformance` through the engine `lab`, in both families.
//! Cases with the same nodes share one lab, which goes from cluster to cluster as they say. Needs root.
use anyhow::{Context, Result, anyhow, ensure};
use ringfence_integration::lab::Lab;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Directories with queries, below the one of all cases, by the text of their nodes.
fn cases() -> Result<BTreeMap<String, Vec<PathBuf>>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    let mut cases: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let mut directories = vec![root];
    while let Some(directory) = directories.pop() {
        if directory.join("queries.jsonl").is_file() {
            let nodes = fs::read_to_string(directory.join("nodes.yaml")).unwrap_or_default();
            cases.entry(nodes).or_default().push(directory);
            continue;
        }
        for entry in fs::read_dir(&directory).with_context(|| format!("{}", directory.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            }
        }
    }
    cases.values_mut().for_each(|list| list.sort());
    Ok(cases)
}

/// What came of a directory: how many queries, and those that were answered wrongly.
fn answered(lab: &Lab, directory: &Path) -> Result<(usize, Vec<String>)> {
    let began = Instant::now();
    let answers = lab.verdicts(directory, &directory.join("queries.jsonl"))?;
    let queries = fs::read_to_string(directory.join("queries.jsonl"))?;
    let count = queries.lines().filter(|line| !line.trim().is_empty()).count();
    ensure!(answers.len() == count, "{}: {} answers to {count}", directory.display(), answers.len());
    let mut wrong = Vec::new();
    for answer in answers {
        ensure!(answer["expect"].is_string(), "{}: {answer}: nothing expected", directory.display());
        if answer["verdict"] != answer["expect"] {
            wrong.push(format!("{}: {answer}", directory.display()));
        }
    }
    eprintln!("{}: {count} queries in {:.1} s", directory.display(), began.elapsed().as_secs_f32());
    Ok((count, wrong))
}

/// Asks all of these in one lab after another.
fn work(directories: &[PathBuf]) -> Result<(usize, Vec<String>)> {
    let (mut asked, mut wrong) = (0, Vec::new());
    let Some(first) = directories.first() else { return Ok((0, wrong)) };
    let lab = Lab::of("conformance", first, &[])?;
    for directory in directories {
        let (count, more) = answered(&lab, directory)?;
        asked += count;
        wrong.extend(more);
    }
    Ok((asked, wrong))
}

#[test]
fn every_verdict_of_the_conformance_data_is_what_packets_get() -> Result<()> {
    let (mut asked, mut wrong) = (0, Vec::new());
    for directories in cases()?.into_values() {
        // Most of the time is spent waiting for what must not come: two labs at once wait together.
        let (one, other) = directories.split_at(directories.len() / 2);
        let done = std::thread::scope(|scope| {
            let workers = [one, other].map(|part| scope.spawn(|| work(part)));
            workers.map(|worker| worker.join())
        });
        for part in done {
            let (count, more) = part.map_err(|_| anyhow!("a worker panicked"))??;
            asked += count;
            wrong.extend(more);
        }
    }
    ensure!(asked > 8000, "only {asked} queries were found");
    ensure!(
        wrong.is_empty(),
        "{} of {asked} queries are answered wrongly:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    Ok(())
}
