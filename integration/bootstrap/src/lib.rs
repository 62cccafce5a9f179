//! What `cargo xtask` needs before it can be built itself, in nothing but `std`.
//!
//! A machine with only rustup has no linker for Rust's default target, so build scripts and procedural macros
//! cannot be linked there. This crate is built for musl, whose start files and libc come with the toolchain,
//! by the toolchain's own `rust-lld` (see `.cargo/config.toml`), and installs a C compiler where there is none.

pub mod apt;
pub mod progress;

use std::path::PathBuf;

/// The user this process acts as is root (effective uid 0 in `/proc/self/status`).
pub fn is_root() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return false };
    // proc(5): "Uid: real effective saved filesystem".
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uid.and_then(|ids| ids.split_whitespace().nth(1)) == Some("0")
}

/// The first executable named `name` on `PATH`, else in the directory `cargo install` writes to, else in the
/// system directories that an unprivileged user's `PATH` often lacks.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let cargo_bin = cargo_home().map(|home| home.join("bin"));
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(cargo_bin)
        .chain(system)
        .map(|dir| dir.join(name))
        .find(|p| p.is_file())
}

/// Where cargo keeps its binaries: `$CARGO_HOME`, else `$HOME/.cargo`.
pub fn cargo_home() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("CARGO_HOME").or_else(|| set("HOME").map(|home| home.join(".cargo")))
}
