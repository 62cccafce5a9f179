//! Files below `/proc/sys`, which are those of the calling thread's network namespace.
use super::mesh_error::MeshApplyError;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Makes an IPv6 host a router. Hosts that take their default route from router advertisements lose it then, unless
/// `accept_ra` is 2.
const FORWARDING6: &str = "net/ipv6/conf/all/forwarding";

/// Those of `paths` that are there, trimmed.
pub(super) fn read<'a>(paths: impl Iterator<Item = &'a String>) -> BTreeMap<String, String> {
    let value = |path: &String| fs::read_to_string(file(path)).ok().map(|text| text.trim().to_owned());
    paths.filter_map(|path| Some((path.clone(), value(path)?))).collect()
}

/// Writes one. A machine without IPv6 has no such file of `net/ipv6`, which is no error.
pub(super) fn write(path: &str, value: &str) -> Result<(), MeshApplyError> {
    if path == FORWARDING6 && value != "0" {
        keep_router_advertisements();
    }
    match fs::write(file(path), value) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.starts_with("net/ipv6/") => Ok(()),
        other => other.map_err(MeshApplyError::io("write", format!("/proc/sys/{path}"))),
    }
}

/// Where the settings are. In a container `/proc/sys` is read-only; then the host's `net` is mounted somewhere else, and
/// `RINGFENCE_PROC_SYS` says where.
fn file(path: &str) -> PathBuf {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    let said = || std::env::var_os("RINGFENCE_PROC_SYS").filter(|said| !said.is_empty());
    ROOT.get_or_init(|| said().map_or_else(|| PathBuf::from("/proc/sys"), PathBuf::from)).join(path)
}

/// Devices that follow router advertisements go on doing so.
fn keep_router_advertisements() {
    let Ok(devices) = fs::read_dir(file("net/ipv6/conf")) else { return };
    for device in devices.flatten() {
        let accept = device.path().join("accept_ra");
        if fs::read_to_string(&accept).is_ok_and(|value| value.trim() == "1") {
            // A device that just went away needs none.
            let _ = fs::write(&accept, "2");
        }
    }
}
