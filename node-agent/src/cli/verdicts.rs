//! `ringfence policy verdicts`.
use super::arguments::{EngineChoice, Format, VerdictsArguments};
use super::lab::LabEngine;
use super::output::write_all;
use crate::desired::Snapshot;
use crate::policy::{offline, verdict};
use crate::testrun;
use crate::watch::directory::{self, Loaded, Mode};
use crate::watch::queries::{self, Answer, Direction, Query, Resolved, Resolver};
use anyhow::{Context, anyhow};
use std::fmt::Write;
use std::io::Read;
use std::process::ExitCode;

/// Whoever answers questions about a cluster: all at once, in order, so that an engine may batch them.
pub(super) trait Engine {
    /// An answer for each question.
    fn answer(&mut self, questions: &[Resolved]) -> anyhow::Result<Vec<Answer>>;
}

impl Engine for verdict::Engine {
    fn answer(&mut self, questions: &[Resolved]) -> anyhow::Result<Vec<Answer>> {
        questions.iter().map(|question| Ok(Self::answer(self, question)?)).collect()
    }
}

pub(super) fn run(arguments: &VerdictsArguments) -> anyhow::Result<ExitCode> {
    let loaded = directory::read(&arguments.manifests, Mode::Accept)?;
    let passed_over = loaded.passed_over.to_string();
    if !passed_over.is_empty() {
        eprintln!("ringfence: {passed_over}");
    }
    let snapshot = loaded.snapshot();
    let queries = read(arguments)?;
    let resolver = Resolver::new(&snapshot);
    let questions: Vec<Resolved> =
        queries.iter().map(|query| resolver.resolve(query)).collect::<Result<_, _>>()?;
    let answers = engine(arguments, &snapshot, loaded).answer(&questions)?;
    let answered = queries.iter().zip(&answers);
    let text = match arguments.output.output {
        None | Some(Format::Json) => {
            answered.map(|(query, answer)| format!("{}\n", query.answered(answer))).collect()
        }
        Some(Format::Yaml) => {
            let all: Vec<_> = answered.map(|(query, answer)| query.answered(answer)).collect();
            serde_yaml_ng::to_string(&all)?
        }
        Some(Format::Table) => table(answered)?,
    };
    write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn engine(arguments: &VerdictsArguments, snapshot: &Snapshot, cluster: Loaded) -> Box<dyn Engine> {
    match arguments.engine {
        EngineChoice::Model => {
            Box::new(verdict::Engine::new(snapshot.clone(), offline::cluster_cidrs(snapshot)))
        }
        EngineChoice::Kernel => Box::new(Programs(snapshot.clone())),
        EngineChoice::Lab => {
            let (running, root) = (arguments.lab.clone(), arguments.root.clone());
            Box::new(LabEngine { cluster, running, root })
        }
    }
}

/// The engine `kernel`.
struct Programs(Snapshot);

impl Engine for Programs {
    fn answer(&mut self, questions: &[Resolved]) -> anyhow::Result<Vec<Answer>> {
        Ok(testrun::answers(self.0.clone(), questions)?)
    }
}

fn read(arguments: &VerdictsArguments) -> anyhow::Result<Vec<Query>> {
    if arguments.queries.as_os_str() != "-" {
        return Ok(queries::read(&arguments.queries)?);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("cannot read queries from standard input")?;
    queries::parse("standard input", &text).map_err(|e| anyhow!(e))
}

fn table<'a>(answered: impl Iterator<Item = (&'a Query, &'a Answer)>) -> anyhow::Result<String> {
    let mut text = format!("{:<8}{:<28}{:<28}{:<12}{}\n", "VERDICT", "FROM", "TO", "PORT", "DECIDED BY");
    for (query, answer) in answered {
        let verdict = serde_json::to_value(answer.verdict)?;
        let port = format!("{}/{}", query.port, query.protocol);
        let (verdict, why) = (verdict.as_str().unwrap_or_default(), decided_by(answer));
        writeln!(text, "{verdict:<8}{:<28}{:<28}{port:<12}{why}", query.from, query.to)?;
    }
    Ok(text)
}

fn decided_by(answer: &Answer) -> String {
    let direction = |name: &str, direction: &Option<Direction>| {
        let policies =
            direction.iter().flat_map(|d| &d.policies).map(|p| format!("{}/{}", p.namespace, p.name));
        let policies: Vec<String> = policies.collect();
        (!policies.is_empty()).then(|| format!("{name}: {}", policies.join(", ")))
    };
    let parts =
        [direction("egress", &answer.egress), direction("ingress", &answer.ingress), answer.reason.clone()];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}
