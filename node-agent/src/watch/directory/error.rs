//! Why a directory could not be read.
use super::origin::Origin;
use crate::model::{ObjectName, Problem};
use std::fmt;
use std::io;
use std::path::PathBuf;

/// One reason.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file system refused.
    #[error("{}: {operation}: {source}", path.display())]
    Unreadable {
        /// What was attempted.
        operation: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text is no YAML or JSON, or no object.
    #[error("{}:{}: {message}", origin.file.display(), origin.line)]
    Syntax {
        /// Which document.
        origin: Origin,
        /// What is wrong with it.
        message: String,
    },
    /// The API server would refuse an object, or it contradicts another.
    #[error("{0}")]
    Object(Box<Problem>),
    /// One object is there twice.
    #[error("{0}")]
    Duplicate(Box<Duplicate>),
}

/// An object that is there twice.
#[derive(Debug, thiserror::Error)]
#[error("{second}: {kind} {object}: metadata.name: it is already in {first}: remove or rename one of them")]
pub struct Duplicate {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub object: ObjectName,
    /// Where it was read first.
    pub first: Origin,
    /// Where it was read again.
    pub second: Origin,
}

impl LoadError {
    /// The same for a status.
    pub fn problem(&self) -> Problem {
        let named = |source: String, field: &str, message: String| Problem {
            source,
            kind: "manifest".to_owned(),
            object: ObjectName::new("", ""),
            field: field.to_owned(),
            message,
        };
        match self {
            Self::Unreadable { operation, path, source } => {
                named(path.display().to_string(), ".", format!("{operation}: {source}"))
            }
            Self::Syntax { origin, message } => named(origin.to_string(), ".", message.clone()),
            Self::Object(problem) => (**problem).clone(),
            Self::Duplicate(duplicate) => Problem {
                source: duplicate.second.to_string(),
                kind: duplicate.kind.clone(),
                object: duplicate.object.clone(),
                field: "metadata.name".to_owned(),
                message: format!("it is already in {}: remove or rename one of them", duplicate.first),
            },
        }
    }
}

/// Every reason why a directory could not be read, at least one; one a line.
#[derive(Debug)]
pub struct LoadErrors(pub Vec<LoadError>);

impl fmt::Display for LoadErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadErrors {}
