//! Packages of Debian and its relatives: which are missing, and installing them.

use std::fmt;
use std::process::Command;

use crate::progress;

/// A package, and why it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// Its name in Debian and Ubuntu.
    pub name: &'static str,
    /// What it is for, printed when it is installed.
    pub why: &'static str,
}

/// Why packages are not installed.
#[derive(Debug)]
pub enum Error {
    /// This system has no dpkg.
    NotDebian {
        /// What to install by other means.
        missing: String,
    },
    /// Only root may install.
    NotRoot {
        /// What is missing.
        missing: String,
    },
    /// The system's package sources do not offer it.
    NotOffered {
        /// The packages.
        missing: String,
        /// The release, from os-release.
        release: String,
    },
    /// apt-get failed.
    Apt(progress::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDebian { missing } => write!(
                f,
                "this system has no dpkg, so nothing can be installed for you; install what Debian calls: {missing}"
            ),
            Self::NotRoot { missing } => write!(
                f,
                "packages are missing and only root can install them; run:\n    \
                 sudo apt-get update && sudo apt-get install --no-install-recommends {missing}"
            ),
            Self::NotOffered { missing, release } => {
                write!(f, "{release} offers no package {missing}.")?;
                if missing.contains("-22-dev") {
                    write!(
                        f,
                        " Debian 12 and later have LLVM 22 in their security updates (the component `main` of \
                         http://deb.debian.org/debian-security); for other releases add the repository that \
                         https://apt.llvm.org describes for LLVM 22, then run this again"
                    )?;
                } else {
                    write!(f, " Enable the component that has it (Ubuntu: `universe`), then run this again")?;
                }
                Ok(())
            }
            Self::Apt(error) => write!(f, "installing packages: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<progress::Error> for Error {
    fn from(error: progress::Error) -> Self {
        Self::Apt(error)
    }
}

/// Installs those of `packages` that are missing, printing a line of what and why for each; without any, does nothing.
///
/// # Errors
/// Where there is no dpkg, no root, no such package in this release, or where apt-get fails.
pub fn install(packages: &[Package]) -> Result<(), Error> {
    let missing: Vec<Package> =
        packages.iter().copied().filter(|package| !is_installed(package.name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = join(&missing);
    if crate::find_program("dpkg-query").is_none() {
        return Err(Error::NotDebian { missing: names });
    }
    if !crate::is_root() {
        return Err(Error::NotRoot { missing: names });
    }
    for package in &missing {
        println!("setup: installing package {}: {}", package.name, package.why);
    }
    update()?;
    let absent: Vec<Package> = missing.iter().copied().filter(|package| !is_offered(package.name)).collect();
    if !absent.is_empty() {
        return Err(Error::NotOffered { missing: join(&absent), release: release() });
    }
    let mut command = apt_get();
    command.args(["install", "--yes", "--no-install-recommends"]);
    command.args(missing.iter().map(|package| package.name));
    progress::run("apt-get install", &mut command)?;
    Ok(())
}

/// Reads the package lists anew (`apt-get update`).
///
/// # Errors
/// Where apt-get fails.
pub fn update() -> Result<(), Error> {
    Ok(progress::run("apt-get update", apt_get().arg("update"))?)
}

/// `apt-get` that asks nothing and waits for another one to finish.
pub fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-o", "DPkg::Lock::Timeout=600"]);
    command
}

/// dpkg has the package installed and configured.
pub fn is_installed(name: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    let output = query.args(["--show", "--showformat=${db:Status-Status}", name]).output();
    output.is_ok_and(|output| output.status.success() && output.stdout == b"installed")
}

/// The package sources have a version of it to install.
fn is_offered(name: &str) -> bool {
    let output = Command::new("apt-cache").args(["policy", name]).env("LC_ALL", "C").output();
    output.is_ok_and(|output| candidate(&String::from_utf8_lossy(&output.stdout)).is_some())
}

/// The version that would be installed, from what `apt-cache policy NAME` prints in the locale C.
pub fn candidate(policy: &str) -> Option<String> {
    let candidate = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate:"))?.trim();
    (candidate != "(none)").then(|| candidate.to_owned())
}

fn release() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("this system").trim_matches('"').to_owned()
}

fn join(packages: &[Package]) -> String {
    packages.iter().map(|package| package.name).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_without_candidate_is_not_offered() {
        assert_eq!(candidate("foo:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n"), None);
        assert_eq!(candidate("foo:\n  Installed: (none)\n  Candidate: 1:22.1-1\n").unwrap(), "1:22.1-1");
        assert_eq!(candidate(""), None); // what apt-cache prints of a name it never heard of
    }

    #[test]
    fn a_missing_llvm_is_named_with_its_remedy() {
        let error = Error::NotOffered { missing: "llvm-22-dev".into(), release: "Ubuntu 22.04 LTS".into() };
        let text = error.to_string();
        assert!(text.contains("Ubuntu 22.04 LTS offers no package llvm-22-dev"), "{text}");
        assert!(text.contains("apt.llvm.org"), "{text}");
    }
}
