//! Where agents write what others are to read: their own publication, and the mesh's epoch. It is where objects come from.
use super::desk::{Desk, DeskError};
use crate::model::MeshEpoch;
use crate::status::BackendStatus;
use crate::watch::directory::{self, Raised, WriteError};
use crate::watch::kube::{self, ApiError, Server};
use ringfence_keyring::{Epoch, Publication};
use serde::Serialize;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// What agents write to.
#[derive(Debug)]
pub(super) enum Board {
    /// The directory that the objects come from.
    Directory(PathBuf),
    /// The API server.
    Api(Box<Api>),
}

/// The API server. It may be slow, or away: nothing waits for it for long.
#[derive(Debug)]
pub(super) struct Api {
    server: Server,
    publications: Desk<Publication, (), ApiError>,
    epochs: Desk<(Epoch, Epoch), Raised, ApiError>,
    statuses: Desk<NodeStatus, (), ApiError>,
    /// The status that is there, and since when.
    told: Option<(NodeStatus, Instant)>,
}

/// A status is not written again sooner.
const AGAIN: Duration = Duration::from_secs(10);

/// What a node says of itself beside its keys: nothing that would be false if its agent ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeStatus {
    /// The agent's version.
    pub(super) version: &'static str,
    /// Which WireGuard encrypts.
    pub(super) wireguard: BackendStatus,
    /// What pods' devices may have, bytes.
    pub(super) mtu: u32,
    /// How many problems `ringfence status` names.
    pub(super) problems: usize,
}

/// What could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum BoardError {
    #[error(transparent)]
    Directory(#[from] WriteError),
    #[error(transparent)]
    Api(#[from] DeskError<ApiError>),
}

impl Board {
    /// The API server.
    pub(super) fn api(server: Server) -> Self {
        let (publications, epochs, statuses) = (Desk::default(), Desk::default(), Desk::impatient());
        Self::Api(Box::new(Api { server, publications, epochs, statuses, told: None }))
    }

    /// Writes this node's publication.
    ///
    /// # Errors
    /// [`BoardError`], also while it is not known yet whether it is written: it is to be tried again.
    pub(super) async fn publish(&mut self, publication: &Publication) -> Result<(), BoardError> {
        match self {
            Self::Directory(path) => Ok(directory::publish(path, publication)?),
            Self::Api(api) => {
                let (server, written) = (api.server.clone(), publication.clone());
                let write = async move { kube::publish(&server, &written).await };
                let done = api.publications.write(publication.clone(), write).await;
                // It may have been made anew, and a new object has no status.
                api.told = None;
                Ok(done?)
            }
        }
    }

    /// Says how this node is, if that is something new. Whether it was heard shows later.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub(super) async fn tell(&mut self, node: &str, status: NodeStatus) -> Result<(), BoardError> {
        let Self::Api(api) = self else { return Ok(()) };
        if api.told.as_ref().is_some_and(|(told, at)| *told == status || at.elapsed() < AGAIN) {
            return Ok(());
        }
        let (server, node, wanted) = (api.server.clone(), node.to_owned(), json!(status));
        let write = async move { kube::report(&server, &node, &wanted).await };
        match api.statuses.write(status.clone(), write).await {
            Ok(()) => api.told = Some((status, Instant::now())),
            Err(DeskError::UnderWay) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Raises the mesh's epoch, if it still is `from`.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub(super) async fn raise(&mut self, from: Epoch, to: MeshEpoch) -> Result<Raised, BoardError> {
        match self {
            Self::Directory(path) => Ok(directory::raise(path, from, to)?),
            Self::Api(api) => {
                let server = api.server.clone();
                let write = async move { kube::raise(&server, from, to).await };
                Ok(api.epochs.write((from, to.epoch), write).await?)
            }
        }
    }
}
