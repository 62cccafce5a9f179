//! Where things are in the repository, and the commands run there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// The directory with the workspace's Cargo.toml.
///
/// # Errors
/// When neither cargo's environment nor the working directory lead to it.
pub(crate) fn root() -> Result<PathBuf> {
    let start = match std::env::var_os("CARGO_MANIFEST_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => std::env::current_dir().context("reading the working directory")?,
    };
    let found = start.ancestors().find(|dir| dir.join("integration/xtask/Cargo.toml").is_file());
    found.map(Path::to_owned).with_context(|| format!("{} is not inside the repository", start.display()))
}

/// Where cargo writes what it builds.
///
/// # Errors
/// As [`root`].
pub(crate) fn target_dir() -> Result<PathBuf> {
    match std::env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty()) {
        Some(dir) => std::path::absolute(dir).context("making CARGO_TARGET_DIR absolute"),
        None => Ok(root()?.join("target")),
    }
}

/// `cargo` in the repository's root, of the pinned toolchain, finding what `cargo install` put in place.
///
/// # Errors
/// As [`root`].
pub(crate) fn cargo() -> Result<Command> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root()?).env("PATH", search_path()?).stdin(Stdio::null());
    // What cargo told this process about xtask's own package is not about what is built next.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_")
            || text.starts_with("CARGO_MANIFEST_")
            || text.starts_with("CARGO_BIN_")
        {
            command.env_remove(&name);
        }
    }
    Ok(command)
}

/// `PATH`, with cargo's own binaries and the system administrator's directories after it.
fn search_path() -> Result<std::ffi::OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let cargo_bin = ringfence_bootstrap::cargo_home().map(|home| home.join("bin"));
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::join_paths(std::env::split_paths(&path).chain(cargo_bin).chain(system))
        .context("extending PATH")
}
