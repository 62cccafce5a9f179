//! What can go wrong between the agent and the API server.
use super::lines::TooLong;
use crate::model::ObjectName;
use crate::watch::Kind;
use kube::core::Status;
use std::path::PathBuf;
use std::time::Duration;

/// It is not known where the API server is, or who we are to it.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A kubeconfig cannot be used.
    #[error("kubeconfig {}: {source}", path.as_ref().map_or("(KUBECONFIG or ~/.kube/config)".into(), |p| p.display().to_string()))]
    Kubeconfig {
        /// The file, if it was named.
        path: Option<PathBuf>,
        /// Why.
        source: Box<kube::config::KubeconfigError>,
    },
    /// There is no kubeconfig, and this is no pod.
    #[error(
        "no API server is named: there is no kubeconfig (--kubeconfig, KUBECONFIG, ~/.kube/config), and in a pod: {source}"
    )]
    InCluster {
        /// Why.
        source: Box<kube::config::InClusterError>,
    },
    /// What is configured makes no client.
    #[error("API server {server}: cannot make a client: {source}")]
    Client {
        /// Its URL.
        server: String,
        /// Why.
        source: Box<kube::Error>,
    },
}

/// A request to the API server failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The API server refused it.
    #[error("{operation} {object}: {}", text(status))]
    Refused {
        /// What was asked.
        operation: &'static str,
        /// Of what.
        object: String,
        /// Its answer.
        status: Box<Status>,
    },
    /// There was no answer, or none that HTTP allows.
    #[error("{operation} {object}: {}", chain(source))]
    Unreachable {
        /// What was asked.
        operation: &'static str,
        /// Of what.
        object: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// A stream broke off.
    #[error("{operation} {kind}: {source}")]
    Broken {
        /// What was under way.
        operation: &'static str,
        /// Of what.
        kind: Kind,
        /// Why.
        source: std::io::Error,
    },
    /// There was no answer in time.
    #[error("{operation} {object}: no answer within {} s", after.as_secs_f32())]
    Late {
        /// What was asked.
        operation: &'static str,
        /// Of what.
        object: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// An answer that is not what the API says it is.
    #[error("{operation} {kind}: the answer cannot be read: {source}")]
    Malformed {
        /// What was asked.
        operation: &'static str,
        /// Of what.
        kind: Kind,
        /// Why.
        source: serde_json::Error,
    },
    /// An event without an end.
    #[error("watch {kind}: {source}")]
    TooLong {
        /// Of what.
        kind: Kind,
        /// How long.
        source: TooLongEvent,
    },
    /// A list without the version that a watch starts from.
    #[error("list {kind}: the answer has no metadata.resourceVersion")]
    NoVersion {
        /// Of what.
        kind: Kind,
    },
    /// What is there is not what can be written over.
    #[error("{kind} {object}: {reason}")]
    Object {
        /// Its kind.
        kind: Kind,
        /// Its name.
        object: ObjectName,
        /// Why not.
        reason: String,
    },
}

/// See [`ApiError::TooLong`].
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct TooLongEvent(#[from] TooLong);

impl ApiError {
    pub(super) fn refused(operation: &'static str, what: impl ToString, status: Status) -> Self {
        Self::Refused { operation, object: what.to_string(), status: Box::new(status) }
    }

    pub(super) fn of(operation: &'static str, what: impl ToString, source: kube::Error) -> Self {
        match source {
            kube::Error::Api(status) => Self::Refused { operation, object: what.to_string(), status },
            source => Self::Unreachable { operation, object: what.to_string(), source: Box::new(source) },
        }
    }

    /// Why, without what was asked: of many kinds it may be the same.
    pub(super) fn cause(&self) -> String {
        match self {
            Self::Refused { status, .. } => text(status),
            Self::Unreachable { source, .. } => chain(&**source),
            Self::Broken { source, .. } => source.to_string(),
            Self::Late { after, .. } => format!("no answer within {} s", after.as_secs()),
            Self::Malformed { source, .. } => format!("the answer cannot be read: {source}"),
            other => other.to_string(),
        }
    }

    /// HTTP's number of a refusal.
    pub(super) fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(status.code),
            _ => None,
        }
    }

    /// Whether a list or watch can only be begun anew.
    pub(super) fn is_gone(&self) -> bool {
        self.code() == Some(410)
            || matches!(self, Self::Refused { status, .. } if ["Expired", "Gone"].contains(&status.reason.as_str()))
    }
}

/// What the API server says, with what to do about it where that can be known.
fn text(status: &Status) -> String {
    let said = if status.message.is_empty() { status.reason.clone() } else { status.message.clone() };
    match status.code {
        401 => format!("{said}: the token or certificate is not accepted"),
        403 => format!("{said}: apply manifests/rbac"),
        404 => format!("{said}: apply manifests/crds"),
        _ => said,
    }
}

/// An error with its causes: hyper's own says little more than "error sending request".
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
