//! An API server made of a function: lists in pages, watches from a version, writes by resourceVersion; it can be away, and
//! forget what was before.
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// What it knows, by the path of a kind and the name of an object.
#[derive(Default)]
pub(super) struct State {
    objects: BTreeMap<(String, String), Value>,
    log: Vec<(u64, String, Value)>,
    version: u64,
    compacted: u64,
    watches: Vec<(String, mpsc::UnboundedSender<Bytes>)>,
    away: bool,
    forbidden: Option<String>,
    /// Methods and paths with queries, in order.
    pub(super) requests: Vec<String>,
}

#[derive(Clone, Default)]
pub(super) struct Fake(pub(super) Arc<Mutex<State>>);

type Answer = (u16, Value);

impl Fake {
    pub(super) fn server(&self) -> super::super::Server {
        let fake = self.clone();
        let service = tower::service_fn(move |request| fake.clone().answer(request));
        super::super::Server::new(Client::new(service, "default"), "https://api.test")
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// An object is there, or is now like this.
    pub(super) fn put(&self, path: &str, object: Value) {
        self.state().put(path, object);
    }

    pub(super) fn delete(&self, path: &str, name: &str) {
        self.state().delete(path, name);
    }

    /// The server goes away, or comes back.
    pub(super) fn away(&self, away: bool) {
        let mut state = self.state();
        state.away = away;
        state.watches.clear();
    }

    /// What was before is forgotten, and every watch ends.
    pub(super) fn compact(&self) {
        let mut state = self.state();
        state.compacted = state.version;
        state.log.clear();
        state.watches.clear();
    }

    /// Nobody may see objects at this path any more.
    pub(super) fn forbid(&self, path: Option<&str>) {
        self.state().forbidden = path.map(str::to_owned);
    }

    pub(super) fn get(&self, path: &str, name: &str) -> Option<Value> {
        self.state().objects.get(&(path.to_owned(), name.to_owned())).cloned()
    }

    /// How many requests of this beginning were made.
    pub(super) fn count(&self, beginning: &str) -> usize {
        self.state().requests.iter().filter(|request| request.starts_with(beginning)).count()
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Stream>, std::io::Error> {
        let (method, uri) = (request.method().to_string(), request.uri().clone());
        let body = read(request.into_body()).await;
        let mut state = self.state();
        if state.away {
            return Err(std::io::ErrorKind::ConnectionRefused.into());
        }
        state.requests.push(format!("{method} {uri}"));
        let query: BTreeMap<&str, &str> =
            uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('=')).collect();
        if state.forbidden.as_deref() == Some(uri.path()) {
            return Ok(reply(refusal(403, "Forbidden", "not allowed")));
        }
        if query.get("watch") == Some(&"true") {
            let from = query["resourceVersion"].parse().unwrap();
            return Ok(state.watch(uri.path(), from));
        }
        let answer = match method.as_str() {
            "GET" if uri.query().is_some() => state.list(uri.path(), &query),
            "GET" => state.one(uri.path()),
            "POST" => state.create(uri.path(), body),
            "PUT" if uri.path().ends_with("/status") => state.replace_status(uri.path(), body),
            "PUT" => state.replace(uri.path(), body),
            _ => state.remove(uri.path()),
        };
        Ok(reply(answer))
    }
}

impl State {
    fn put(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let known = self.objects.insert((path.to_owned(), name), object.clone()).is_some();
        self.say(path, if known { "MODIFIED" } else { "ADDED" }, &object);
        object
    }

    fn delete(&mut self, path: &str, name: &str) {
        let mut object = self.objects.remove(&(path.to_owned(), name.to_owned())).unwrap();
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.say(path, "DELETED", &object);
    }

    fn say(&mut self, path: &str, what: &str, object: &Value) {
        let event = json!({"type": what, "object": object});
        self.log.push((self.version, path.to_owned(), event.clone()));
        let text = Bytes::from(format!("{event}\n"));
        self.watches.retain(|(at, watch)| at != path || watch.send(text.clone()).is_ok());
    }

    fn list(&self, path: &str, query: &BTreeMap<&str, &str>) -> Answer {
        let start: usize = query.get("continue").map_or(0, |token| token.parse().unwrap());
        let limit: usize = query["limit"].parse().unwrap();
        let all: Vec<&Value> =
            self.objects.iter().filter(|((at, _), _)| at == path).map(|(_, object)| object).collect();
        let items: Vec<&Value> = all.iter().skip(start).take(limit).copied().collect();
        let more = (start + items.len() < all.len()).then(|| (start + items.len()).to_string());
        let meta = json!({"resourceVersion": self.version.to_string(), "continue": more});
        (200, json!({"kind": "List", "apiVersion": "v1", "metadata": meta, "items": items}))
    }

    fn watch(&mut self, path: &str, from: u64) -> Response<Stream> {
        let (send, receive) = mpsc::unbounded_channel();
        if from < self.compacted {
            let (_, status) = refusal(410, "Expired", "too old resource version");
            send.send(Bytes::from(format!("{}\n", json!({"type": "ERROR", "object": status})))).unwrap();
        } else {
            for (_, _, event) in self.log.iter().filter(|(at, of, _)| *at > from && of == path) {
                send.send(Bytes::from(format!("{event}\n"))).unwrap();
            }
            self.watches.push((path.to_owned(), send));
        }
        Response::new(Stream(receive))
    }

    fn one(&self, path: &str) -> Answer {
        let (kind, name) = path.rsplit_once('/').unwrap();
        let found = self.objects.get(&(kind.to_owned(), name.to_owned()));
        found.map_or_else(|| refusal(404, "NotFound", "no such object"), |object| (200, object.clone()))
    }

    fn create(&mut self, path: &str, mut object: Value) -> Answer {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        if self.objects.contains_key(&(path.to_owned(), name)) {
            return refusal(409, "AlreadyExists", "it is there");
        }
        object["metadata"]["uid"] = json!(format!("made-{}", self.version));
        (201, self.put(path, object))
    }

    fn replace(&mut self, path: &str, object: Value) -> Answer {
        let (kind, name) = path.rsplit_once('/').unwrap();
        match self.objects.get(&(kind.to_owned(), name.to_owned())) {
            None => refusal(404, "NotFound", "no such object"),
            Some(there) if there["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"] => {
                refusal(409, "Conflict", "it has changed")
            }
            Some(_) => (200, self.put(kind, object)),
        }
    }

    /// Of what is written here only the status counts.
    fn replace_status(&mut self, path: &str, object: Value) -> Answer {
        let path = path.trim_end_matches("/status");
        let (_, mut wanted) = self.one(path);
        wanted["status"] = object["status"].clone();
        wanted["metadata"]["resourceVersion"] = object["metadata"]["resourceVersion"].clone();
        self.replace(path, wanted)
    }

    fn remove(&mut self, path: &str) -> Answer {
        let (kind, name) = path.rsplit_once('/').unwrap();
        self.delete(kind, name);
        (200, json!({"kind": "Status", "status": "Success"}))
    }
}

fn refusal(code: u16, reason: &str, message: &str) -> Answer {
    let details = json!({"name": "it"});
    let status =
        json!({"kind": "Status", "code": code, "reason": reason, "message": message, "details": details});
    (code, status)
}

fn reply((code, value): Answer) -> Response<Stream> {
    let (send, receive) = mpsc::unbounded_channel();
    send.send(Bytes::from(value.to_string())).unwrap();
    Response::builder().status(code).body(Stream(receive)).unwrap()
}

async fn read(mut body: Body) -> Value {
    let mut text = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        text.extend_from_slice(frame.unwrap().data_ref().unwrap());
    }
    serde_json::from_slice(&text).unwrap_or(Value::Null)
}

/// What is sent into a channel, until its sender is dropped.
pub(super) struct Stream(mpsc::UnboundedReceiver<Bytes>);

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
