//! etcd and the Kubernetes control plane, on one machine.
use super::layout::{DOMAIN, Families, in_url};
use super::pki::Files;
use crate::build::Programs;
use crate::machine::Machine;
use anyhow::Result;

/// Where etcd listens, on its machine alone.
const ETCD: &str = "http://127.0.0.1:2379";

/// The programs, in the order in which they start.
pub const DAEMONS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// What the control plane is started with.
#[derive(Debug)]
pub(super) struct ControlPlane<'a> {
    /// Where it runs.
    pub machine: &'a Machine,
    /// What it runs.
    pub programs: &'a Programs,
    /// Certificates and keys.
    pub files: &'a Files,
    /// kubeconfig files by user: the controller manager's and the scheduler's.
    pub kubeconfigs: &'a Files,
    /// Addresses.
    pub families: Families,
}

impl ControlPlane<'_> {
    /// Starts one of [`DAEMONS`]. Does not wait for it.
    ///
    /// # Errors
    /// If it cannot be started.
    pub(super) fn start(&self, daemon: &str) -> Result<()> {
        let arguments = match daemon {
            "etcd" => etcd(),
            "kube-apiserver" => self.api_server(),
            "kube-controller-manager" => self.controller_manager(),
            _ => self.scheduler(),
        };
        self.machine.daemon(daemon, &self.programs.path(daemon), &arguments)
    }

    fn api_server(&self) -> Vec<String> {
        let file = |name: &str| self.files.path(name);
        let list = |items: Vec<String>| items.join(",");
        let bind = if self.families == Families::Ipv4 { "0.0.0.0" } else { "::" };
        vec![
            format!("--etcd-servers={ETCD}"),
            "--secure-port=6443".to_owned(),
            format!("--bind-address={bind}"),
            format!("--advertise-address={}", self.families.control_plane()[0]),
            format!("--tls-cert-file={}", file("apiserver.crt")),
            format!("--tls-private-key-file={}", file("apiserver.key")),
            format!("--client-ca-file={}", file("ca.crt")),
            format!("--kubelet-client-certificate={}", file("kubelet-client.crt")),
            format!("--kubelet-client-key={}", file("kubelet-client.key")),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            format!("--service-account-key-file={}", file("sa.pub")),
            format!("--service-account-signing-key-file={}", file("sa.key")),
            format!("--service-account-issuer=https://kubernetes.default.svc.{DOMAIN}"),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--enable-admission-plugins=NodeRestriction".to_owned(),
            format!("--service-cluster-ip-range={}", list(self.families.services())),
            "--allow-privileged".to_owned(),
        ]
    }

    fn controller_manager(&self) -> Vec<String> {
        let list = |items: Vec<String>| items.join(",");
        let mut arguments = self.clients("kube-controller-manager");
        arguments.extend([
            "--use-service-account-credentials".to_owned(),
            format!("--service-account-private-key-file={}", self.files.path("sa.key")),
            format!("--root-ca-file={}", self.files.path("ca.crt")),
            "--allocate-node-cidrs".to_owned(),
            format!("--cluster-cidr={}", list(self.families.pods())),
            format!("--service-cluster-ip-range={}", list(self.families.services())),
        ]);
        match self.families {
            Families::Ipv4 => arguments.push("--node-cidr-mask-size=24".to_owned()),
            Families::Ipv6 => arguments.push("--node-cidr-mask-size=64".to_owned()),
            Families::Dual => arguments.extend(
                ["--node-cidr-mask-size-ipv4=24", "--node-cidr-mask-size-ipv6=64"].map(str::to_owned),
            ),
        }
        arguments
    }

    fn scheduler(&self) -> Vec<String> {
        self.clients("kube-scheduler")
    }

    /// What those have in common that speak to the API server.
    fn clients(&self, name: &str) -> Vec<String> {
        let config = self.kubeconfigs.path(name);
        vec![
            format!("--kubeconfig={config}"),
            format!("--authentication-kubeconfig={config}"),
            format!("--authorization-kubeconfig={config}"),
            format!("--cert-dir=/run/{name}"),
            "--leader-elect=false".to_owned(),
            "--bind-address=127.0.0.1".to_owned(),
        ]
    }
}

/// Where the API server is reached.
pub(super) fn server(families: Families) -> String {
    format!("https://{}:6443", in_url(&families.control_plane()[0]))
}

/// Nothing here outlives a power cut, so etcd need not wait for the disk.
fn etcd() -> Vec<String> {
    [
        "--data-dir=/var/lib/etcd",
        "--listen-client-urls=http://127.0.0.1:2379",
        "--advertise-client-urls=http://127.0.0.1:2379",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--initial-advertise-peer-urls=http://127.0.0.1:2380",
        "--initial-cluster=default=http://127.0.0.1:2380",
        "--unsafe-no-fsync",
    ]
    .map(str::to_owned)
    .to_vec()
}
