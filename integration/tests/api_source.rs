//! The API server as a source, with the rights that an agent has: a real kube-apiserver.
use anyhow::{Context, Result, ensure};
use ringfence::desired::{Index, Snapshot};
use ringfence::lab::patience;
use ringfence::model::{MeshEpoch, ObjectName};
use ringfence::watch::directory::Raised;
use ringfence::watch::kube::{Access, Server, follow, publish, raise};
use ringfence::watch::{Batch, Update};
use ringfence_integration::api::ApiServer;
use ringfence_keyring::{Epoch, PerPlane, Plane, PublicKey, Publication, PublishedPlane};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

const OBJECTS: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {nodeName: n1, containers: [{name: web, image: web, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, clusterIP: 10.96.0.9, ports: [{port: 80, targetPort: http}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.1.0.5], nodeName: n1, conditions: {ready: true}}]
ports: [{name: "", port: 8080, protocol: TCP}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {}}], ports: [{port: http}]}]}
"#;

const STATUS: &str =
    r#"{"status": {"phase": "Running", "podIP": "10.1.0.5", "podIPs": [{"ip": "10.1.0.5"}]}}"#;

/// What an agent on n1 knows.
struct Agent {
    server: Server,
    updates: mpsc::Receiver<Batch>,
    index: Index,
    said: Vec<Update>,
    stop: CancellationToken,
}

impl Agent {
    async fn start(api: &ApiServer) -> Result<Self> {
        let access = Access { kubeconfig: Some(api.kubeconfig()), context: Some("agent-n1".to_owned()) };
        let server = access.server().await?;
        let (send, updates) = mpsc::channel(16);
        let stop = CancellationToken::new();
        tokio::spawn(follow(server.clone(), send, None, stop.clone()));
        Ok(Self { server, updates, index: Index::default(), said: Vec::new(), stop })
    }

    async fn until(&mut self, what: &str, wanted: impl Fn(&mut Self) -> bool) -> Result<()> {
        let deadline = Instant::now() + patience(Duration::from_secs(60));
        while !wanted(self) {
            let batch = timeout_at(deadline, self.updates.recv()).await;
            let batch = batch.map_err(|_| {
                let (missing, problems) = (self.index.waiting_for(), self.index.problems());
                anyhow::anyhow!(
                    "waited in vain until {what}; not synced: {missing:?}; problems: {problems:?}"
                )
            })?;
            let batch = batch.context("the source has ended")?;
            self.said.extend(batch.iter().cloned());
            self.index.apply_all(batch);
        }
        Ok(())
    }

    fn snapshot(&mut self) -> Result<Arc<Snapshot>> {
        self.index.snapshot().context("not every kind has synced")
    }

    fn label(&mut self, pod: &str) -> Option<String> {
        let snapshot = self.index.snapshot()?;
        snapshot.pods.get(&ObjectName::new("shop", pod))?.labels.get("app").cloned()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Runs on a thread in the API server's namespace. What the test does to the API server itself it does by `ask`.
fn inside<T: Send + 'static>(
    api: ApiServer,
    test: impl AsyncFnOnce(ApiServer) -> Result<T> + Send + 'static,
) -> Result<T> {
    let path = format!("/proc/{}/ns/net", api.namespace().pid());
    let net = std::fs::File::open(&path).context(path)?;
    let thread = std::thread::spawn(move || {
        nix::sched::setns(&net, nix::sched::CloneFlags::CLONE_NEWNET)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(test(api))
    });
    thread.join().map_err(|_| anyhow::anyhow!("the test panicked"))?
}

fn publication(uid: &str, serial_key: u8) -> Result<Publication> {
    let planes = PerPlane::try_from_fn(|plane| {
        let one = plane == Plane::One;
        anyhow::Ok(PublishedPlane {
            public_key: PublicKey::from_bytes([serial_key + u8::from(one); 32])?,
            epoch: Epoch::new(u64::from(one))?,
            port: if one { 51872 } else { 51871 },
        })
    })?;
    Ok(Publication::new("n1", uid, Epoch::ZERO, planes, &["192.0.2.7".parse()?])?)
}

#[test]
fn an_agent_hears_of_everything_with_no_more_than_its_own_rights() -> Result<()> {
    let api = ApiServer::start("source")?;
    let uid = api.agent("n1", "192.0.2.7", "10.1.0.0/24")?;
    api.kubectl("admin", &["apply", "-f", "-"], OBJECTS)?;
    api.kubectl(
        "admin",
        &["-n", "shop", "patch", "pod", "web", "--subresource=status", "--type=merge", "-p", STATUS],
        "",
    )?;
    inside(api, async move |api| {
        let mut agent = Agent::start(&api).await?;
        agent.until("every kind has synced", |agent| agent.index.waiting_for().is_empty()).await?;
        ensure!(agent.index.problems().is_empty(), "{:?}", agent.index.problems());
        let known = agent.snapshot()?;
        let web = ObjectName::new("shop", "web");
        let pod = known.pods.get(&web).context("the pod")?;
        ensure!(
            pod.node.as_deref() == Some("n1") && pod.ports[0].port == 8080 && !pod.uid.is_empty(),
            "{pod:?}"
        );
        ensure!(pod.addresses == ["10.1.0.5".parse::<std::net::IpAddr>()?], "{pod:?}");
        ensure!(known.nodes["n1"].uid == uid, "{:?}", known.nodes["n1"]);
        ensure!(known.nodes["n1"].addresses == ["192.0.2.7".parse::<std::net::IpAddr>()?]);
        ensure!(known.namespaces["shop"].labels["team"] == "a");
        ensure!(known.services[&web].cluster_ips.len() == 1, "{:?}", known.services[&web]);
        ensure!(known.slices[&ObjectName::new("shop", "web-1")].service == "web");
        ensure!(known.policies[&web].ingress.as_ref().is_some_and(|rules| rules.len() == 1));

        // What changes is heard: a label, an end, a deletion.
        api.kubectl("admin", &["-n", "shop", "label", "pod", "web", "--overwrite", "app=new"], "")?;
        agent.until("the label is heard", |agent| agent.label("web").as_deref() == Some("new")).await?;
        let done = r#"{"status": {"phase": "Succeeded"}}"#;
        api.kubectl(
            "admin",
            &["-n", "shop", "patch", "pod", "web", "--subresource=status", "--type=merge", "-p", done],
            "",
        )?;
        agent.until("the pod has finished", |agent| agent.label("web").is_none()).await?;
        api.kubectl("admin", &["-n", "shop", "delete", "networkpolicy", "web"], "")?;
        agent
            .until("the policy is gone", |agent| {
                agent.index.snapshot().is_some_and(|s| s.policies.is_empty())
            })
            .await?;

        // What an agent publishes comes back as it was said.
        let mine = publication(&uid, 1)?;
        publish(&agent.server, &mine).await?;
        publish(&agent.server, &mine).await?;
        agent
            .until("the publication is heard", |a| {
                a.index.snapshot().is_some_and(|s| s.publications.contains_key("n1"))
            })
            .await?;
        ensure!(*agent.snapshot()?.publications["n1"] == mine);
        let next = publication(&uid, 7)?;
        publish(&agent.server, &next).await?;
        agent
            .until("the next one is heard", |a| {
                a.index.snapshot().is_some_and(|s| *s.publications["n1"] == next)
            })
            .await?;
        let to = |epoch| -> Result<MeshEpoch> { Ok(MeshEpoch { epoch: Epoch::new(epoch)?, since: 7 }) };
        ensure!(raise(&agent.server, Epoch::ZERO, to(1)?).await? == Raised::Done);
        ensure!(raise(&agent.server, Epoch::ZERO, to(1)?).await? == Raised::Names(Epoch::new(1)?));
        ensure!(raise(&agent.server, Epoch::new(1)?, to(2)?).await? == Raised::Done);
        agent
            .until("the epoch is heard", |a| {
                a.index.snapshot().is_some_and(|s| s.mesh_epoch().epoch.get() == 2)
            })
            .await
    })
}

#[test]
fn an_api_server_that_was_away_changes_nothing_but_what_has_changed() -> Result<()> {
    let api = ApiServer::start("away")?;
    api.agent("n1", "192.0.2.7", "10.1.0.0/24")?;
    api.kubectl("admin", &["apply", "-f", "-"], OBJECTS)?;
    inside(api, async move |mut api| {
        let mut agent = Agent::start(&api).await?;
        agent.until("every kind has synced", |agent| agent.index.waiting_for().is_empty()).await?;
        let before = agent.snapshot()?;
        agent.said.clear();
        api.stop()?;
        agent
            .until("it is said of all kinds", |agent| {
                agent
                    .index
                    .problems()
                    .first()
                    .is_some_and(|problem| problem.to_string().contains("all kinds"))
            })
            .await?;
        ensure!(Arc::ptr_eq(&before.pods, &agent.snapshot()?.pods), "it forgot pods");
        // A new server process remembers no events, so watches begin anew.
        api.resume()?;
        api.kubectl("admin", &["-n", "shop", "label", "pod", "web", "--overwrite", "app=new"], "")?;
        agent.until("what changed is heard", |agent| agent.label("web").as_deref() == Some("new")).await?;
        agent.until("nothing is wrong any more", |agent| agent.index.problems().is_empty()).await?;
        let after = agent.snapshot()?;
        for (name, same) in [
            ("nodes", Arc::ptr_eq(&before.nodes, &after.nodes)),
            ("policies", Arc::ptr_eq(&before.policies, &after.policies)),
            ("services", Arc::ptr_eq(&before.services, &after.services)),
            ("namespaces", Arc::ptr_eq(&before.namespaces, &after.namespaces)),
        ] {
            ensure!(same, "{name} were taken anew");
        }
        let deleted = agent.said.iter().find(|update| matches!(update, Update::Deleted { .. }));
        ensure!(deleted.is_none(), "{deleted:?}");
        Ok(())
    })
}
