//! `ringfence keys` and `ringfence audit`.
mod arguments;
mod audit;
mod history;
mod judge;
mod place;
mod rotate;
mod show;

pub(super) use arguments::{AuditCommand, KeysCommand};

use std::process::ExitCode;

/// What was asked for is under way, and has not ended.
const UNFINISHED: u8 = 4;

pub(super) fn run(command: KeysCommand) -> anyhow::Result<ExitCode> {
    match command {
        KeysCommand::Status { place, output } => show::run(&place, output),
        KeysCommand::Rotate(arguments) => rotate::run(&arguments),
        KeysCommand::Revoke(arguments) => judge::run(&arguments, true),
        KeysCommand::Admit(arguments) => judge::run(&arguments, false),
        KeysCommand::History(arguments) => history::run(&arguments),
    }
}

pub(super) fn run_audit(command: AuditCommand) -> anyhow::Result<ExitCode> {
    match command {
        AuditCommand::Verify(arguments) => audit::run(&arguments),
    }
}
