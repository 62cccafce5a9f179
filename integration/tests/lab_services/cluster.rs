//! The cluster under test: every way to a pod, near and far, behind every isolation.
use std::fmt::Write;

/// Node addresses by number, 1 to 3.
pub(crate) fn node(number: u8, v4: bool) -> String {
    if v4 { format!("172.30.0.1{number}") } else { format!("fd00:172:30::1{number}") }
}

/// What a source may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// No policy selects it.
    Free,
    /// Isolated, may call the targets and node 2.
    Allowed,
    /// Isolated, may call nobody.
    Denied,
}

impl Source {
    pub(crate) const ALL: [Self; 3] = [Self::Free, Self::Allowed, Self::Denied];

    /// Its pod, on node 1.
    pub(crate) fn pod(self) -> String {
        format!("shop/{}", format!("{self:?}").to_lowercase())
    }
}

/// What a target lets in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Guard {
    /// No policy selects it.
    Open,
    /// Isolated, lets the sources in by their labels.
    Guarded,
    /// Isolated, lets nobody in.
    Shut,
}

/// A target: a pod, its Service and its host port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Target {
    pub(crate) guard: Guard,
    /// Its node: 1 is the sources' own.
    pub(crate) node: u8,
    /// Number of its host port (and 1000 more its node port).
    pub(crate) port: u16,
}

impl Target {
    pub(crate) fn all() -> Vec<Self> {
        let guards = [Guard::Open, Guard::Guarded, Guard::Shut];
        let places = guards.into_iter().flat_map(|guard| [1, 2].map(|node| (guard, node)));
        (29_001..).zip(places).map(|(port, (guard, node))| Self { guard, node, port }).collect()
    }

    /// Name of pod and Service.
    pub(crate) fn name(self) -> String {
        format!("{}-{}", format!("{:?}", self.guard).to_lowercase(), self.node)
    }

    pub(crate) fn node_port(self) -> u16 {
        self.port + 1000
    }
}

/// Node port of the Service whose backend is the host-network pod of node `number`.
pub(crate) fn host_node_port(number: u8) -> u16 {
    31_000 + u16::from(number)
}

/// Everything, as manifests.
pub(crate) fn manifests() -> String {
    let mut text = String::new();
    for n in 1..=3 {
        document(
            &mut text,
            &format!(
                "{{apiVersion: v1, kind: Node, metadata: {{name: node-{n}}}, \
             spec: {{podCIDRs: [10.244.{n}.0/24, 'fd00:10:244:{n}::/64']}}, \
             status: {{addresses: [{{type: InternalIP, address: {}}}, {{type: InternalIP, address: '{}'}}]}}}}",
                node(n, true),
                node(n, false)
            ),
        );
    }
    for source in Source::ALL {
        let name = source.pod().replace("shop/", "");
        pod(&mut text, &name, "source", 1, "containerPort: 80", "");
    }
    for target in Target::all() {
        let (name, port) = (target.name(), target.port);
        let ports = format!(
            "containerPort: 8080, hostPort: {port}}}, {{containerPort: 8080, hostPort: {port}, protocol: UDP"
        );
        pod(&mut text, &name, "target", target.node, &ports, "");
        service(&mut text, &name, target.node_port());
    }
    for n in [1, 2] {
        let ports = "containerPort: 8080}, {containerPort: 8080, protocol: UDP";
        pod(&mut text, &format!("host-{n}"), "host", n, ports, "hostNetwork: true, ");
        service(&mut text, &format!("host-{n}"), host_node_port(n));
    }
    policy(
        &mut text,
        "allowed",
        "egress: [{to: [{podSelector: {matchLabels: {role: target}}}, \
         {ipBlock: {cidr: 172.30.0.12/32}}, {ipBlock: {cidr: 'fd00:172:30::12/128'}}]}]",
        "Egress",
    );
    policy(&mut text, "denied", "egress: []", "Egress");
    for n in [1, 2] {
        let rule = "ingress: [{from: [{podSelector: {matchLabels: {role: source}}}]}]";
        policy(&mut text, &format!("guarded-{n}"), rule, "Ingress");
        policy(&mut text, &format!("shut-{n}"), "ingress: []", "Ingress");
    }
    text
}

fn document(text: &mut String, object: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "---\n{object}");
}

fn pod(text: &mut String, name: &str, role: &str, node: u8, ports: &str, more: &str) {
    document(
        text,
        &format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: shop, labels: {{role: {role}, name: {name}}}}}, \
         spec: {{{more}nodeName: node-{node}, containers: [{{name: c, image: example.org/x:1, ports: [{{{ports}}}]}}]}}}}"
        ),
    );
}

fn service(text: &mut String, name: &str, node_port: u16) {
    let port = |name: &str, protocol: &str| {
        format!("{{name: {name}, protocol: {protocol}, port: 80, targetPort: 8080, nodePort: {node_port}}}")
    };
    document(
        text,
        &format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: shop}}, \
         spec: {{type: NodePort, selector: {{name: {name}}}, ports: [{}, {}]}}}}",
            port("tcp", "TCP"),
            port("udp", "UDP")
        ),
    );
}

fn policy(text: &mut String, name: &str, rules: &str, direction: &str) {
    document(
        text,
        &format!(
            "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: {name}, namespace: shop}}, \
         spec: {{podSelector: {{matchLabels: {{name: {name}}}}}, policyTypes: [{direction}], {rules}}}}}"
        ),
    );
}
