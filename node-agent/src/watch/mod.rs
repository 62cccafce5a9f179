//! Sources of Kubernetes objects: the edge where they become `model` values.
//!
//! A source (a [`directory`] of manifests, or the API server) sends [`Update`]s; nothing behind this boundary can tell
//! which it was.

pub mod directory;
pub mod object;
pub mod queries;

pub use object::Kind;
