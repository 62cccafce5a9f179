//! `ringfence-rig`: what `cargo xtask cluster` and `cargo xtask image` do.
use std::process::ExitCode;

fn main() -> ExitCode {
    ringfence_rig::cli::main()
}
