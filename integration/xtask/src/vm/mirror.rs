//! Package sources: the host's own, or Debian 12's with lists of their own, for hosts that do not offer its kernels.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use ringfence_bootstrap::apt::{self, Package};
use ringfence_bootstrap::progress;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Debian 12 and its security updates: the release that has both series.
const SOURCES: [&str; 2] = [
    "http://deb.debian.org/debian bookworm main",
    "http://deb.debian.org/debian-security bookworm-security main",
];

/// Where apt looks.
#[derive(Debug)]
pub(super) struct Mirror {
    /// Options for every apt program.
    options: Vec<String>,
}

impl Mirror {
    /// What the host itself installs from.
    pub(super) fn host() -> Self {
        Self { options: Vec::new() }
    }

    /// Debian 12, signatures checked with Debian's own keyring; its lists are kept in `directory`.
    ///
    /// # Errors
    /// When the keyring cannot be installed or the lists not be read.
    pub(super) fn debian(directory: &Path) -> Result<Self> {
        apt::install(&[Package {
            name: "debian-archive-keyring",
            why: "checks the signatures of Debian's kernels",
        }])?;
        if !Path::new(KEYRING).is_file() {
            bail!("{KEYRING} is missing although debian-archive-keyring is installed");
        }
        for dir in ["state/lists/partial", "cache/archives/partial"] {
            let dir = directory.join(dir);
            std::fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        }
        let list = directory.join("sources.list");
        let lines = SOURCES.map(|source| format!("deb [arch=amd64 signed-by={KEYRING}] {source}\n"));
        std::fs::write(&list, lines.concat()).with_context(|| format!("writing {}", list.display()))?;
        let path = |name: &str, path: PathBuf| format!("{name}={}", path.display());
        let options = vec![
            path("Dir::Etc::sourcelist", list),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            path("Dir::State", directory.join("state")),
            path("Dir::Cache", directory.join("cache")),
            "Dir::State::status=/dev/null".to_owned(),
            "APT::Architecture=amd64".to_owned(),
            "APT::Sandbox::User=root".to_owned(),
        ];
        let mirror = Self { options };
        progress::run("reading Debian 12's package lists", mirror.apt_get().arg("update"))?;
        Ok(mirror)
    }

    /// `apt-get` with these sources.
    pub(super) fn apt_get(&self) -> Command {
        let mut command = apt::apt_get();
        self.configure(&mut command);
        command
    }

    /// The name of the newest `linux-image-SERIES.*-cloud-amd64`.
    ///
    /// # Errors
    /// When apt-cache does not run.
    pub(super) fn newest_kernel(&self, series: &str) -> Result<Option<String>> {
        if self.options.is_empty() {
            super::kernel::update_once(Path::new("/var/lib/apt/lists"))?;
        }
        let mut command = Command::new("apt-cache");
        self.configure(&mut command);
        let output = command.args(["pkgnames", &prefix(series)]).output().context("starting apt-cache")?;
        if !output.status.success() {
            bail!("apt-cache failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(newest(series, &String::from_utf8_lossy(&output.stdout)))
    }

    /// The version of a package that would be installed.
    ///
    /// # Errors
    /// When apt-cache does not run.
    pub(super) fn candidate(&self, package: &str) -> Result<Option<String>> {
        if self.options.is_empty() {
            super::kernel::update_once(Path::new("/var/lib/apt/lists"))?;
        }
        let mut command = Command::new("apt-cache");
        self.configure(&mut command);
        let output = command.args(["policy", package]).env("LC_ALL", "C").output();
        let output = output.context("starting apt-cache")?;
        if !output.status.success() {
            bail!("apt-cache failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(apt::candidate(&String::from_utf8_lossy(&output.stdout)))
    }

    fn configure(&self, command: &mut Command) {
        for option in &self.options {
            command.args(["-o", option]);
        }
    }
}

fn prefix(series: &str) -> String {
    format!("linux-image-{series}.")
}

fn newest(series: &str, names: &str) -> Option<String> {
    let candidates =
        names.lines().filter(|name| name.starts_with(&prefix(series)) && name.ends_with("-cloud-amd64"));
    candidates.max_by_key(|name| numbers(name)).map(str::to_owned)
}

/// The numbers in a name, in order: versions compare by them.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_kernel_is_found_by_number_not_by_letter() {
        let names = "linux-image-6.1.0-9-cloud-amd64\nlinux-image-6.1.0-56-cloud-amd64\n\
                     linux-image-6.1.0-57-cloud-amd64-unsigned\nlinux-image-6.1.0-58-amd64\nlinux-image-6.12.1-cloud-amd64\n";
        assert_eq!(newest("6.1", names).as_deref(), Some("linux-image-6.1.0-56-cloud-amd64"));
        assert_eq!(newest("6.12", names).as_deref(), Some("linux-image-6.12.1-cloud-amd64"));
        assert_eq!(newest("6.6", names), None);
    }
}
