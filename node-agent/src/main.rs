//! `ringfence`: the agent, the command line and the CNI plugin.
use std::process::ExitCode;

fn main() -> ExitCode {
    ringfence::cli::main()
}
