//! The API server, asked.
use super::error::ApiError;
use super::page::{self, Page};
use super::request::{self, Http};
use crate::watch::Kind;
use futures::{AsyncBufRead, AsyncReadExt};
use kube::Client;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How long an answer may take to begin, and a page to come whole.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a write may take.
const WRITE: Duration = Duration::from_secs(10);

/// An API server, and who we are to it. Cheap to clone.
#[derive(Clone)]
pub struct Server {
    client: Client,
    name: Arc<str>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client knows tokens.
        f.debug_tuple("Server").field(&self.name).finish()
    }
}

impl Server {
    /// An API server by its client; `name` is what problems call it.
    pub fn new(client: Client, name: &str) -> Self {
        Self { client, name: name.into() }
    }

    /// Its URL.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A page of all objects of a kind.
    pub(super) async fn list(&self, kind: Kind, more: Option<&str>) -> Result<Page, ApiError> {
        let failed = |source| ApiError::of("list", kind, source);
        let request = request::list(kind, more).map_err(|e| failed(kube::Error::BuildRequest(e)))?;
        let text = async {
            let mut body = self.client.request_stream(request).await.map_err(failed)?;
            let mut text = Vec::new();
            let read = body.read_to_end(&mut text).await;
            read.map_err(|source| ApiError::Broken { operation: "list", kind, source })?;
            Ok(text)
        };
        let text = in_time(PATIENCE, "list", kind, text).await?;
        page::read(kind, &text, &self.name)
    }

    /// What happens to objects of a kind from `version` on: lines of JSON, for so many seconds.
    pub(super) async fn watch(
        &self,
        kind: Kind,
        version: &str,
        seconds: u32,
    ) -> Result<impl AsyncBufRead + Unpin + use<>, ApiError> {
        let failed = |source| ApiError::of("watch", kind, source);
        let request =
            request::watch(kind, version, seconds).map_err(|e| failed(kube::Error::BuildRequest(e)))?;
        in_time(PATIENCE, "watch", kind, async { self.client.request_stream(request).await.map_err(failed) })
            .await
    }

    /// One object of no namespace; `None` if it is not there.
    pub(super) async fn get(&self, kind: Kind, name: &str) -> Result<Option<Value>, ApiError> {
        let what = format!("{kind} {name}");
        match self.ask("get", &what, request::get(kind, name)).await {
            Ok(object) => Ok(Some(object)),
            // Of the kind as a whole it says so, too, but then in plain text, without naming the object.
            Err(ApiError::Refused { status, .. }) if status.code == 404 && status.details.is_some() => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes an object of no namespace.
    pub(super) async fn create(&self, kind: Kind, name: &str, object: &Value) -> Result<(), ApiError> {
        self.ask("create", &format!("{kind} {name}"), request::create(kind, object)).await.map(drop)
    }

    /// Puts an object in the place of the version that it names.
    pub(super) async fn replace(&self, kind: Kind, name: &str, object: &Value) -> Result<(), ApiError> {
        self.ask("replace", &format!("{kind} {name}"), request::replace(kind, name, object)).await.map(drop)
    }

    /// Puts a status in the place of that of the version that it names.
    pub(super) async fn replace_status(
        &self,
        kind: Kind,
        name: &str,
        object: &Value,
    ) -> Result<(), ApiError> {
        let what = format!("status of {kind} {name}");
        self.ask("replace", &what, request::replace_status(kind, name, object)).await.map(drop)
    }

    /// Deletes exactly this object.
    pub(super) async fn delete(&self, kind: Kind, name: &str, uid: &str) -> Result<(), ApiError> {
        self.ask("delete", &format!("{kind} {name}"), request::delete(kind, name, uid)).await.map(drop)
    }

    async fn ask(
        &self,
        operation: &'static str,
        what: &str,
        request: Result<Http, request::Error>,
    ) -> Result<Value, ApiError> {
        let failed = |source| ApiError::of(operation, what, source);
        let request = request.map_err(|e| failed(kube::Error::BuildRequest(e)))?;
        let answer = async { self.client.request::<Value>(request).await.map_err(failed) };
        in_time(WRITE, operation, what, answer).await
    }
}

async fn in_time<T>(
    after: Duration,
    operation: &'static str,
    what: impl ToString,
    answer: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    let late = |_| ApiError::Late { operation, object: what.to_string(), after };
    tokio::time::timeout(after, answer).await.map_err(late)?
}
