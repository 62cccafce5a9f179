//! Sources of Kubernetes objects: the edge where they become `model` values.
//!
//! A source (a [`directory`] of manifests, or the API server, [`kube`]) sends batches of [`Update`]s; nothing behind this boundary
//! can tell which it was. [`queries`] are the questions that are asked about a cluster.

pub mod directory;
pub mod kube;
pub mod object;
pub mod queries;
mod update;

pub use object::Kind;
pub use update::{Batch, Object, Update, decode};
