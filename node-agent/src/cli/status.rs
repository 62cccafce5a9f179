//! `ringfence status`.
use super::arguments::StatusArguments;
use crate::control::{Reply, Request, SOCKET, exchange};
use crate::status::render;
use anyhow::bail;
use std::process::ExitCode;
use std::time::Duration;

/// The node is not ready.
const NOT_READY: u8 = 3;

pub(super) fn run(arguments: &StatusArguments) -> anyhow::Result<ExitCode> {
    let socket = arguments.run_dir.join(SOCKET);
    let report = match exchange(&socket, &Request::Status, Duration::from_secs(arguments.timeout))? {
        Reply::Report(report) => report,
        Reply::Refused { message, .. } => bail!("the agent refused: {message}"),
        Reply::Done => bail!(
            "the agent answered something else; is it of another version than {}?",
            env!("CARGO_PKG_VERSION")
        ),
    };
    if arguments.alive {
        return Ok(ExitCode::SUCCESS);
    }
    arguments.output.print(&*report, render)?;
    Ok(if report.ready { ExitCode::SUCCESS } else { ExitCode::from(NOT_READY) })
}
