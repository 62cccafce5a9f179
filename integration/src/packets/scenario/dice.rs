//! Randomness in small words.
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Dice that fall the same way for the same seed.
#[derive(Debug)]
pub(super) struct Dice(StdRng);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// A number from 0 up to but not including `n`, which must not be 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0.random_range(0..n)
    }

    /// Any.
    pub(super) fn number(&mut self) -> u32 {
        self.0.random_range(0..=u32::MAX)
    }

    pub(super) fn port(&mut self) -> u16 {
        self.0.random_range(1024..=u16::MAX)
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of a list; `None` if it is empty.
    pub(super) fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        if list.is_empty() { None } else { list.get(self.below(list.len())) }
    }
}
