//! Kernels whose WireGuard is known to be bad.
//!
//! CVE-2026-52945: some stable kernels took over "wireguard: device: enable threaded NAPI" (upstream db9ae3b6b43c). With
//! it, receiving from a peer can stop under load, and does not begin again until the device is made anew; other peers
//! and sending go on. The four stable series have reverted it. Upstream's own releases are not named as affected.

/// First version with the fault, and first without it any more (the CVE's record, linux-cve-announce, 2026-06-24).
const STALLS: [([u32; 3], [u32; 3]); 4] = [
    ([5, 15, 186], [5, 15, 201]),
    ([6, 1, 142], [6, 1, 164]),
    ([6, 6, 94], [6, 6, 127]),
    ([6, 12, 34], [6, 12, 74]),
];

/// The first upstream release that has threaded NAPI of its own, with what it needs.
const UPSTREAM: [u32; 3] = [6, 16, 0];

/// Upstream's version of a kernel, by what `/proc/sys/kernel/osrelease` and `/proc/sys/kernel/version` say. Debian's
/// release may name only the ABI (`6.1.0-37-amd64`); its version is in the latter (`#1 SMP ... Debian 6.1.140-1 (...)`).
#[must_use]
pub fn version(release: &str, build: &str) -> Option<[u32; 3]> {
    let of_debian = build.split_once("Debian ").and_then(|(_, version)| numbers(version));
    of_debian.or_else(|| numbers(release))
}

/// `6.12.41+deb13-amd64`, `6.18-rc1`: up to three numbers.
fn numbers(text: &str) -> Option<[u32; 3]> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let mut parts = text[..end].split('.').filter(|part| !part.is_empty()).map(str::parse);
    let (major, minor) = (parts.next()?.ok()?, parts.next()?.ok()?);
    Some([major, minor, parts.next().and_then(Result::ok).unwrap_or(0)])
}

/// What to say of a kernel. `threaded`: whether its WireGuard receives in threads
/// (`/sys/class/net/DEVICE/threaded`); `None` if that is not known (yet).
#[must_use]
pub fn warning(version: Option<[u32; 3]>, threaded: Option<bool>) -> Option<String> {
    let [major, minor, patch] = version?;
    let named = format!("{major}.{minor}.{patch}");
    let stalls = STALLS.iter().find(|(first, fixed)| (*first..*fixed).contains(&[major, minor, patch]));
    let symptom = "under load, receiving from a peer can stop until the device is made anew (`ip link delete rf-wg0`; the \
                   agent makes it again)";
    let relief = "`echo 0 > /sys/class/net/rf-wg0/threaded` and the same for rf-wg1";
    match (stalls, threaded) {
        (_, Some(false)) => None,
        (Some((_, [a, b, c])), _) => Some(format!(
            "this kernel ({named}) has CVE-2026-52945: {symptom}. Update it to {a}.{b}.{c} or later; until then {relief}"
        )),
        (None, Some(true)) if [major, minor, patch] < UPSTREAM => Some(format!(
            "this kernel ({named}) receives in threads, as those with CVE-2026-52945 do; whether its vendor has mended that \
             cannot be told from here. If it has not: {symptom}. Ask the vendor; until then {relief}"
        )),
        (None, _) => None,
    }
}
