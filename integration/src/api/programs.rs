//! Kubernetes' own programs.
use anyhow::{Context, Result};
use std::path::PathBuf;

/// Where they were built: `cargo xtask test api` says so. Below it is a directory for each version.
const PLACE: &str = "RINGFENCE_KUBERNETES";

/// Programs of one version.
#[derive(Clone, Debug)]
pub struct Programs(PathBuf);

impl Programs {
    /// Those that are built, of the newest version by name.
    ///
    /// # Errors
    /// If none are.
    pub fn find() -> Result<Self> {
        let place = std::env::var_os(PLACE).map(PathBuf::from);
        let place =
            place.with_context(|| format!("{PLACE} names no directory: run `cargo xtask test api`"))?;
        let versions = std::fs::read_dir(&place).with_context(|| place.display().to_string())?;
        let bins = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
        let newest = bins.filter(|bin| bin.join("kube-apiserver").is_file()).max();
        newest.map(Self).with_context(|| {
            format!("no kube-apiserver below {}: `cargo xtask cluster build` builds it", place.display())
        })
    }

    /// The path of one.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}
