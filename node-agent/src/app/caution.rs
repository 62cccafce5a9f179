//! What is known against the kernel that does the encrypting.
use crate::mesh::kernels;
use ringfence_keyring::Plane;
use std::fs::read_to_string;

/// What there is to say against this kernel's WireGuard; what cannot be read is not known.
pub(super) fn of_this_kernel() -> Option<String> {
    let said = |what: &str| read_to_string(format!("/proc/sys/kernel/{what}")).unwrap_or_default();
    let version = kernels::version(said("osrelease").trim(), said("version").trim());
    kernels::warning(version, threaded())
}

/// Whether any of our devices receives in threads; `None` if there is none (yet), or the kernel does not say.
fn threaded() -> Option<bool> {
    let of = |plane: &Plane| read_to_string(format!("/sys/class/net/{}/threaded", plane.device())).ok();
    let said: Vec<String> = Plane::ALL.iter().filter_map(of).collect();
    (!said.is_empty()).then(|| said.iter().any(|text| text.trim() != "0"))
}
