//! `ringfence lab`.
mod arguments;
mod engine;
mod inside;
mod show;

pub(super) use arguments::LabCommand;
pub(super) use engine::LabEngine;

use crate::apply::mesh::BackendChoice;
use crate::lab::{self, Changed, Lab, LabError, UpOptions, stream};
use crate::model::ObjectName;
use crate::watch::Kind;
use crate::watch::directory::{Families, Options};
use anyhow::Context;
use arguments::{AgentCommand, Family, LabSelection, NodeCommand, UpArguments};
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

pub(super) fn run(command: LabCommand) -> anyhow::Result<ExitCode> {
    match command {
        LabCommand::Up(arguments) => up(arguments)?,
        LabCommand::Down(selection) => {
            let there = lab::down(&selection.root, &selection.name)?;
            let name = &selection.name;
            eprintln!("lab: {name} {}", if there { "is gone" } else { "was not there" });
        }
        LabCommand::Status { lab, output } => return show::status(&open(&lab)?, output),
        LabCommand::Exec { lab, target, command } => {
            let lab = open(&lab)?;
            let (program, arguments) = command.split_first().context("exec: which command?")?;
            let status = lab.exec(&target, program, arguments)?;
            return Ok(ExitCode::from(exit_code(status)));
        }
        LabCommand::Apply { lab, files } => {
            change(&lab, |lab| lab.apply(&paths(&files), Options::default()))?;
        }
        LabCommand::Delete { lab, files, object } => change(&lab, |lab| match &object[..] {
            [] => lab.delete_manifests(&paths(&files)),
            [kind, name] => lab.delete(parse_kind(kind)?, &parse_name(name)),
            _ => Err(refused("delete", "write `delete KIND NAMESPACE/NAME`, or `delete -f FILE`")),
        })?,
        LabCommand::Agent { command } => agent(command)?,
        LabCommand::Node { command: NodeCommand::Reboot { lab, node, no_agent } } => {
            change(&lab, |lab| lab.reboot(&node, !no_agent))?;
        }
        LabCommand::Machine { root, machine } => lab::init::run(&root, &machine)?,
        LabCommand::Respond { address, port } => inside::respond(&address, &port)?,
        LabCommand::Probe { at_once } => inside::probe(at_once)?,
        LabCommand::Stream { to, protocol, interval_ms, listen } => {
            let interval = Duration::from_millis(interval_ms.max(1));
            inside::stream(stream::Options { to, protocol, interval, listen })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn up(arguments: UpArguments) -> anyhow::Result<()> {
    let began = Instant::now();
    let families = match arguments.family {
        Family::Dual => Families::Dual,
        Family::V4 => Families::V4,
        Family::V6 => Families::V6,
    };
    let options = Options { nodes: arguments.nodes, families, ..Options::default() };
    let cluster = lab::read(&paths(&arguments.manifests), options)?;
    let passed_over = cluster.passed_over.to_string();
    if !passed_over.is_empty() {
        eprintln!("lab: {passed_over}");
    }
    let say = |what: &str| eprintln!("lab: {what} ({:.1} s)", began.elapsed().as_secs_f32());
    let options = up_options(arguments.lab, arguments.wireguard, arguments.agent, arguments.agent_arguments)?;
    let options = UpOptions { node_cidrs: arguments.node_cidrs, ..options };
    let name = options.name.clone();
    lab::up(options, &cluster, &say).with_context(|| {
        format!("lab {name} did not come up; `ringfence lab down --name {name}` removes it")
    })?;
    Ok(())
}

/// What the options of a command say about a lab to be made.
pub(super) fn up_options(
    lab: LabSelection,
    wireguard: BackendChoice,
    agent: Option<PathBuf>,
    mut agent_arguments: Vec<String>,
) -> anyhow::Result<UpOptions> {
    let agent = match agent {
        Some(agent) => agent.canonicalize().with_context(|| format!("--agent {}", agent.display()))?,
        None => std::env::current_exe().context("cannot find this program itself")?,
    };
    if let Some(value) = wireguard.to_possible_value() {
        agent_arguments.splice(0..0, ["--wireguard".to_owned(), value.get_name().to_owned()]);
    }
    let node_cidrs = Vec::new();
    Ok(UpOptions { labs: lab.root, name: lab.name, agent, node_cidrs, agent_arguments, agents: true })
}

fn agent(command: AgentCommand) -> anyhow::Result<()> {
    let absolute = |binary: Option<PathBuf>| {
        binary.map(|b| b.canonicalize().with_context(|| format!("--binary {}", b.display()))).transpose()
    };
    match command {
        AgentCommand::Kill { lab, node } => {
            change(&lab, |lab| lab.end_agent(&node, true).map(|()| Changed::default()))
        }
        AgentCommand::Stop { lab, node } => {
            change(&lab, |lab| lab.end_agent(&node, false).map(|()| Changed::default()))
        }
        AgentCommand::Start { lab, node, binary } => {
            let binary = absolute(binary)?;
            change(&lab, |lab| lab.resume_agent(&node, binary.as_deref()))
        }
        AgentCommand::Restart { lab, node, binary } => {
            let binary = absolute(binary)?;
            change(&lab, |lab| {
                lab.end_agent(&node, false)?;
                lab.resume_agent(&node, binary.as_deref())
            })
        }
    }
}

fn open(selection: &LabSelection) -> Result<Lab, LabError> {
    Lab::open(&selection.root, &selection.name)
}

/// Changes a lab while nobody else does.
fn change(
    selection: &LabSelection,
    work: impl FnOnce(&mut Lab) -> Result<Changed, LabError>,
) -> anyhow::Result<()> {
    let _lock = Lab::lock(&selection.root, &selection.name)?;
    let changed = work(&mut open(selection)?)?;
    if !changed.waiting.is_empty() {
        eprintln!("lab: not up, as no agent runs on their nodes: {}", changed.waiting.join(", "));
    }
    Ok(())
}

fn paths(files: &[PathBuf]) -> Vec<&Path> {
    files.iter().map(PathBuf::as_path).collect()
}

/// A kind as people write it: in any case, in the plural, or short.
fn parse_kind(text: &str) -> Result<Kind, LabError> {
    let text = text.to_lowercase();
    let short = [
        ("netpol", Kind::NetworkPolicy),
        ("svc", Kind::Service),
        ("ns", Kind::Namespace),
        ("po", Kind::Pod),
        ("no", Kind::Node),
    ];
    let named = |kind: &Kind| {
        let name = kind.to_string().to_lowercase();
        text == name || text == format!("{name}s") || text == name.replace("policy", "policies")
    };
    let found =
        Kind::ALL.into_iter().find(named).or_else(|| short.iter().find(|(s, _)| *s == text).map(|(_, k)| *k));
    found.ok_or_else(|| refused(&text, "is no kind of object that a lab knows"))
}

fn parse_name(text: &str) -> ObjectName {
    match text.split_once('/') {
        Some((namespace, name)) => ObjectName::new(namespace, name),
        None => ObjectName::new("", text),
    }
}

fn refused(what: &str, why: &str) -> LabError {
    LabError::Refused { what: what.to_owned(), why: why.to_owned() }
}

/// As shells have it: 128 and the signal's number if one ended it.
fn exit_code(status: std::process::ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    u8::try_from(code).unwrap_or(1)
}
