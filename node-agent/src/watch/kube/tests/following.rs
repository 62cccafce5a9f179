use super::super::{Fallback, follow, request};
use super::fake::Fake;
use crate::desired::{Index, Snapshot};
use crate::model::ObjectName;
use crate::watch::{Batch, Kind, Object, Update, decode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Longer than anything takes on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn pod(name: &str, app: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "default", "uid": name, "labels": {"app": app}},
        "spec": {"nodeName": "n1", "containers": [{"name": "c"}]},
        "status": {"phase": "Running", "podIPs": [{"ip": "10.1.0.5"}]},
    })
}

struct Agent {
    fake: Fake,
    updates: mpsc::Receiver<Batch>,
    index: Index,
    /// Everything that was ever said.
    said: Vec<Update>,
    stop: CancellationToken,
}

impl Agent {
    fn start(fake: &Fake) -> Self {
        Self::start_from(fake, None)
    }

    fn start_from(fake: &Fake, fallback: Option<Fallback>) -> Self {
        let (send, updates) = mpsc::channel(16);
        let stop = CancellationToken::new();
        tokio::spawn(follow(fake.server(), send, fallback, stop.clone()));
        Self { fake: fake.clone(), updates, index: Index::default(), said: Vec::new(), stop }
    }

    /// Listens until the world is as wanted.
    async fn until(&mut self, what: &str, wanted: impl Fn(&mut Self) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !wanted(self) {
            let batch = tokio::time::timeout_at(deadline, self.updates.recv()).await;
            let batch = batch.unwrap_or_else(|_| panic!("waited in vain until {what}")).unwrap();
            self.said.extend(batch.iter().cloned());
            self.index.apply_all(batch);
        }
    }

    async fn synced(fake: &Fake) -> Self {
        let mut agent = Self::start(fake);
        agent.until("every kind has synced", |agent| agent.index.waiting_for().is_empty()).await;
        agent
    }

    fn snapshot(&mut self) -> Arc<Snapshot> {
        self.index.snapshot().unwrap()
    }

    fn app(&mut self, name: &str) -> Option<String> {
        let pods = self.snapshot().pods.clone();
        pods.get(&ObjectName::new("default", name)).map(|pod| pod.labels["app"].clone())
    }

    fn lists(&self) -> usize {
        self.fake.count(&format!("GET {}?&limit", pods())) + self.fake.count(&format!("GET {}?limit", pods()))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn pods() -> String {
    request::path(Kind::Pod)
}

#[tokio::test]
async fn nothing_is_known_before_every_kind_was_listed_whole() {
    let fake = Fake::default();
    for number in 0..600 {
        fake.put(&pods(), pod(&format!("web-{number}"), "web"));
    }
    fake.forbid(Some(&request::path(Kind::RingfenceRevocation)));
    let mut agent = Agent::start(&fake);
    agent
        .until("all but one kind have synced", |agent| {
            agent.index.waiting_for() == [Kind::RingfenceRevocation] && !agent.index.problems().is_empty()
        })
        .await;
    assert!(agent.index.snapshot().is_none());
    let problem = agent.index.problems()[0].to_string();
    assert!(problem.contains("RingfenceRevocation") && problem.contains("manifests/rbac"), "{problem}");
    fake.forbid(None);
    agent.until("the last kind has synced", |agent| agent.index.waiting_for().is_empty()).await;
    assert_eq!(agent.snapshot().pods.len(), 600);
    assert!(agent.lists() >= 3, "600 pods are more than a page or two");
    agent.until("the problem is gone", |agent| agent.index.problems().is_empty()).await;
}

#[tokio::test]
async fn what_happens_to_objects_is_heard() {
    let fake = Fake::default();
    fake.put(&pods(), pod("web", "old"));
    let mut agent = Agent::synced(&fake).await;
    fake.put(&pods(), pod("web", "new"));
    fake.put(&pods(), pod("other", "other"));
    agent
        .until("both are heard", |a| a.app("web").as_deref() == Some("new") && a.app("other").is_some())
        .await;
    fake.delete(&pods(), "web");
    agent.until("it is gone", |agent| agent.app("web").is_none()).await;
    assert!(agent.app("other").is_some());
}

#[tokio::test]
async fn a_watch_that_fell_behind_is_a_new_list_that_changes_nothing_but_what_has_changed() {
    let fake = Fake::default();
    for name in ["stays", "goes", "changes"] {
        fake.put(&pods(), pod(name, "old"));
    }
    let mut agent = Agent::synced(&fake).await;
    let before = agent.snapshot();
    agent.said.clear();
    fake.away(true);
    fake.delete(&pods(), "goes");
    fake.put(&pods(), pod("changes", "new"));
    fake.compact();
    fake.away(false);
    agent.until("the change is heard", |agent| agent.app("changes").as_deref() == Some("new")).await;
    agent.until("it is gone", |agent| agent.app("goes").is_none()).await;
    let after = agent.snapshot();
    let stays = ObjectName::new("default", "stays");
    assert!(Arc::ptr_eq(&before.pods[&stays], &after.pods[&stays]), "it was not even taken anew");
    assert!(Arc::ptr_eq(&before.nodes, &after.nodes), "nor what nobody changed");
    let order: Vec<&Update> = agent
        .said
        .iter()
        .filter(|update| match update {
            Update::Restarted(kind) | Update::Synced(kind) | Update::Deleted { kind, .. } => {
                *kind == Kind::Pod
            }
            _ => false,
        })
        .collect();
    assert!(
        matches!(order[..], [Update::Restarted(_), Update::Synced(_)]),
        "what is gone goes at the end of the list, by not having been named: {order:?}"
    );
}

#[tokio::test]
async fn without_the_api_server_all_stays_as_it_was_and_status_says_so() {
    let fake = Fake::default();
    fake.put(&pods(), pod("web", "old"));
    let mut agent = Agent::synced(&fake).await;
    let lists = agent.lists();
    fake.away(true);
    agent
        .until("it is noticed for every kind", |agent| {
            agent.index.problems().first().is_some_and(|problem| problem.to_string().contains("all kinds"))
        })
        .await;
    let problems = agent.index.problems();
    assert_eq!(problems.len(), 1, "one trouble is one problem: {problems:?}");
    assert!(problems[0].to_string().contains("https://api.test"));
    assert_eq!(agent.app("web").as_deref(), Some("old"));
    fake.put(&pods(), pod("web", "new"));
    fake.away(false);
    agent.until("it goes on", |agent| agent.app("web").as_deref() == Some("new")).await;
    agent.until("nothing is wrong any more", |agent| agent.index.problems().is_empty()).await;
    assert_eq!(agent.lists(), lists, "it went on from where it was, without a list");
}

#[tokio::test]
async fn an_agent_whose_rights_were_taken_says_which_and_keeps_what_it_knows() {
    let fake = Fake::default();
    fake.put(&pods(), pod("web", "old"));
    let mut agent = Agent::synced(&fake).await;
    fake.forbid(Some(&pods()));
    fake.away(false);
    agent.until("it is said", |agent| !agent.index.problems().is_empty()).await;
    let problem = agent.index.problems()[0].to_string();
    assert!(problem.contains("Pod") && problem.contains("manifests/rbac"), "{problem}");
    assert_eq!(agent.app("web").as_deref(), Some("old"));
}

/// What was known of a pod once.
fn once(name: &str, after: Duration) -> Option<Fallback> {
    let Some(Update::Applied { object, .. }) = decode(Kind::Pod, &pod(name, "once"), "api") else { panic!() };
    let objects: Vec<Object> = vec![object];
    Some(Fallback { objects, after })
}

#[tokio::test]
async fn without_word_of_the_api_server_it_starts_from_what_was_known_once() {
    let fake = Fake::default();
    fake.put(&pods(), pod("web", "now"));
    fake.away(true);
    let mut agent = Agent::start_from(&fake, once("former", Duration::from_millis(50)));
    agent.until("something is known", |agent| agent.index.waiting_for().is_empty()).await;
    assert_eq!(agent.app("former").as_deref(), Some("once"));
    agent.until("it is said that this is all", |agent| !agent.index.problems().is_empty()).await;
    fake.away(false);
    agent.until("the API server is heard", |agent| agent.app("web").is_some()).await;
    agent.until("what is no more is gone", |agent| agent.app("former").is_none()).await;
}

#[tokio::test]
async fn what_was_known_once_is_nothing_beside_what_the_api_server_says() {
    let fake = Fake::default();
    fake.put(&pods(), pod("web", "now"));
    fake.forbid(Some(&request::path(Kind::RingfenceMesh)));
    let mut agent = Agent::start_from(&fake, once("former", Duration::from_millis(300)));
    agent.until("all but one kind have synced", |agent| agent.index.waiting_for().len() == 1).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    fake.forbid(None);
    agent.until("all have", |agent| agent.index.waiting_for().is_empty()).await;
    assert!(agent.app("web").is_some() && agent.app("former").is_none());
}
