//! The command line.

mod agent;
mod arguments;
mod guard;
mod keys;
mod lab;
mod output;
mod plugin;
mod status;
mod uninstall;
mod values;
mod verdicts;

pub use arguments::Arguments;

use crate::cni::{self, Environment};
use crate::userspace;
use arguments::{Command, PolicyCommand};
use clap::Parser;
use std::process::ExitCode;

/// Runs the process: as CNI plugin where a runtime calls it (`CNI_COMMAND` is set and there is no subcommand), else as
/// its arguments say. Errors go to standard error; the exit codes are in `--help`.
pub fn main() -> ExitCode {
    let environment = Environment::of_process();
    if environment.command().is_some() && std::env::args_os().len() == 1 {
        return ExitCode::from(cni::run(&environment, std::io::stdin(), std::io::stdout()));
    }
    let done = match Arguments::parse().command {
        Command::Agent(arguments) => agent::run(arguments),
        Command::Cni => {
            return ExitCode::from(cni::run(&environment, std::io::stdin(), std::io::stdout()));
        }
        Command::Status(arguments) => status::run(&arguments),
        Command::Uninstall(arguments) => uninstall::run(&arguments),
        Command::Guard(arguments) => guard::run(&arguments),
        Command::InstallPlugin(arguments) => plugin::run(&arguments),
        Command::WireguardUserspace(arguments) => {
            userspace::run(&arguments).map(|()| ExitCode::SUCCESS).map_err(Into::into)
        }
        Command::Lab { command } => lab::run(command),
        Command::Keys { command } => keys::run(command),
        Command::Audit { command } => keys::run_audit(command),
        Command::Policy { command: PolicyCommand::Verdicts(arguments) } => verdicts::run(&arguments),
    };
    match done {
        Ok(code) => code,
        Err(e) => {
            eprintln!("ringfence: {}", explain(&e));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, each said once: most of ours name theirs themselves.
fn explain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}
