//! `cargo xtask` starts here: a C compiler first, then the real xtask with the same arguments.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use ringfence_bootstrap::apt::{self, Package};

/// gcc and the start files link build scripts; g++ brings the C++ library that LLVM, and so bpf-linker, needs.
const COMPILER: [Package; 3] = [
    Package { name: "gcc", why: "links Rust programs and compiles the C parts of libraries" },
    Package { name: "libc6-dev", why: "start files and headers of the C library" },
    Package { name: "g++", why: "the C++ library that LLVM (and so bpf-linker) is linked with" },
];

fn main() -> ExitCode {
    if (!links("cc", "crt1.o") || !links("c++", "libstdc++.so"))
        && let Err(error) = apt::install(&COMPILER)
    {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--package", "xtask", "--"]).args(std::env::args_os().skip(1));
    // exec, so that signals and the exit status are xtask's own.
    let error = command.exec();
    eprintln!("error: starting cargo: {error}");
    ExitCode::FAILURE
}

/// The compiler driver runs and knows where `file` is (it prints the bare name of what it cannot find).
fn links(compiler: &str, file: &str) -> bool {
    let mut probe = Command::new(compiler);
    let output = probe.arg(format!("-print-file-name={file}")).stderr(Stdio::null()).output();
    output.is_ok_and(|output| output.status.success() && output.stdout.starts_with(b"/"))
}
