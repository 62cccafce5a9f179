//! The configuration that makes container runtimes call us: ptp with host-local, `ringfence`, portmap.
use crate::disk;
use ipnetwork::IpNetwork;
use serde_json::{Value, json};
use std::io;
use std::path::Path;

/// Name of the file in the runtime's configuration directory; runtimes take the first by name.
pub const FILE: &str = "05-ringfence.conflist";

/// What the configuration depends on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conflist<'a> {
    /// The node's pod CIDRs.
    pub pod_cidrs: &'a [IpNetwork],
    /// MTU of pods' devices, bytes: what fits into the mesh.
    pub mtu: u32,
    /// The agent's socket.
    pub socket: &'a Path,
    /// The agent's state directory.
    pub state_dir: &'a Path,
    /// Where host-local keeps its leases; `None`: its default.
    pub ipam_dir: Option<&'a Path>,
}

impl Conflist<'_> {
    /// The configuration list (CNI spec, section 1). Version 1.0.0, for the plugins of distributions speak no newer.
    pub fn to_json(&self) -> Value {
        let ranges: Vec<Value> =
            self.pod_cidrs.iter().map(|net| json!([{"subnet": net.to_string()}])).collect();
        let mut routes = Vec::new();
        if self.pod_cidrs.iter().any(IpNetwork::is_ipv4) {
            routes.push(json!({"dst": "0.0.0.0/0"}));
        }
        if self.pod_cidrs.iter().any(IpNetwork::is_ipv6) {
            routes.push(json!({"dst": "::/0"}));
        }
        let mut ipam = json!({"type": "host-local", "ranges": ranges, "routes": routes});
        if let Some(dir) = self.ipam_dir {
            ipam["dataDir"] = json!(dir);
        }
        json!({
            "cniVersion": "1.0.0",
            "name": "ringfence",
            "plugins": [
                {"type": "ptp", "ipMasq": false, "mtu": self.mtu, "ipam": ipam},
                {"type": "ringfence", "socket": self.socket, "stateDir": self.state_dir},
                {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true},
            ],
        })
    }

    /// Writes the configuration into `dir`, atomically, unless it is there already. Returns whether it was written.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn install(&self, dir: &Path) -> io::Result<bool> {
        let (path, text) = (dir.join(FILE), format!("{:#}\n", self.to_json()));
        if std::fs::read_to_string(&path).is_ok_and(|there| there == text) {
            return Ok(false);
        }
        std::fs::create_dir_all(dir)?;
        disk::replace(&path, 0o644, text.as_bytes()).map(|()| true)
    }
}

/// Removes the configuration from `dir`; whether it was there.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(dir: &Path) -> io::Result<bool> {
    match std::fs::remove_file(dir.join(FILE)) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}
