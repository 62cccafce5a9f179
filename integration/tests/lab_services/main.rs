//! Every way to a pod through a Service or a host port, near and far, with the source isolated, the target, and both:
//! the verdict is that of the real pods, a TCP exchange and a datagram's answer come back, and nothing crosses the
//! underlay in the clear. Services are DNAT and masquerade as kube-proxy's, host ports are portmap's. Needs root.
mod cluster;

use anyhow::{Result, ensure};
use cluster::{Guard, Source, Target, host_node_port, manifests, node};
use ringfence_integration::lab::Lab;
use serde_json::{Value, json};

/// A client that no policy knows.
fn outside(v4: bool) -> &'static str {
    if v4 { "203.0.113.7" } else { "2001:db8:113::7" }
}

/// Questions, each with what must come out.
#[derive(Default)]
struct Questions(Vec<Value>);

impl Questions {
    fn ask(&mut self, from: &str, to: &str, port: u16, v4: bool, allow: bool, way: &str) {
        for protocol in ["TCP", "UDP"] {
            self.0.push(json!({
                "from": from, "to": to, "port": port, "protocol": protocol,
                "family": if v4 { "IPv4" } else { "IPv6" },
                "expect": if allow { "allow" } else { "deny" }, "way": way,
            }));
        }
    }

    /// Pods on node 1 to every target.
    fn of_sources(&mut self, v4: bool) {
        for (source, target) in
            Source::ALL.into_iter().flat_map(|s| Target::all().into_iter().map(move |t| (s, t)))
        {
            let from = source.pod();
            let sends = source != Source::Denied;
            // The real pods' verdict, if the target's node learns who called.
            let known = sends && target.guard != Guard::Shut;
            // A third node that forwards hides the caller: only who is open to all lets it in.
            let hidden = sends && target.guard == Guard::Open;
            self.ask(&from, &format!("shop/{}", target.name()), 8080, v4, known, "directly");
            self.ask(&from, &format!("svc/shop/{}", target.name()), 80, v4, known, "ClusterIP");
            self.ask(&from, &node(target.node, v4), target.port, v4, known, "hostPort");
            for dialled in 1..=3 {
                let seen = dialled == 1 || dialled == target.node;
                let allow = if seen { known } else { hidden };
                let way = format!("NodePort of node {dialled}");
                self.ask(&from, &node(dialled, v4), target.node_port(), v4, allow, &way);
            }
        }
    }

    /// Pods on node 1 to host-network pods: a node's verdict. A pod's own node is never closed to it.
    fn of_host_network(&mut self, v4: bool) {
        for (source, number) in Source::ALL.into_iter().flat_map(|s| [1, 2].map(|n| (s, n))) {
            let allow = number == 1 || source != Source::Denied;
            let from = source.pod();
            self.ask(
                &from,
                &format!("svc/shop/host-{number}"),
                80,
                v4,
                allow,
                "ClusterIP of a host-network pod",
            );
            self.ask(&from, &node(number, v4), 8080, v4, allow, "a host-network pod");
            for dialled in 1..=3 {
                let way = format!("NodePort of node {dialled} of a host-network pod");
                self.ask(&from, &node(dialled, v4), host_node_port(number), v4, allow, &way);
            }
        }
    }

    /// Each target to itself, every way, whatever isolates it.
    fn of_themselves(&mut self, v4: bool) {
        for target in Target::all() {
            let from = format!("shop/{}", target.name());
            self.ask(&from, &format!("svc/{from}"), 80, v4, true, "itself by ClusterIP");
            self.ask(&from, &node(target.node, v4), target.node_port(), v4, true, "itself by NodePort");
            self.ask(&from, &node(target.node, v4), target.port, v4, true, "itself by hostPort");
        }
    }

    /// From outside by node ports and host ports.
    fn of_the_outside(&mut self, v4: bool) {
        for target in Target::all() {
            let allow = target.guard == Guard::Open;
            self.ask(outside(v4), &node(target.node, v4), target.port, v4, allow, "hostPort from outside");
            for dialled in 1..=3 {
                let way = format!("NodePort of node {dialled} from outside");
                self.ask(outside(v4), &node(dialled, v4), target.node_port(), v4, allow, &way);
            }
        }
    }
}

#[test]
fn through_services_the_verdict_is_that_of_the_real_pods_and_nothing_crosses_in_the_clear() -> Result<()> {
    let mut questions = Questions::default();
    for v4 in [true, false] {
        questions.of_sources(v4);
        questions.of_host_network(v4);
        questions.of_themselves(v4);
        questions.of_the_outside(v4);
    }
    let directory = tempfile::tempdir()?;
    std::fs::write(directory.path().join("cluster.yaml"), manifests())?;
    let lab = Lab::of("services", directory.path(), &[])?;
    let queries = tempfile::NamedTempFile::new()?;
    let lines: Vec<String> = questions.0.iter().map(Value::to_string).collect();
    std::fs::write(queries.path(), lines.join("\n"))?;

    let tap = lab.tap()?;
    let answers = lab.verdicts(directory.path(), queries.path())?;
    let heard = tap.stop()?;

    ensure!(answers.len() == questions.0.len(), "{} answers to {}", answers.len(), questions.0.len());
    let wrong: Vec<String> =
        answers.iter().filter(|a| a["verdict"] != a["expect"]).map(Value::to_string).collect();
    ensure!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), answers.len(), wrong.join("\n"));
    ensure!(heard.clear.is_empty(), "between nodes in the clear: {:#?}", heard.clear);
    ensure!(heard.wireguard > 500, "only {} messages of WireGuard were seen", heard.wireguard);
    for name in ["node-1", "node-2", "node-3"] {
        let report = lab.status(name)?;
        ensure!(
            report.plaintext == 0,
            "{name}: {} packets were only just kept from the wire",
            report.plaintext
        );
    }
    Ok(())
}

#[test]
fn a_tap_hears_what_is_sent_in_the_clear() -> Result<()> {
    let lab = Lab::up("clear", &manifests(), &[])?;
    let tap = lab.tap()?;
    // From a node to another node's own port: nothing of a pod's, so it may be read.
    lab.http("node/node-1", format!("{}:8080", node(2, true)).parse()?, 5)?;
    let heard = tap.stop()?;
    ensure!(heard.clear.keys().any(|frame| frame.contains("GET / HTTP")), "{heard:#?}");
    Ok(())
}
