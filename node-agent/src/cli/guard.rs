//! `ringfence guard`.
use super::arguments::GuardArguments;
use crate::app::guard;
use anyhow::Context;
use std::process::ExitCode;

pub(super) fn run(arguments: &GuardArguments) -> anyhow::Result<ExitCode> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let count = runtime.block_on(guard::install(&arguments.state_dir))?;
    eprintln!("ringfence: {count} pod CIDRs of the cluster are kept off the wire until the agent has a mesh");
    Ok(ExitCode::SUCCESS)
}
