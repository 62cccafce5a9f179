//! A directory of manifests as a source: what a repository holds, read as one cluster.
//!
//! Every `*.yaml`, `*.yml` and `*.json` below it, hidden ones apart; several documents a file; lists; kinds that do not
//! concern us passed over. Workloads become pods, namespaces and nodes that are not declared are made, and what a
//! cluster would fill in is filled in: nodes, addresses, pod CIDRs, ClusterIPs, node ports.
//!
//! The same files always give the same cluster. What stays when files are added: every node, address and port that an
//! object names itself; and, with [`Options::previous`], everything that was filled in before. Without it an added pod
//! or Service can shift those after it (by name), so what must last is written back with [`Loaded::objects`].

mod apply;
mod contradictions;
mod differences;
mod documents;
mod error;
mod expand;
mod files;
mod gather;
mod items;
mod loaded;
mod mirror;
mod nodes;
mod objects;
mod origin;
mod pace;
mod patch;
mod place;
mod rotation;
mod services;
mod source;
mod task;
#[cfg(test)]
mod tests;
mod uid;
mod value;
mod version;
mod write;

pub use error::{Duplicate, LoadError, LoadErrors};
pub use loaded::{Entry, Loaded, PassedOver};
pub use origin::Origin;
pub use rotation::{Raised, judge, raise, request};
pub use source::Source;
pub use task::{TaskError, follow};
pub use version::version;
pub use write::{WriteError, file_name, publish, remove, write};

use gather::Gathered;
use items::{Items, Keep};
use std::path::Path;
use std::sync::Arc;

/// What becomes of objects that the API server would refuse.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// They are errors. So are contradictions between objects.
    #[default]
    Accept,
    /// An agent's: such a policy is enforced restrictively, such a publication left out, each with a problem; anything
    /// else still is an error, at which the agent keeps what it had. Contradictions are for the mesh to decide.
    Watch,
}

/// How to read a directory.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// How strictly.
    pub mode: Mode,
    /// How many nodes a cluster has that declares none.
    pub nodes: usize,
    /// Families of the addresses that are filled in.
    pub families: Families,
    /// What was read last time: objects that are still there keep the node, addresses and ports they were given then.
    pub previous: Option<&'a Loaded>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { mode: Mode::Accept, nodes: 3, families: Families::default(), previous: None }
    }
}

/// Families of a cluster's addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Families {
    /// Both, IPv4 first.
    #[default]
    Dual,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

impl Families {
    /// Whether IPv4 (`true`), IPv6 (`false`) or both.
    pub(super) fn ipv4(self) -> &'static [bool] {
        match self {
            Self::Dual => &[true, false],
            Self::V4 => &[true],
            Self::V6 => &[false],
        }
    }
}

/// Reads a directory (or one file) as a cluster.
///
/// # Errors
/// Every fault found, each naming file, object and field.
pub fn read(directory: &Path, mode: Mode) -> Result<Loaded, LoadErrors> {
    read_all(&[directory], Options { mode, ..Options::default() })
}

/// Reads several directories or files as one cluster.
///
/// # Errors
/// As [`read`].
pub fn read_all(paths: &[&Path], options: Options<'_>) -> Result<Loaded, LoadErrors> {
    let (files, errors) = read_files(paths);
    assemble(gather_all(files.iter(), options.mode, errors)?, options, None)
}

/// Reads directories or files on top of a cluster: what they hold is added or replaced, everything else stays as it is.
/// [`Options::previous`] is `base`.
///
/// # Errors
/// As [`read`].
pub fn apply(base: &Loaded, paths: &[&Path], options: Options<'_>) -> Result<Loaded, LoadErrors> {
    let (files, errors) = read_files(paths);
    let all = gather_all(files.iter(), options.mode, errors)?;
    assemble(all, Options { previous: Some(base), ..options }, Some(base))
}

fn read_files(paths: &[&Path]) -> (Vec<Items>, Vec<LoadError>) {
    let (mut read, mut errors) = (Vec::new(), Vec::new());
    for path in paths {
        match files::list(path) {
            Err(unreadable) => errors.extend(unreadable),
            Ok(files) => {
                for file in files {
                    let file: Arc<Path> = file.into();
                    match files::text(&file).and_then(|text| items::read(&file, &text, Keep::All)) {
                        Ok(items) => read.push(items),
                        Err(error) => errors.push(error),
                    }
                }
            }
        }
    }
    (read, errors)
}

/// Puts the objects of all files together.
///
/// # Errors
/// `errors`, and what is wrong with the objects: what is filled in depends on all that is there, so nothing is if
/// anything is missing.
fn gather_all<'a>(
    files: impl Iterator<Item = &'a Items>,
    mode: Mode,
    mut errors: Vec<LoadError>,
) -> Result<Gathered, LoadErrors> {
    let mut all = Gathered::default();
    for items in files {
        all.add(items, mode, &mut errors);
    }
    if errors.is_empty() { Ok(all) } else { Err(LoadErrors(errors)) }
}

/// Makes a whole cluster of them.
fn assemble(mut all: Gathered, options: Options<'_>, base: Option<&Loaded>) -> Result<Loaded, LoadErrors> {
    let mut errors = Vec::new();
    if let Some(base) = base {
        apply::onto(&mut all, base);
    }
    all.pods.retain(|_, pod| !pod.value.finished);
    nodes::declare(&mut all, options.nodes);
    expand::workloads(&mut all);
    mirror::endpoints(&mut all);
    nodes::namespaces(&mut all);
    nodes::addresses(&mut all, options).map_err(|error| LoadErrors(vec![error]))?;
    place::schedule(&mut all, options.previous);
    place::addresses(&mut all, options.previous, &mut errors);
    services::complete(&mut all, options, &mut errors);
    if options.mode == Mode::Accept {
        contradictions::find(&all, &mut errors);
    }
    if errors.is_empty() { Ok(Loaded::new(all)) } else { Err(LoadErrors(errors)) }
}
