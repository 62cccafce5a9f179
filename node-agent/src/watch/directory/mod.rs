//! A directory of manifests as a source: what a repository holds, read as one cluster.
//!
//! Every `*.yaml`, `*.yml` and `*.json` below it, hidden ones apart; several documents a file; lists; kinds that do not
//! concern us passed over. Workloads become pods, namespaces and nodes that are not declared are made, and what a
//! cluster would fill in is filled in: nodes, addresses, pod CIDRs, ClusterIPs, node ports.
//!
//! The same files always give the same cluster. What stays when files are added: every node, address and port that an
//! object names itself; and, with [`Options::previous`], everything that was filled in before. Without it an added pod
//! or Service can shift those after it (by name), so what must last is written back with [`Loaded::objects`].

mod contradictions;
mod documents;
mod error;
mod expand;
mod files;
mod gather;
mod items;
mod loaded;
mod nodes;
mod objects;
mod origin;
mod place;
mod services;
#[cfg(test)]
mod tests;
mod uid;
mod value;

pub use error::{LoadError, LoadErrors};
pub use loaded::{Entry, Loaded, PassedOver};
pub use origin::Origin;

use gather::Gathered;
use items::Items;
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
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// How strictly.
    pub mode: Mode,
    /// What was read last time: objects that are still there keep the node, addresses and ports they were given then.
    pub previous: Option<&'a Loaded>,
}

/// Reads a directory (or one file) as a cluster.
///
/// # Errors
/// Every fault found, each naming file, object and field.
pub fn read(directory: &Path, mode: Mode) -> Result<Loaded, LoadErrors> {
    read_with(directory, Options { mode, previous: None })
}

/// As [`read`], with [`Options`].
///
/// # Errors
/// As [`read`].
pub fn read_with(directory: &Path, options: Options<'_>) -> Result<Loaded, LoadErrors> {
    let files = files::list(directory).map_err(LoadErrors)?;
    let (mut read, mut errors) = (Vec::new(), Vec::new());
    for file in files {
        let file: Arc<Path> = file.into();
        match files::text(&file).and_then(|text| items::read(&file, &text)) {
            Ok(items) => read.push(items),
            Err(error) => errors.push(error),
        }
    }
    assemble(read.iter(), options, errors)
}

/// Makes a cluster of the objects of all files.
fn assemble<'a>(
    files: impl Iterator<Item = &'a Items>,
    options: Options<'_>,
    mut errors: Vec<LoadError>,
) -> Result<Loaded, LoadErrors> {
    let mut all = Gathered::default();
    for items in files {
        all.add(items, options.mode, &mut errors);
    }
    // What is filled in depends on all that is there: nothing is, if anything is missing.
    if !errors.is_empty() {
        return Err(LoadErrors(errors));
    }
    all.pods.retain(|_, pod| !pod.value.finished);
    nodes::declare(&mut all);
    expand::workloads(&mut all);
    nodes::namespaces(&mut all);
    nodes::addresses(&mut all).map_err(|error| LoadErrors(vec![error]))?;
    place::schedule(&mut all, options.previous);
    place::addresses(&mut all, options.previous, &mut errors);
    services::complete(&mut all, options.previous, &mut errors);
    if options.mode == Mode::Accept {
        contradictions::find(&all, &mut errors);
    }
    if errors.is_empty() { Ok(Loaded::new(all)) } else { Err(LoadErrors(errors)) }
}
