//! Tests on real clusters: each has one of its own, taken away when its handle is dropped. `RINGFENCE_KEEP=1` leaves it up, and
//! says how to ask it.

mod pods;
mod wire;

use anyhow::{Context, Result};
use ringfence_rig::build;
pub use ringfence_rig::cluster::{self, Cluster, Families, Options, ProxyMode};
use ringfence_rig::image;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
pub use wire::{Heard, Wire};

/// A cluster that is up.
pub struct Running {
    cluster: Cluster,
}

impl Running {
    /// Takes a cluster up that has no pod network yet. `name` is part of its name, so that one can be told from another.
    pub fn bare(name: &str, options: Options) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let programs = build::prepare(&variable("RINGFENCE_KUBERNETES")?)?;
        let root = Path::new(cluster::DEFAULT_ROOT).join(format!("{name}-{}-{number}", std::process::id()));
        let rig = variable("RINGFENCE_RIG")?;
        Ok(Self { cluster: cluster::up(&root, options, programs, &rig)? })
    }

    /// The same with Ringfence in it: the image of `RINGFENCE_BIN`, and the repository's manifests.
    pub fn up(name: &str, options: Options) -> Result<Self> {
        let running = Self::bare(name, options)?;
        running.install()?;
        Ok(running)
    }

    /// Installs Ringfence as [`Self::up`] does.
    pub fn install(&self) -> Result<()> {
        let archive = self.cluster.root.join("ringfence.tar");
        image::agent(&archive, &variable("RINGFENCE_BIN")?)?;
        self.cluster.install(&archive, &variable("RINGFENCE_MANIFESTS")?)
    }
}

impl Deref for Running {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let root = &self.cluster.root;
        if std::env::var_os("RINGFENCE_KEEP").is_some() {
            let name = root.file_name().unwrap_or_default().to_string_lossy();
            eprintln!("kept: cargo xtask cluster kubectl --name {name} -- get pods -A");
        } else if let Err(error) = cluster::down(root) {
            eprintln!("{} was not taken away: {error:#}", root.display());
        }
    }
}

fn variable(name: &str) -> Result<PathBuf> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    value.map(PathBuf::from).with_context(|| format!("{name} is not set; `cargo xtask test cluster` sets it"))
}
