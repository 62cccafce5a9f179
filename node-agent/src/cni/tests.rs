//! The plugin against an agent played by the test: what a runtime sees.
use super::{CniError, Environment, Tombstones, run};
use crate::control::{RefusalKind, Reply, Request};
use crate::model::ObjectName;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc;
use tempfile::TempDir;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn environment(command: &str) -> Vec<(String, String)> {
    [
        ("CNI_COMMAND", command),
        ("CNI_CONTAINERID", "c1"),
        ("CNI_IFNAME", "eth0"),
        ("CNI_NETNS", "/run/netns/c1"),
        ("CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=u-1"),
        ("CNI_PATH", "/opt/cni/bin"),
    ]
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .to_vec()
}

fn config(dir: &Path) -> Value {
    json!({
        "cniVersion": "1.0.0", "name": "ringfence", "type": "ringfence",
        "socket": dir.join("agent.sock"), "stateDir": dir, "deadlineSeconds": 1,
        "prevResult": {
            "cniVersion": "1.0.0",
            "interfaces": [
                {"name": "veth1", "mac": "aa:aa:aa:aa:aa:aa"},
                {"name": "eth0", "mac": "bb:bb:bb:bb:bb:bb", "sandbox": "/run/netns/c1"},
            ],
            "ips": [
                {"address": "10.1.0.2/24", "gateway": "10.1.0.1", "interface": 1},
                {"address": "fd00:1::2/64", "gateway": "fd00:1::1", "interface": 1},
            ],
            "dns": {"nameservers": ["10.96.0.10"]},
        },
    })
}

/// Runs the plugin; its exit code and what it printed.
fn plugin(vars: Vec<(String, String)>, config: &Value) -> Result<(u8, Value), serde_json::Error> {
    let mut out = Vec::new();
    let code = run(&Environment::from_iter(vars), config.to_string().as_bytes(), &mut out);
    let text = if out.is_empty() { Value::Null } else { serde_json::from_slice(&out)? };
    Ok((code, text))
}

/// An agent that answers one request with `reply`; what it was asked arrives at the receiver.
fn agent(dir: &TempDir, reply: Reply) -> Result<mpsc::Receiver<Request>, std::io::Error> {
    let listener = UnixListener::bind(dir.path().join("agent.sock"))?;
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let (mut stream, _) = listener.accept()?;
        let mut line = String::new();
        BufReader::new(stream.try_clone()?).read_line(&mut line)?;
        send.send(serde_json::from_str(&line)?)?;
        writeln!(stream, "{}", serde_json::to_string(&reply)?)?;
        Ok(())
    });
    Ok(receive)
}

#[test]
fn add_tells_the_agent_which_pod_has_which_device_and_passes_the_previous_result_on() -> Outcome {
    let dir = tempfile::tempdir()?;
    let asked = agent(&dir, Reply::Done)?;
    let config = config(dir.path());
    let (code, result) = plugin(environment("ADD"), &config)?;
    assert_eq!((code, &result), (0, &config["prevResult"]));
    let Request::CniAdd(request) = asked.recv()? else { return Err("not an ADD".into()) };
    assert_eq!((request.host_device.as_str(), request.pod), ("veth1", ObjectName::new("shop", "web")));
    assert_eq!((request.uid.as_deref(), request.addresses.len()), (Some("u-1"), 2));
    Ok(())
}

#[test]
fn add_fails_in_time_and_names_the_socket_when_the_agent_is_away() -> Outcome {
    let dir = tempfile::tempdir()?;
    let started = std::time::Instant::now();
    let (code, error) = plugin(environment("ADD"), &config(dir.path()))?;
    assert_eq!((code, &error["code"]), (1, &json!(CniError::TRY_LATER)));
    let details = error["details"].as_str().unwrap_or_default();
    assert!(details.contains("does not answer on") && details.contains("agent.sock"), "{details}");
    assert!(started.elapsed().as_secs() < 3);
    Ok(())
}

#[test]
fn add_fails_in_time_when_the_agent_takes_the_request_and_never_answers() -> Outcome {
    let dir = tempfile::tempdir()?;
    let _listener = UnixListener::bind(dir.path().join("agent.sock"))?;
    let started = std::time::Instant::now();
    let (code, error) = plugin(environment("ADD"), &config(dir.path()))?;
    assert_eq!(code, 1);
    assert!(error["details"].as_str().unwrap_or_default().contains("no reply within"), "{error}");
    assert!(started.elapsed().as_secs() < 4);
    Ok(())
}

#[test]
fn add_fails_with_the_agents_own_reason() -> Outcome {
    let dir = tempfile::tempdir()?;
    let message = "pod shop/web is not known".to_owned();
    let _asked = agent(&dir, Reply::Refused { kind: RefusalKind::TryLater, message: message.clone() })?;
    let (code, error) = plugin(environment("ADD"), &config(dir.path()))?;
    assert_eq!((code, &error["details"]), (1, &json!(message)));
    assert_eq!(error["cniVersion"], "1.0.0");
    Ok(())
}

#[test]
fn del_succeeds_while_the_agent_is_away_and_leaves_it_a_note() -> Outcome {
    let dir = tempfile::tempdir()?;
    assert_eq!(plugin(environment("DEL"), &config(dir.path()))?, (0, Value::Null));
    let notes = Tombstones::of(dir.path());
    let [sandbox] = &notes.all()?[..] else { return Err("no note".into()) };
    assert_eq!((sandbox.container_id.as_str(), sandbox.ifname.as_str()), ("c1", "eth0"));
    notes.clear(sandbox)?;
    assert!(notes.all()?.is_empty());
    Ok(())
}

#[test]
fn del_needs_neither_a_previous_result_nor_a_network_namespace() -> Outcome {
    let dir = tempfile::tempdir()?;
    let _asked = agent(&dir, Reply::Done)?;
    let mut config = config(dir.path());
    config["prevResult"] = Value::Null;
    let vars = environment("DEL").into_iter().filter(|(k, _)| k != "CNI_NETNS").collect();
    assert_eq!(plugin(vars, &config)?, (0, Value::Null));
    assert!(Tombstones::of(dir.path()).all()?.is_empty());
    Ok(())
}

#[test]
fn version_lists_what_is_spoken() -> Outcome {
    let (code, result) = plugin(environment("VERSION"), &json!({"cniVersion": "1.0.0"}))?;
    assert_eq!((code, &result["supportedVersions"]), (0, &json!(["1.0.0", "1.1.0"])));
    Ok(())
}

#[test]
fn gc_without_a_list_of_what_is_in_use_removes_nothing() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (code, error) = plugin(environment("GC"), &config(dir.path()))?;
    assert_eq!((code, &error["code"]), (1, &json!(CniError::CONFIG)));
    Ok(())
}

#[test]
fn gc_hands_over_what_is_in_use() -> Outcome {
    let dir = tempfile::tempdir()?;
    let asked = agent(&dir, Reply::Done)?;
    let mut config = config(dir.path());
    config["cniVersion"] = json!("1.1.0");
    config["cni.dev/valid-attachments"] = json!([{"containerID": "c9", "ifname": "eth0"}]);
    assert_eq!(plugin(environment("GC"), &config)?.0, 0);
    assert!(
        matches!(asked.recv()?, Request::CniGc { keep } if keep.len() == 1 && keep[0].container_id == "c9")
    );
    Ok(())
}

#[test]
fn status_says_that_pods_cannot_be_attached_while_the_agent_is_away() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (code, error) = plugin(environment("STATUS"), &config(dir.path()))?;
    assert_eq!((code, &error["code"]), (1, &json!(CniError::UNAVAILABLE)));
    Ok(())
}

#[test]
fn malformed_input_is_refused_with_the_codes_of_the_spec() -> Outcome {
    let dir = tempfile::tempdir()?;
    let good = config(dir.path());
    let with = |key: &str, value: Value| {
        let mut config = good.clone();
        config[key] = value;
        config
    };
    let vars = |key: &str, value: &str| {
        let mut vars = environment("ADD");
        vars.iter_mut().filter(|(k, _)| k == key).for_each(|(_, v)| *v = value.to_owned());
        vars
    };
    let bridge =
        json!({"interfaces": [{"name": "cni0"}, {"name": "veth1"}], "ips": [{"address": "10.1.0.2/24"}]});
    let twice = json!({"interfaces": [{"name": "v"}], "ips": [{"address": "10.1.0.2/24"}, {"address": "10.1.0.3/24"}]});
    let cases = [
        (environment("ADD"), with("cniVersion", json!("0.2.0")), CniError::VERSION),
        (environment("ADD"), with("socket", json!(7)), CniError::DECODE),
        (environment("ADD"), with("deadlineSeconds", json!(0)), CniError::CONFIG),
        (environment("ADD"), with("prevResult", Value::Null), CniError::CONFIG),
        (environment("ADD"), with("prevResult", bridge), CniError::CONFIG),
        (environment("ADD"), with("prevResult", twice), CniError::CONFIG),
        (
            environment("ADD"),
            with("prevResult", json!({"ips": [{"address": "10.1.0.300/24"}]})),
            CniError::CONFIG,
        ),
        (vars("CNI_CONTAINERID", "../../etc"), good.clone(), CniError::ENVIRONMENT),
        (vars("CNI_CONTAINERID", ""), good.clone(), CniError::ENVIRONMENT),
        (vars("CNI_IFNAME", "a/b"), good.clone(), CniError::ENVIRONMENT),
        (vars("CNI_ARGS", "K8S_POD_NAMESPACE=shop"), good.clone(), CniError::ENVIRONMENT),
        (vars("CNI_COMMAND", "FROB"), good.clone(), CniError::ENVIRONMENT),
    ];
    for (i, (vars, config, wanted)) in cases.into_iter().enumerate() {
        let (code, error) = plugin(vars, &config)?;
        assert_eq!((code, &error["code"]), (1, &json!(wanted)), "case {i}: {error}");
    }
    Ok(())
}
