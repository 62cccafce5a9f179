//! The requests that are made of objects of each kind.
use crate::watch::Kind;
use kube::core::Request;
use kube::core::params::{DeleteParams, GetParams, ListParams, PostParams, Preconditions, WatchParams};
use serde_json::Value;

/// An HTTP request.
pub(super) type Http = http::Request<Vec<u8>>;
/// Why there is none.
pub(super) type Error = kube::core::request::Error;

/// Objects of one page: a page of pods is some 2 MB of text.
const PAGE: u32 = 250;

/// The path of all objects of a kind.
pub(super) fn path(kind: Kind) -> String {
    let plural = match kind {
        Kind::Namespace => "namespaces",
        Kind::Node => "nodes",
        Kind::Pod => "pods",
        Kind::Service => "services",
        Kind::EndpointSlice => "endpointslices",
        Kind::NetworkPolicy => "networkpolicies",
        Kind::RingfenceNode => "ringfencenodes",
        Kind::RingfenceMesh => "ringfencemeshes",
        Kind::RingfenceRotation => "ringfencerotations",
        Kind::RingfenceRevocation => "ringfencerevocations",
    };
    let version = kind.api_version();
    let root = if version.contains('/') { "apis" } else { "api" };
    format!("/{root}/{version}/{plural}")
}

/// A page: the first, or the one that another said follows.
pub(super) fn list(kind: Kind, more: Option<&str>) -> Result<Http, Error> {
    let params =
        ListParams { limit: Some(PAGE), continue_token: more.map(str::to_owned), ..ListParams::default() };
    Request::new(path(kind)).list(&params)
}

/// What has happened since `version`, for so many seconds.
pub(super) fn watch(kind: Kind, version: &str, seconds: u32) -> Result<Http, Error> {
    let params = WatchParams { timeout: Some(seconds), bookmarks: true, ..WatchParams::default() };
    Request::new(path(kind)).watch(&params, version)
}

/// One object of no namespace.
pub(super) fn get(kind: Kind, name: &str) -> Result<Http, Error> {
    Request::new(path(kind)).get(name, &GetParams::default())
}

/// A new object of no namespace.
pub(super) fn create(kind: Kind, object: &Value) -> Result<Http, Error> {
    Request::new(path(kind)).create(&post(), object.to_string().into_bytes())
}

/// Another in the place of the one with the `resourceVersion` that `object` names.
pub(super) fn replace(kind: Kind, name: &str, object: &Value) -> Result<Http, Error> {
    Request::new(path(kind)).replace(name, &post(), object.to_string().into_bytes())
}

/// The status of the one with the `resourceVersion` that `object` names.
pub(super) fn replace_status(kind: Kind, name: &str, object: &Value) -> Result<Http, Error> {
    Request::new(path(kind)).replace_subresource("status", name, &post(), object.to_string().into_bytes())
}

/// Deletes an object if it still is the one with this UID.
pub(super) fn delete(kind: Kind, name: &str, uid: &str) -> Result<Http, Error> {
    let exactly = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
    Request::new(path(kind)).delete(name, &DeleteParams::default().preconditions(exactly))
}

fn post() -> PostParams {
    PostParams { dry_run: false, field_manager: Some("ringfence".to_owned()) }
}
