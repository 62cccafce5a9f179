//! Names in place of cluster DNS: a hosts file for each namespace, which commands in its pods see as `/etc/hosts`.
use super::{Lab, LabError};
use crate::watch::directory::Loaded;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// What a hosts file says of an address, by name.
type Names = BTreeMap<String, Vec<IpAddr>>;

/// The names that pods of `namespace` know: Services as cluster DNS has them, short ones of their own namespace, pods
/// (`NAME.NAMESPACE`) and nodes.
fn names(cluster: &Loaded, namespace: &str) -> Names {
    let mut names = Names::new();
    for (name, node) in &cluster.nodes {
        names.insert(name.clone(), node.value.addresses.clone());
    }
    for (name, pod) in &cluster.pods {
        names.insert(format!("{}.{}", name.name, name.namespace), pod.value.addresses.clone());
    }
    // Last, so that a Service is meant where a pod or node has its name, as in a cluster.
    for (name, service) in &cluster.services {
        let full = format!("{}.{}", name.name, name.namespace);
        let short = (name.namespace == namespace).then(|| name.name.clone());
        let long = [format!("{full}.svc"), format!("{full}.svc.cluster.local"), full];
        for name in long.into_iter().chain(short) {
            names.insert(name, service.value.cluster_ips.clone());
        }
    }
    names
}

fn hosts(names: &Names) -> String {
    let mut text = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n".to_owned();
    for (name, addresses) in names {
        for address in addresses {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{address} {name}");
        }
    }
    text
}

impl Lab {
    /// The hosts file of a namespace.
    pub(super) fn hosts(&self, namespace: &str) -> PathBuf {
        self.root.join("hosts").join(namespace)
    }

    /// Writes every namespace's hosts file.
    pub(super) fn write_hosts(&self, cluster: &Loaded) -> Result<(), LabError> {
        let directory = self.root.join("hosts");
        std::fs::create_dir_all(&directory).map_err(LabError::file("make", &directory))?;
        let namespaces: BTreeSet<&String> = cluster.pods.keys().map(|name| &name.namespace).collect();
        for namespace in namespaces {
            let path = self.hosts(namespace);
            std::fs::write(&path, hosts(&names(cluster, namespace)))
                .map_err(LabError::file("write", &path))?;
        }
        Ok(())
    }
}

/// Lets this thread, and what it starts, see `file` as `/etc/hosts`. Elsewhere nothing changes.
pub(super) fn see(file: &Path) -> io::Result<()> {
    const NONE: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    Ok(mount(Some(file), "/etc/hosts", NONE, MsFlags::MS_BIND, NONE)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::directory::{Mode, read};

    #[test]
    fn services_have_their_dns_names_and_the_short_one_only_in_their_namespace() {
        let directory = tempfile::tempdir().unwrap();
        let manifests = "
{apiVersion: v1, kind: Pod, metadata: {name: api, namespace: shop}, spec: {containers: [{name: c, image: x}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: api, namespace: shop}, spec: {clusterIP: 10.96.0.7, ports: [{port: 80}]}}
";
        std::fs::write(directory.path().join("all.yaml"), manifests).unwrap();
        let cluster = read(directory.path(), Mode::Accept).unwrap();
        let own = hosts(&names(&cluster, "shop"));
        for name in ["api", "api.shop", "api.shop.svc", "api.shop.svc.cluster.local"] {
            assert!(own.contains(&format!("10.96.0.7 {name}\n")), "{name}: {own}");
        }
        assert!(!own.contains("10.244.0.2 api.shop\n"), "the pod took the Service's name: {own}");
        assert!(!hosts(&names(&cluster, "bank")).contains("10.96.0.7 api\n"));
    }
}
