//! What keeps the API server from being heard: one problem for all kinds that fail in the same way.
use super::error::ApiError;
use crate::model::{ObjectName, Problem};
use crate::watch::{Batch, Kind, Update};
use std::collections::BTreeMap;
use tokio::sync::{Mutex, mpsc};

/// Troubles by kind.
#[derive(Debug)]
pub(super) struct Health {
    server: String,
    updates: mpsc::Sender<Batch>,
    troubles: Mutex<BTreeMap<Kind, String>>,
}

/// Nobody listens any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Closed;

impl Health {
    pub(super) fn new(server: &str, updates: mpsc::Sender<Batch>) -> Self {
        Self { server: server.to_owned(), updates, troubles: Mutex::default() }
    }

    /// Notes how the watch of a kind fares.
    pub(super) async fn note(&self, kind: Kind, result: Result<(), &ApiError>) -> Result<(), Closed> {
        // Held while it is said, lest an older word comes after a newer one.
        let mut troubles = self.troubles.lock().await;
        let before = match result {
            Ok(()) => troubles.remove(&kind),
            Err(error) => troubles.insert(kind, error.cause()),
        };
        if before.as_deref() == troubles.get(&kind).map(String::as_str) {
            return Ok(());
        }
        let problems = problems(&self.server, &troubles);
        self.updates.send(vec![Update::Source { problems }]).await.map_err(|_| Closed)
    }
}

fn problems(server: &str, troubles: &BTreeMap<Kind, String>) -> Vec<Problem> {
    let mut alike: BTreeMap<&str, Vec<Kind>> = BTreeMap::new();
    for (kind, trouble) in troubles {
        alike.entry(trouble).or_default().push(*kind);
    }
    let problem = |(trouble, kinds): (&str, Vec<Kind>)| {
        let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        let all = kinds.len() == Kind::ALL.len();
        Problem {
            source: server.to_owned(),
            kind: "API server".to_owned(),
            object: ObjectName::new("", if all { "all kinds".to_owned() } else { kinds.join(", ") }),
            field: ".".to_owned(),
            message: format!("cannot be listed or watched: {trouble}; what was known stays enforced"),
        }
    };
    alike.into_iter().map(problem).collect()
}
