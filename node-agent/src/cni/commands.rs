//! The commands of a runtime.
use super::config::Config;
use super::previous;
use super::{CniError, Environment, Tombstones, VERSIONS};
use crate::control::{AddRequest, ControlError, RefusalKind, Reply, Request, exchange};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{Read, Write};

/// Runs the plugin once: reads the configuration from `input`, does what `CNI_COMMAND` says, writes a result or an error
/// to `output`. Returns the exit code: 0, or 1 for an error.
pub fn run(environment: &Environment, mut input: impl Read, mut output: impl Write) -> u8 {
    let mut config = Vec::new();
    let done = match input.read_to_end(&mut config) {
        Ok(_) => dispatch(environment, &config),
        Err(e) => Err(CniError::new(CniError::IO, "standard input cannot be read", e)),
    };
    let (text, code) = match done {
        Ok(None) => return 0,
        Ok(Some(result)) => (result, 0),
        Err(error) => (error.to_json(&version_of(&config)), 1),
    };
    // A runtime that closed our output knows no more than the exit code.
    match writeln!(output, "{text:#}") {
        Ok(()) => code,
        Err(_) => 1,
    }
}

fn dispatch(environment: &Environment, config: &[u8]) -> Result<Option<Value>, CniError> {
    match environment.command().unwrap_or_default() {
        "VERSION" => Ok(Some(json!({"cniVersion": version_of(config), "supportedVersions": VERSIONS}))),
        "ADD" => add(environment, &Config::parse(config)?).map(Some),
        "DEL" => del(environment, &Config::parse(config)?),
        "CHECK" => check(environment, &Config::parse(config)?),
        "STATUS" => status(&Config::parse(config)?),
        "GC" => gc(&Config::parse(config)?),
        other => {
            let message = format!("CNI_COMMAND {other:?} is not known");
            Err(CniError::new(
                CniError::ENVIRONMENT,
                message,
                "known are ADD, DEL, CHECK, STATUS, GC, VERSION",
            ))
        }
    }
}

/// The version to answer with: the asker's if it can be read, else the newest.
fn version_of(config: &[u8]) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        cni_version: String,
    }
    let newest = VERSIONS[VERSIONS.len() - 1];
    serde_json::from_slice::<Version>(config).map_or_else(|_| newest.to_owned(), |v| v.cni_version)
}

fn request(environment: &Environment, config: &Config) -> Result<AddRequest, CniError> {
    let sandbox = environment.sandbox()?;
    environment.netns()?;
    let (pod, uid) = environment.pod()?;
    let attachment = previous::read(config.prev_result.as_ref())?;
    let deadline_ms = config.deadline_seconds.saturating_mul(1000);
    Ok(AddRequest {
        sandbox,
        host_device: attachment.host_device,
        addresses: attachment.addresses,
        pod,
        uid,
        deadline_ms,
    })
}

fn add(environment: &Environment, config: &Config) -> Result<Value, CniError> {
    let request = request(environment, config)?;
    let what = format!("pod {} was not attached", request.pod);
    ask(config, &Request::CniAdd(request), &what)?;
    // `request` has seen to it that there is one.
    let mut result = config.prev_result.clone().unwrap_or_default();
    result["cniVersion"] = json!(config.cni_version);
    Ok(result)
}

/// "DEL should generally complete without error even if some resources are missing" (CNI spec): a pod must go also while
/// the agent is away. Its veth takes programs and traffic with it; the rest the agent does when it is back.
fn del(environment: &Environment, config: &Config) -> Result<Option<Value>, CniError> {
    let sandbox = environment.sandbox()?;
    let asked = exchange(&config.socket, &Request::CniDel(sandbox.clone()), config.deadline());
    if !matches!(asked, Ok(Reply::Done)) {
        let noted = Tombstones::of(&config.state_dir).note(&sandbox);
        noted.map_err(|e| {
            let message =
                format!("the agent does not answer, and its state directory {}", config.state_dir.display());
            CniError::new(CniError::IO, format!("{message} cannot be written"), e)
        })?;
    }
    Ok(None)
}

fn check(environment: &Environment, config: &Config) -> Result<Option<Value>, CniError> {
    let request = request(environment, config)?;
    let what = format!("pod {} is not as it was attached", request.pod);
    ask(config, &Request::CniCheck(request), &what).map(|()| None)
}

fn status(config: &Config) -> Result<Option<Value>, CniError> {
    let asked = ask(config, &Request::CniStatus, "ringfence cannot attach pods on this node");
    asked.map(|()| None).map_err(|e| CniError { code: CniError::UNAVAILABLE, ..e })
}

fn gc(config: &Config) -> Result<Option<Value>, CniError> {
    let keep = config.kept()?;
    ask(config, &Request::CniGc { keep }, "attachments were not cleaned up").map(|()| None)
}

fn ask(config: &Config, request: &Request, what: &str) -> Result<(), CniError> {
    // A little longer than the agent waits itself, so that its reason arrives rather than our guess.
    let deadline = config.deadline() + std::time::Duration::from_millis(500);
    match exchange(&config.socket, request, deadline) {
        Ok(Reply::Done) => Ok(()),
        Ok(Reply::Refused { kind, message }) => Err(CniError::new(code(kind), what, message)),
        Ok(Reply::Report(_)) => {
            Err(CniError::new(CniError::AGENT, what, "the agent answered something else"))
        }
        Err(e @ ControlError::Reply { .. }) => Err(CniError::new(CniError::AGENT, what, e)),
        Err(e) => Err(CniError::new(CniError::TRY_LATER, what, e)),
    }
}

const fn code(kind: RefusalKind) -> u32 {
    match kind {
        RefusalKind::Invalid => CniError::CONFIG,
        RefusalKind::Unknown => CniError::UNKNOWN_CONTAINER,
        RefusalKind::TryLater => CniError::TRY_LATER,
        RefusalKind::Failed => CniError::AGENT,
    }
}
