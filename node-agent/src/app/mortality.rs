//! Where tests kill an agent: at a step that they name, and at no other instant. In debug builds alone.

/// Ends the process at once, as SIGKILL does, if the file that `RINGFENCE_DIE_AT` names holds just this step. The file goes
/// first, so that this happens once.
#[cfg(debug_assertions)]
pub(super) fn may_die(step: &str) {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    let Some(order) = std::env::var_os("RINGFENCE_DIE_AT") else { return };
    if std::fs::read_to_string(&order).is_ok_and(|wanted| wanted.trim() == step) {
        // Should it not go, or the signal not come, the test that waits for it fails.
        let _ = std::fs::remove_file(&order);
        let _ = kill(Pid::this(), Signal::SIGKILL);
    }
}

/// Nothing.
#[cfg(not(debug_assertions))]
pub(super) fn may_die(_step: &str) {}
