//! The tiers of tests: by what they need.

use clap::ValueEnum;

/// Tests that need the same things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tier {
    /// Every tier below but api, cluster and uml
    All,
    /// Formatting, clippy, licences
    Lint,
    /// What needs nothing but cargo
    Pure,
    /// The eBPF programs under BPF_PROG_TEST_RUN (root)
    Programs,
    /// Clusters made of network namespaces (root)
    Lab,
    /// A real kube-apiserver and etcd, without nodes (root; Go, which builds them)
    Api,
    /// Real Kubernetes clusters (root; Go, which builds them)
    Cluster,
    /// Labs once more, over the kernel's own WireGuard: User-Mode Linux (root)
    Uml,
    /// Debian's 6.1 and 6.12 as they are, in QEMU (root)
    Kernel,
}

impl Tier {
    /// Not `uml`: it has not passed as a whole yet, and no run was seen to fit into an hour with it. Not `api` and
    /// `cluster`: where nothing is cached they build Kubernetes first.
    pub(crate) const RUN: [Self; 5] = [Self::Lint, Self::Pure, Self::Programs, Self::Lab, Self::Kernel];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Lint => "lint",
            Self::Pure => "pure",
            Self::Programs => "programs",
            Self::Lab => "lab",
            Self::Api => "api",
            Self::Cluster => "cluster",
            Self::Uml => "uml",
            Self::Kernel => "kernel",
        }
    }
}
