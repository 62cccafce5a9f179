//! Ringfence in a cluster, as anybody installs it: an image, and `kubectl apply -k`.
use super::Cluster;
use anyhow::{Context, Result};
use serde_json::json;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

/// How long images are unpacked, pods started and a mesh formed.
const READY: u64 = 180;
/// In this ConfigMap the manifests say what depends on the cluster.
const CONFIG: &str = "ringfence-config";

impl Cluster {
    /// Gives the nodes the image, applies the manifests and waits until all nodes are ready.
    ///
    /// # Errors
    /// If a step fails, or a node does not become ready; the error says what it waits for.
    pub fn install(&self, image: &Path, manifests: &Path) -> Result<()> {
        let began = Instant::now();
        self.import(image)?;
        let overlay = self.overlay(manifests)?;
        self.ask(&["apply", "-k", &overlay.display().to_string()])?;
        println!("cluster: Ringfence is installed after {:.1} s", began.elapsed().as_secs_f32());
        self.wait_until_ready(READY)?;
        println!("cluster: all nodes are ready after {:.1} s", began.elapsed().as_secs_f32());
        Ok(())
    }

    /// A kustomization upon the manifests that says where the cluster's pods and nodes are.
    fn overlay(&self, manifests: &Path) -> Result<PathBuf> {
        let directory = self.root.join("install");
        fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
        let set = |key: &str, value: &[String]| json!({"op": "replace", "path": format!("/data/{key}"), "value": value.join(",")});
        let base = manifests.canonicalize().with_context(|| format!("finding {}", manifests.display()))?;
        let kustomization = json!({
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [relative(&directory, &base)],
            "patches": [{
                "target": {"kind": "ConfigMap", "name": CONFIG},
                "patch": json!([
                    set("cluster-cidrs", &self.options.families.pods()),
                    set("node-cidrs", &self.options.families.underlay()),
                ]).to_string(),
            }],
        });
        let path = directory.join("kustomization.yaml");
        fs::write(&path, format!("{kustomization:#}\n"))
            .with_context(|| format!("writing {}", path.display()))?;
        Ok(directory)
    }
}

/// The way from one absolute directory to another: kustomize takes no absolute ones.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let (from, to): (Vec<Component<'_>>, Vec<Component<'_>>) =
        (from.components().collect(), to.components().collect());
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = from[common..].iter().map(|_| Component::ParentDir);
    up.chain(to[common..].iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_way_goes_up_to_what_both_have_in_common() {
        let way = |from: &str, to: &str| relative(Path::new(from), Path::new(to)).display().to_string();
        assert_eq!(way("/a/b/c", "/a/d"), "../../d");
        assert_eq!(way("/a", "/a/b"), "b");
    }
}
