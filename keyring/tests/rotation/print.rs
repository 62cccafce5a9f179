//! Hashes of nodes, computed once: worlds share most of their nodes.

use std::hash::{Hash, Hasher};
use std::sync::atomic::AtomicU64;

/// A hash that is computed once; two nodes are never told apart by it.
#[derive(Debug, Default)]
pub struct Print(pub AtomicU64);

impl Clone for Print {
    fn clone(&self) -> Print {
        Print::default()
    }
}

impl PartialEq for Print {
    fn eq(&self, _: &Print) -> bool {
        true
    }
}

impl Eq for Print {}

impl Hash for Print {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}
