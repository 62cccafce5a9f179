//! What runs on a node: containerd, kubelet, kube-proxy.
use super::{Cluster, ProxyMode, node_files};
use crate::machine::{Machine, cgroup_of_node};
use crate::{build, run};
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use ringfence_bootstrap::find_program;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Where Debian installs CNI plugins.
const CNI_INSTALLED: &str = "/usr/lib/cni";
/// Those that a pod network of ours builds on; the kubelet's own use of `loopback` has long been containerd's.
const CNI_PLUGINS: [&str; 4] = ["ptp", "host-local", "portmap", "loopback"];

impl Cluster {
    /// Starts containerd on a node, puts CNI's own plugins where it looks for them, and imports images.
    pub(super) fn start_containerd(&self, machine: &Machine) -> Result<()> {
        self.install_plugins(machine)?;
        let config = machine.home.join("containerd.toml");
        fs::write(&config, node_files::containerd())
            .with_context(|| format!("writing {}", config.display()))?;
        let arguments = ["--config".to_owned(), config.display().to_string()];
        machine.daemon("containerd", &program("containerd")?, &arguments)?;
        run::until(&format!("containerd of {}", machine.name), 60, || {
            run::output(machine.command("ctr").arg("version"))?;
            Ok(None)
        })?;
        build::image_files(&self.programs)?.iter().try_for_each(|image| self.import_on(machine, image))
    }

    /// Starts kubelet and kube-proxy on a node whose containerd runs.
    pub(super) fn start_kubelet(&self, number: u8, machine: &Machine) -> Result<()> {
        let home = &machine.home;
        let (authority, kubeconfigs) = (self.root.join("pki/ca.crt"), self.root.join("kubeconfigs"));
        let cgroup = cgroup_of_node(&self.root, &machine.name);
        let kubelet = node_files::kubelet(&self.options, number, &authority.display().to_string(), &cgroup);
        let config = write(home, "kubelet.json", &kubelet)?;
        let arguments = [
            format!("--config={}", config.display()),
            format!("--kubeconfig={}", kubeconfigs.join(&machine.name).display()),
            format!("--node-ip={}", self.options.families.node(number).join(",")),
            format!("--hostname-override={}", machine.name),
        ];
        machine.daemon("kubelet", &self.programs.path("kubelet"), &arguments)?;
        self.start_proxy(number, machine)
    }

    fn start_proxy(&self, number: u8, machine: &Machine) -> Result<()> {
        let kubeconfig = self.root.join("kubeconfigs/kube-proxy").display().to_string();
        let config =
            write(&machine.home, "proxy.json", &node_files::proxy(&self.options, number, &kubeconfig))?;
        let arguments = [format!("--config={}", config.display())];
        machine.daemon("kube-proxy", &self.programs.path("kube-proxy"), &arguments)
    }

    /// Restarts every kube-proxy in this mode; what the former one made is taken away first.
    ///
    /// # Errors
    /// If one does not end or start.
    pub fn set_proxy_mode(&mut self, mode: ProxyMode) -> Result<()> {
        self.options.proxy = mode;
        for number in self.nodes() {
            let machine = self.machine(&super::node_name(number))?;
            machine.end("kube-proxy", Signal::SIGTERM)?;
            let kubeconfig = format!("--kubeconfig={}", self.root.join("kubeconfigs/kube-proxy").display());
            run::output(
                machine.command(self.programs.path("kube-proxy")).args(["--cleanup", kubeconfig.as_str()]),
            )?;
            self.start_proxy(number, machine)?;
        }
        self.save()
    }

    /// Ends a node's kubelet and starts another one.
    ///
    /// # Errors
    /// If it does not end or start.
    pub fn restart_kubelet(&self, number: u8) -> Result<()> {
        let machine = self.machine(&super::node_name(number))?;
        machine.end("kubelet", Signal::SIGTERM)?;
        machine.end("kube-proxy", Signal::SIGTERM)?;
        self.start_kubelet(number, machine)
    }

    fn install_plugins(&self, machine: &Machine) -> Result<()> {
        let directory = machine.home.join("disk/opt/cni/bin");
        fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
        for plugin in CNI_PLUGINS {
            let (from, to) = (Path::new(CNI_INSTALLED).join(plugin), directory.join(plugin));
            fs::copy(&from, &to).with_context(|| format!("copying {}", from.display()))?;
        }
        Ok(())
    }
}

fn program(name: &str) -> Result<PathBuf> {
    find_program(name).with_context(|| format!("there is no {name}; `cargo xtask cluster` installs it"))
}

fn write(home: &Path, name: &str, config: &Value) -> Result<PathBuf> {
    let path = home.join(name);
    fs::write(&path, format!("{config:#}\n")).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}
