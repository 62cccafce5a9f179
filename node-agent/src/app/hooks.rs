//! Which of the node's devices must bear which programs.
use crate::apply::bpf::{Device, Role};
use crate::apply::devices::NodeDevice;
use crate::endpoint::Record;
use ringfence_keyring::Plane;
use std::collections::{BTreeMap, HashSet};

/// Every device but loopback, with its role: attached pods' veths, the two WireGuard devices, and all others.
pub(super) fn wanted<'a>(
    devices: &BTreeMap<u32, NodeDevice>,
    records: impl Iterator<Item = &'a Record>,
) -> Vec<Device> {
    let pods: HashSet<(u32, &str)> = records.map(|r| (r.ifindex, r.host_device.as_str())).collect();
    let role = |device: &NodeDevice| {
        if pods.contains(&(device.ifindex, device.name.as_str())) {
            Role::Pod
        } else if device.name.parse::<Plane>().is_ok() {
            Role::Mesh
        } else {
            Role::Underlay
        }
    };
    let others = devices.values().filter(|d| !d.loopback);
    others.map(|d| Device { ifindex: d.ifindex, name: d.name.clone(), role: role(d) }).collect()
}
