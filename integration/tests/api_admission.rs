//! Who may write what of ringfence.dev: schema, roles and admission policies, against a real API server.
use anyhow::{Result, ensure};
use ringfence_integration::api::ApiServer;
use serde_json::{Value, json};

const KEYS: [&str; 2] =
    ["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="];

fn node(name: &str, uid: &str) -> Value {
    json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "RingfenceNode", "metadata": {"name": name}, "spec": {
        "nodeUID": uid, "epoch": 4, "endpoints": ["192.0.2.7", "2001:db8::7"], "serial": 1, "planes": [
            {"plane": "rf-wg0", "publicKey": KEYS[0], "epoch": 4, "port": 51871},
            {"plane": "rf-wg1", "publicKey": KEYS[1], "epoch": 5, "port": 51872, "leaving": true}],
        "outdated": {"n9": 7}, "audit": {"number": 3, "hash": "0".repeat(64)}}})
}

fn mesh(epoch: u64) -> Value {
    json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "RingfenceMesh", "metadata": {"name": "mesh"},
           "spec": {"epoch": epoch, "since": 1}})
}

fn revocation(number: u64, revoked: bool) -> Value {
    json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "RingfenceRevocation", "metadata": {"name": "n2"},
           "spec": {"nodeUID": "u2", "number": number, "revoked": revoked}})
}

struct Asked<'a>(&'a ApiServer);

impl Asked<'_> {
    fn write(&self, user: &str, verb: &str, object: &Value) -> Result<String> {
        self.0.kubectl(user, &[verb, "-f", "-"], &object.to_string())
    }

    fn may(&self, user: &str, verb: &str, object: &Value) -> Result<()> {
        self.write(user, verb, object).map(drop)
    }

    /// It is refused, for this reason.
    fn must_not(&self, user: &str, verb: &str, object: &Value, why: &str) -> Result<()> {
        refused(self.write(user, verb, object), why, &format!("{user} {verb} {object}"))
    }
}

fn refused(done: Result<String>, why: &str, what: &str) -> Result<()> {
    match done {
        Ok(said) => anyhow::bail!("{what}: allowed: {said}"),
        Err(error) => {
            let said = format!("{error:#}");
            ensure!(said.contains(why), "{what}: refused, but not because of {why:?}: {said}");
            Ok(())
        }
    }
}

/// The sample with another value in one of its fields.
fn changed(mut object: Value, field: &str, value: Value) -> Value {
    let place = object.pointer_mut(field);
    assert!(place.is_some(), "the sample has no {field}");
    place.into_iter().for_each(|place| *place = value.clone());
    object
}

#[test]
fn an_agent_writes_the_object_of_its_own_node_and_nothing_else() -> Result<()> {
    let api = ApiServer::start("admission")?;
    let uid = api.agent("n1", "192.0.2.7", "10.1.0.0/24")?;
    let other = api.agent("n2", "192.0.2.8", "10.2.0.0/24")?;
    api.user("unbound", "ringfence", &[])?;
    api.kubectl("admin", &["-n", "ringfence-system", "create", "serviceaccount", "stranger"], "")?;
    api.user("stranger", "stranger", &[])?;
    let grant = [
        "create",
        "clusterrolebinding",
        "stranger",
        "--clusterrole=cluster-admin",
        "--serviceaccount=ringfence-system:stranger",
    ];
    let ask = Asked(&api);

    let mine = node("n1", &uid);
    ask.must_not(
        "agent-n1",
        "create",
        &node("n2", &other),
        "the agent of node n1 cannot write the RingfenceNode of n2",
    )?;
    ask.must_not("agent-n1", "create", &node("n1", &other), "spec.nodeUID is not that of the Node")?;
    ask.must_not("unbound", "create", &mine, "does not say on which node it is used")?;
    ask.must_not("stranger", "create", &mine, "cannot create resource")?;
    ask.must_not("admin", "create", &mine, "written by its agent alone")?;
    ask.may("agent-n1", "create", &mine)?;
    ask.may("agent-n1", "replace", &changed(mine.clone(), "/spec/serial", json!(2)))?;
    ask.must_not("agent-n1", "replace", &changed(mine.clone(), "/spec/nodeUID", json!(other)), "nodeUID")?;
    ask.must_not("agent-n2", "replace", &mine, "the agent of node n2 cannot write")?;
    ask.must_not("unbound", "replace", &mine, "does not say on which node it is used")?;
    ask.must_not(
        "admin",
        "replace",
        &changed(mine.clone(), "/spec/serial", json!(9)),
        "written by its agent alone",
    )?;
    api.kubectl("admin", &["label", "ringfencenode", "n1", "rack=7"], "")?;
    let delete = |user: &str, name: &str| api.kubectl(user, &["delete", "ringfencenode", name], "");
    refused(delete("agent-n2", "n1"), "the agent of node n2 cannot write", "deleting another's")?;
    refused(delete("unbound", "n1"), "does not say on which node it is used", "deleting unbound")?;
    refused(delete("stranger", "n1"), "cannot delete", "deleting as a stranger")?;
    let status = |user: &str| {
        let mut object = mine.clone();
        let version = ["get", "ringfencenode", "n1", "-o", "jsonpath={.metadata.resourceVersion}"];
        object["metadata"]["resourceVersion"] = json!(api.kubectl("admin", &version, "")?);
        object["status"] = json!({"wireguard": "kernel", "problems": 2});
        api.kubectl(user, &["replace", "--subresource=status", "-f", "-"], &object.to_string())
    };
    status("agent-n1")?;
    refused(status("agent-n2"), "the agent of node n2 cannot write", "another's status")?;
    refused(status("unbound"), "does not say on which node it is used", "a status, unbound")?;
    refused(status("admin"), "written by its agent alone", "a status as administrator")?;
    let shown = api.kubectl("admin", &["get", "ringfencenode", "n1"], "")?;
    ensure!(shown.contains("kernel"), "{shown}");
    // Even with every role there is, a service account that is no agent's publishes nothing, and an agent no more.
    api.kubectl("admin", &grant, "")?;
    ask.must_not(
        "stranger",
        "replace",
        &changed(mine.clone(), "/spec/serial", json!(9)),
        "written by its agent alone",
    )?;
    delete("agent-n1", "n1")?;
    ask.may("agent-n1", "create", &mine)?;

    // The mesh's epoch.
    ask.must_not("unbound", "create", &mesh(1), "does not say on which node it is used")?;
    ask.must_not("agent-n1", "create", &mesh(1 << 40), "by at most")?;
    ask.may("agent-n1", "create", &mesh(1))?;
    ask.may("agent-n2", "replace", &mesh(2))?;
    ask.must_not("agent-n1", "replace", &mesh(2), "agents raise")?;
    ask.must_not("agent-n1", "replace", &mesh(1), "")?;
    ask.must_not("agent-n1", "replace", &mesh(1 << 40), "by at most")?;
    refused(
        api.kubectl("agent-n1", &["delete", "ringfencemesh", "mesh"], ""),
        "cannot delete",
        "deleting the mesh",
    )?;

    // What people say, and the rest of the cluster.
    ask.must_not("agent-n1", "create", &revocation(1, true), "cannot create")?;
    let all = [
        "create",
        "clusterrolebinding",
        "agents",
        "--clusterrole=cluster-admin",
        "--serviceaccount=ringfence-system:ringfence",
    ];
    for (verb, what) in [
        ("update", "nodes"),
        ("patch", "pods"),
        ("create", "pods"),
        ("get", "secrets"),
        ("list", "secrets"),
        ("update", "ringfencerotations.ringfence.dev"),
        ("delete", "ringfencerevocations.ringfence.dev"),
        ("deletecollection", "ringfencenodes.ringfence.dev"),
        ("get", "pods"),
        ("update", "nodes/status"),
    ] {
        let can = api.kubectl("agent-n1", &["auth", "can-i", verb, what, "--all-namespaces"], "");
        ensure!(can.is_err(), "an agent may {verb} {what}");
    }
    api.kubectl("admin", &all, "")?;
    ask.must_not(
        "agent-n1",
        "create",
        &revocation(1, true),
        "agents write of these objects but the mesh's epoch",
    )?;
    refused(
        api.kubectl("agent-n1", &["delete", "ringfencemesh", "mesh"], ""),
        "agents write of these objects but the mesh's epoch",
        "deleting the mesh with every role",
    )?;
    refused(
        delete("agent-n2", "n1"),
        "the agent of node n2 cannot write",
        "deleting another's with every role",
    )?;
    refused(status("agent-n2"), "the agent of node n2 cannot write", "another's status with every role")
}

#[test]
fn what_is_no_publication_is_refused_by_its_schema() -> Result<()> {
    let api = ApiServer::start("schema")?;
    let uid = api.agent("n1", "192.0.2.7", "10.1.0.0/24")?;
    let ask = Asked(&api);
    let good = node("n1", &uid);
    for (field, value) in [
        ("/spec/epoch", json!(-1)),
        ("/spec/endpoints", json!([])),
        ("/spec/endpoints/0", json!("not an address")),
        ("/spec/endpoints/1", json!("192.0.2.7")),
        ("/spec/planes/0/publicKey", json!("short")),
        ("/spec/planes/1/publicKey", json!(KEYS[0])),
        ("/spec/planes/1/plane", json!("rf-wg0")),
        ("/spec/planes/1/plane", json!("rf-wg2")),
        ("/spec/planes/1/epoch", json!(6)),
        ("/spec/planes/1/port", json!(51871)),
        ("/spec/planes/1/port", json!(65536)),
        ("/spec/nodeUID", json!("")),
        ("/spec/audit/hash", json!("zz")),
    ] {
        let bad = changed(good.clone(), field, value.clone());
        refused(ask.write("agent-n1", "create", &bad), "spec.", &format!("{field} = {value}"))?;
    }
    ask.may("agent-n1", "create", &good)?;
    let table = api.kubectl("admin", &["get", "ringfencenodes"], "")?;
    ensure!(table.contains("EPOCH") && table.contains("192.0.2.7"), "{table}");
    // The mesh, requests and revocations.
    ask.may("admin", "create", &mesh(5))?;
    ask.must_not("admin", "replace", &mesh(4), "an epoch never goes back")?;
    ask.must_not(
        "admin",
        "create",
        &changed(mesh(1), "/metadata/name", json!("another")),
        "its name is mesh",
    )?;
    ask.may("admin", "create", &revocation(1, true))?;
    ask.must_not("admin", "replace", &revocation(1, false), "a change needs a greater number")?;
    ask.may("admin", "replace", &revocation(2, false))?;
    let rotation = json!({"apiVersion": "ringfence.dev/v1alpha1", "kind": "RingfenceRotation", "metadata": {"name": "r"},
                          "spec": {"from": 1, "node": "n1", "fresh": true}});
    ask.must_not("admin", "create", &rotation, "leave fresh out")?;
    ask.may("admin", "create", &changed(rotation, "/spec/fresh", json!(false)))
}
