//! Who may reach whom: every question that the demo asks, of the policies and of the packets.

use super::lab::Pod;

/// Addresses outside that the bank's manifests speak of: the card network, and a host in it that they except.
const OUTSIDE: [(&str, &str, u16); 2] =
    [("card network", "203.0.113.10", 443), ("its test host", "203.0.113.99", 443)];
/// A customer's address. The manifests do not know it.
pub(super) const CUSTOMER: &str = "198.51.100.7";
/// The Services of the manifests: name, address, port, protocol.
const SERVICES: [(&str, &str, u16, &str); 4] = [
    ("web/portal", "10.96.10.10", 80, "TCP"),
    ("accounts/api", "10.96.10.20", 443, "TCP"),
    ("ledger/db", "10.96.10.30", 5432, "TCP"),
    ("platform/dns", "10.96.0.10", 53, "UDP"),
];

/// One question, as both are asked it.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// Where it stands in the matrix: what calls, what is called.
    pub(super) from: String,
    pub(super) to: String,
    /// The caller: a pod, or an address outside.
    pub(super) source: Source,
    /// Who is called, as a query says it.
    pub(super) target: String,
    /// The address that is called.
    pub(super) address: String,
    pub(super) port: u16,
    pub(super) protocol: String,
    pub(super) by_service: bool,
}

/// Who calls.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Source {
    /// A pod by name.
    Pod(String),
    /// Somebody outside.
    Outside(&'static str),
}

impl Question {
    /// As `ringfence policy verdicts` reads it.
    pub(super) fn query(&self) -> String {
        let from = match &self.source {
            Source::Pod(name) => name,
            Source::Outside(address) => *address,
        };
        let family = if self.address.contains(':') { "IPv6" } else { "IPv4" };
        let Self { target: to, port, protocol, .. } = self;
        serde_json::json!({"from": from, "to": to, "port": port, "protocol": protocol, "family": family})
            .to_string()
    }

    /// As `ringfence lab probe` reads it.
    pub(super) fn attempt(&self, id: usize, timeout_ms: u32) -> String {
        let to = match self.address.contains(':') {
            true => format!("[{}]:{}", self.address, self.port),
            false => format!("{}:{}", self.address, self.port),
        };
        let mut attempt =
            serde_json::json!({"id": id, "to": to, "protocol": self.protocol, "timeout_ms": timeout_ms});
        if let Source::Outside(address) = self.source {
            attempt["source"] = address.into();
        }
        attempt.to_string()
    }
}

/// From every pod and a customer to every port of every other pod in both families, to the card network, and to every
/// Service.
pub(super) fn all(pods: &[Pod]) -> Vec<Question> {
    let mut questions = Vec::new();
    let customer = Source::Outside(CUSTOMER);
    let callers = pods.iter().map(|pod| (application(&pod.name), Source::Pod(pod.name.clone())));
    for (from, source) in callers.chain([("customer".to_owned(), customer.clone())]) {
        for pod in pods.iter().filter(|pod| source != Source::Pod(pod.name.clone())) {
            for (protocol, port) in &pod.ports {
                for address in &pod.addresses {
                    if source == customer && address.contains(':') {
                        continue;
                    }
                    questions.push(Question {
                        from: from.clone(),
                        to: format!("{} {protocol} {port}", application(&pod.name)),
                        source: source.clone(),
                        target: pod.name.clone(),
                        address: address.clone(),
                        port: *port,
                        protocol: protocol.clone(),
                        by_service: false,
                    });
                }
            }
        }
        if source == customer {
            continue;
        }
        let outside = OUTSIDE.map(|(name, address, port)| (name, address, address, port, "TCP", false));
        let services =
            SERVICES.map(|(name, address, port, protocol)| (name, name, address, port, protocol, true));
        for (name, target, address, port, protocol, by_service) in outside.into_iter().chain(services) {
            // Of its own Service a pod may reach itself, whatever becomes of the others: neither yes nor no.
            if by_service && target.ends_with(&format!("/{from}")) {
                continue;
            }
            questions.push(Question {
                from: from.clone(),
                to: format!("{name} {protocol} {port}"),
                source: source.clone(),
                target: if by_service { format!("svc/{target}") } else { target.to_owned() },
                address: address.to_owned(),
                port,
                protocol: protocol.to_owned(),
                by_service,
            });
        }
    }
    questions
}

/// A pod's application: its name without namespace and number.
fn application(pod: &str) -> String {
    let name = pod.rsplit('/').next().unwrap_or(pod);
    name.rsplit_once('-').map_or(name, |(application, _)| application).to_owned()
}
