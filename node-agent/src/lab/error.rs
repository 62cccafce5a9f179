//! What can go wrong with a lab.
use std::path::PathBuf;

/// What can go wrong with a lab.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A file or directory of the lab.
    #[error("lab: cannot {operation} {}: {source}", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A program that should have run.
    #[error("lab: `{command}` on {machine} failed ({status}): {output}")]
    Command {
        /// The machine it ran on.
        machine: String,
        /// The command line.
        command: String,
        /// Its exit status, or why it did not start.
        status: String,
        /// What it wrote to standard error.
        output: String,
    },
    /// Namespaces of a machine or pod could not be made or entered.
    #[error("lab: cannot {operation} the namespaces of {machine}: {source}")]
    Namespaces {
        /// `make` or `enter`.
        operation: &'static str,
        /// Whose.
        machine: String,
        /// Why not.
        source: std::io::Error,
    },
    /// Manifests cannot be taken.
    #[error("{0}")]
    Manifests(crate::watch::directory::LoadErrors),
    /// The lab's own record is damaged.
    #[error("lab: {} cannot be understood: {source}; remove the lab with `ringfence lab down`", path.display())]
    State {
        /// The record.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// There is no such lab, node or pod.
    #[error("lab: there is no {kind} {name}; {remedy}")]
    Unknown {
        /// `lab`, `node`, `pod`.
        kind: &'static str,
        /// Which.
        name: String,
        /// What to do.
        remedy: String,
    },
    /// A lab of that name is up.
    #[error("lab: {name} is already up; `ringfence lab down --name {name}` removes it")]
    Exists {
        /// Its name.
        name: String,
    },
    /// This system lacks something.
    #[error("lab: {what} is missing; {remedy}")]
    Missing {
        /// What.
        what: String,
        /// How to get it.
        remedy: &'static str,
    },
    /// Something asked for cannot be.
    #[error("lab: {what}: {why}")]
    Refused {
        /// What was asked for.
        what: String,
        /// Why not, and what to do instead.
        why: String,
    },
    /// Something did not come about in time.
    #[error("lab: waited {seconds} s for {what}; see {}", log.display())]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
        /// Where to look.
        log: PathBuf,
    },
    /// A CNI plugin refused a pod.
    #[error("lab: CNI {command} of pod {pod}: {plugin} refused (code {code}): {message}")]
    Cni {
        /// `ADD`, `DEL`.
        command: &'static str,
        /// Which pod.
        pod: String,
        /// Which plugin.
        plugin: String,
        /// The CNI spec's error code.
        code: u64,
        /// What it said.
        message: String,
    },
    /// Several things went wrong at once.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Several(Vec<LabError>),
}

impl LabError {
    /// For `map_err` of file operations.
    pub(super) fn file(
        operation: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { operation, path, source }
    }

    /// One error of several results; `Ok` if there is none.
    pub(super) fn all<T>(results: Vec<Result<T, Self>>) -> Result<Vec<T>, Self> {
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for result in results {
            match result {
                Ok(value) => done.push(value),
                Err(error) => failed.push(error),
            }
        }
        match failed.len() {
            0 => Ok(done),
            1 => Err(failed.remove(0)),
            _ => Err(Self::Several(failed)),
        }
    }
}
