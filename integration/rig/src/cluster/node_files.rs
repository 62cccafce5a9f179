//! Configuration of a node's containerd, kubelet and kube-proxy.
use super::Options;
use super::layout::DOMAIN;
use serde_json::{Value, json};

/// What pods' sandboxes run; [`crate::build`] makes the image.
pub const PAUSE: &str = "ringfence.test/pause:1";
/// Where container runtimes look for CNI plugins unless they are told otherwise.
pub const CNI_BIN: &str = "/opt/cni/bin";

/// containerd's: TOML of version 2, which both 1.6 and 2.x read. `restrict_oom_score_adj`: where this machine itself lacks
/// CAP_SYS_RESOURCE, nobody can lower a score, and runc ends with no more than an EOF.
pub(super) fn containerd() -> String {
    format!(
        r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp",
]
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_BIN}"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
"#
    )
}

/// The kubelet's. Disk and memory are shared with everything else on this machine: how full they are is no reason to evict.
pub(super) fn kubelet(options: &Options, number: u8, authority: &str, cgroup: &str) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": options.families.node(number)[0],
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": authority},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "enforceNodeAllocatable": ["pods"],
        "failSwapOn": false,
        "failCgroupV1": false,
        "clusterDNS": options.families.dns(),
        "clusterDomain": DOMAIN,
        "resolvConf": "",
        // A kubelet takes 0% for never.
        "evictionHard": {
            "nodefs.available": "0%", "imagefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.inodesFree": "0%",
            "memory.available": "0%",
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "nodeStatusUpdateFrequency": "5s",
        "syncFrequency": "10s",
    })
}

/// kube-proxy's. A network namespace cannot set the size of the table of connections, so it is not asked to.
pub(super) fn proxy(options: &Options, number: u8, kubeconfig: &str) -> Value {
    let address = &options.families.node(number)[0];
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": options.proxy.to_string(),
        "clientConnection": {"kubeconfig": kubeconfig},
        "hostnameOverride": super::layout::node_name(number),
        "clusterCIDR": options.families.pods().join(","),
        "detectLocalMode": "ClusterCIDR",
        "bindAddress": address,
        "healthzBindAddress": format!("{}:10256", super::layout::in_url(address)),
        "metricsBindAddress": "127.0.0.1:10249",
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    })
}

/// The Node object, made before its kubelet starts, so that the node has the pod CIDRs that its number says.
pub(super) fn node_object(options: &Options, number: u8) -> Value {
    let name = super::layout::node_name(number);
    let cidrs = options.families.pods_of(number);
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs},
    })
}
