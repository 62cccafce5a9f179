//! How long things take, drawn anew each time by a generator that is the same in every run.

/// Milliseconds, drawn from what was seen in real clusters: bulk and tail.
#[derive(Clone)]
pub(crate) struct Delays(u64);

impl Delays {
    pub(crate) fn new(seed: u64) -> Delays {
        Delays(seed)
    }

    /// splitmix64 (Steele, Lea, Flood 2014).
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.next() % (last - first + 1)
    }

    pub(crate) fn is_one_in(&mut self, many: u64) -> bool {
        self.next().is_multiple_of(many)
    }

    /// From a write to one watcher: mostly within half a second, one in a hundred up to ten.
    pub(crate) fn watch(&mut self) -> u64 {
        if self.is_one_in(100) { self.between(500, 10_000) } else { self.between(20, 500) }
    }

    /// A write to the API.
    pub(crate) fn write(&mut self) -> u64 {
        self.between(10, 100)
    }

    /// One way between two nodes.
    pub(crate) fn network(&mut self) -> u64 {
        self.between(1, 10)
    }

    /// A packet that never arrives.
    pub(crate) fn is_lost(&mut self) -> bool {
        self.is_one_in(100)
    }

    /// A key made and synced to disk.
    pub(crate) fn disk(&mut self) -> u64 {
        self.between(5, 50)
    }
}
