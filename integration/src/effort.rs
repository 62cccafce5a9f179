//! How much the random tests try.

/// What the environment variable `name` says, a number; else `long` if RINGFENCE_LONG is set (and not 0), as `cargo xtask
/// test --long` does; else `usual`.
///
/// # Panics
/// If the variable is set to anything else: such a test would not do what was asked.
pub fn effort(name: &str, usual: u64, long: u64) -> u64 {
    match std::env::var(name) {
        Ok(number) => number.parse().unwrap_or_else(|e| panic!("{name}={number}: {e}")),
        Err(_) if std::env::var("RINGFENCE_LONG").is_ok_and(|v| v != "0") => long,
        Err(_) => usual,
    }
}
