//! Real Kubernetes clusters on one machine: etcd and the control plane in one set of namespaces, and for each node a
//! kubelet, a containerd and a kube-proxy in a set of its own. Nothing is installed, no registry is asked, and what a node
//! writes stays its own; when a cluster is taken away, also after a crash, nothing of it is left.

pub mod build;
pub mod cli;
pub mod cluster;
pub mod image;
pub mod machine;
pub mod run;
