//! Where an object was read.
use crate::watch::Kind;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A document of a file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Origin {
    /// The file, as the directory was named.
    pub file: Arc<Path>,
    /// Number of the document in the file, from 1.
    pub document: usize,
    /// Line where the document begins, from 1.
    pub line: usize,
}

impl Origin {
    /// As it goes with an object of this kind: only where it matters later.
    pub(super) fn of(&self, kind: Kind) -> Option<Arc<str>> {
        kind.contradictable().then(|| self.to_string().into())
    }
}

impl fmt::Display for Origin {
    /// `shop/policies.yaml:14 (document 2)`; a file's first document is named by the file alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.document > 1 { write!(f, ":{} (document {})", self.line, self.document) } else { Ok(()) }
    }
}
