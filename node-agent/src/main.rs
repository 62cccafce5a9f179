//! `ringfence`: the agent, the command line and the CNI plugin.
use std::alloc::System;
use std::process::ExitCode;
use zeroizing_alloc::ZeroAlloc;

/// Private keys pass through libraries whose buffers wipe nothing: so all that is freed is wiped.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    ringfence::cli::main()
}
