//! How long a lab waits.
use std::sync::OnceLock;
use std::time::Duration;

/// What every time limit of a lab is multiplied by: a number from 1 on, for machines that are slow in themselves, such as
/// emulated ones. Tests' own limits follow it.
pub const VARIABLE: &str = "RINGFENCE_LAB_PATIENCE";

/// The factor. Anything that is no number from 1 on counts as 1.
pub fn factor() -> u32 {
    static FACTOR: OnceLock<u32> = OnceLock::new();
    *FACTOR
        .get_or_init(|| std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(1).max(1))
}

/// A limit on this machine.
pub fn patience(limit: Duration) -> Duration {
    limit * factor()
}

/// The same in seconds.
pub(super) fn seconds(limit: u64) -> u64 {
    limit * u64::from(factor())
}
