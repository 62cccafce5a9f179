//! Field paths as the API server writes them, built without allocating until something is wrong.
use std::fmt;

/// A field path such as `spec.ingress[0].from[1].ipBlock.cidr`; each step borrows the one before it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FieldPath<'a> {
    /// The object itself.
    Root,
    /// A field of what came before.
    Key(&'a FieldPath<'a>, &'a str),
    /// An element of what came before.
    Index(&'a FieldPath<'a>, usize),
}

impl FieldPath<'_> {
    /// A field of this.
    pub(crate) fn key<'b>(&'b self, name: &'b str) -> FieldPath<'b> {
        FieldPath::Key(self, name)
    }

    /// An element of this, from 0.
    pub(crate) fn index(&self, index: usize) -> FieldPath<'_> {
        FieldPath::Index(self, index)
    }

    /// This path with what `serde_path_to_error` found below it.
    pub(crate) fn join(&self, below: &serde_path_to_error::Path) -> String {
        let (here, below) = (self.to_string(), below.to_string());
        match (here.as_str(), below.as_str()) {
            (_, "." | "") => here,
            ("", _) => below,
            (_, b) if b.starts_with('[') => format!("{here}{below}"),
            _ => format!("{here}.{below}"),
        }
    }
}

impl fmt::Display for FieldPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Self::Root, name) => f.write_str(name),
            Self::Key(parent, name) => write!(f, "{parent}.{name}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}
