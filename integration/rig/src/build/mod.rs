//! Kubernetes' own programs, built from their Go modules into a cache: minutes once, nothing afterwards. There too are the
//! two images that every node needs, for no registry is asked for anything.

mod go;
mod images;

pub use images::AGNHOST;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Kubernetes' version; `kubernetes/README.md` says how it is raised.
pub const VERSION: &str = "1.34.2";
/// Written last, so that what is there is whole.
const COMPLETE: &str = "complete";

/// A program and the Go package that it is.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
    pub(crate) why: &'static str,
}

const fn program(name: &'static str, package: &'static str, why: &'static str) -> Program {
    Program { name, package, why }
}

/// What is built. The API server comes first: it takes by far the longest, and most of the others is built with it.
pub(crate) const PROGRAMS: [Program; 8] = [
    program("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", "the Kubernetes API"),
    program("etcd", "go.etcd.io/etcd/server/v3", "keeps the API's objects"),
    program("kubectl", "k8s.io/kubernetes/cmd/kubectl", "asks the API"),
    program(
        "kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
        "makes pods of workloads, endpoints of Services",
    ),
    program("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler", "gives pods their nodes"),
    program("kubelet", "k8s.io/kubernetes/cmd/kubelet", "runs a node's pods"),
    program("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy", "makes a node's Services"),
    program(
        "agnhost",
        "k8s.io/kubernetes/test/images/agnhost",
        "what upstream's tests run in pods: servers and clients",
    ),
];

/// Built programs and images.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Programs {
    /// Where they are: `bin/`, `images/`.
    pub directory: PathBuf,
}

impl Programs {
    /// A program's path.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join("bin").join(name)
    }
}

/// Everything, from `cache` if it was built before.
///
/// # Errors
/// If something cannot be built; the error names the command that failed, with its last lines.
pub fn prepare(cache: &Path) -> Result<Programs> {
    let directory = cache.join(format!("v{VERSION}-{}", fingerprint()));
    let programs = Programs { directory };
    let complete = programs.directory.join(COMPLETE);
    if complete.is_file() {
        return Ok(programs);
    }
    go::build(&programs)?;
    images::build(&programs)?;
    std::fs::write(&complete, "").with_context(|| format!("writing {}", complete.display()))?;
    Ok(programs)
}

/// Archives that every node imports.
///
/// # Errors
/// If their directory cannot be read.
pub fn image_files(programs: &Programs) -> Result<Vec<PathBuf>> {
    let directory = programs.directory.join("images");
    let entries =
        std::fs::read_dir(&directory).with_context(|| format!("reading {}", directory.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "tar"));
    files.sort();
    Ok(files)
}

/// Tells builds apart: by everything that they are made from, save the Go toolchain.
fn fingerprint() -> String {
    let mut hasher = Sha256::new();
    for text in go::MODULE.iter().map(|(_, text)| *text).chain(images::MADE_FROM) {
        hasher.update(text.len().to_le_bytes());
        hasher.update(text);
    }
    let names = PROGRAMS.iter().map(|program| program.package);
    names.for_each(|name| hasher.update(name));
    let hash = hasher.finalize();
    hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}
