//! Units of work done, for the tests that hold work to be in proportion to the change. Nothing is counted outside tests.

#[cfg(test)]
thread_local! {
    static DONE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// So many objects were looked at.
#[inline]
pub(super) fn spend(units: usize) {
    #[cfg(test)]
    DONE.with(|done| done.set(done.get() + units));
    #[cfg(not(test))]
    let _ = units;
}

/// What `work` comes to, and how many units it took.
#[cfg(test)]
pub(super) fn of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = DONE.with(std::cell::Cell::get);
    let result = work();
    (result, DONE.with(std::cell::Cell::get) - before)
}
