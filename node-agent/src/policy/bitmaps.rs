//! Numbers of port sets in `RF_PORTS`. An array's indexes are few, so they are used again, but only after the executor
//! has said that the tables that had them are gone.
use super::ports::{bitmap_of, ranges_of};
use ringfence_abi::{PolicyValue, PortBitmap};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

type RangeList = Vec<(u16, u16)>;

#[derive(Debug)]
struct Published {
    ranges: RangeList,
    bitmap: Arc<PortBitmap>,
    users: usize,
}

/// Port sets in use, counted by the policy entries that refer to them.
#[derive(Debug, Default)]
pub(super) struct Bitmaps {
    by_ranges: HashMap<RangeList, u32>,
    by_index: BTreeMap<u32, Published>,
    idle: BTreeSet<u32>,
    /// No longer referred to, by the revision that gave them up.
    retiring: Vec<(u64, u32)>,
    free: BTreeSet<u32>,
    next: u32,
}

impl Bitmaps {
    /// With what a former agent left: sets that are wanted again keep their indexes, the others' are kept off until they
    /// are retired.
    pub(super) fn resuming(observed: &BTreeMap<u32, Arc<PortBitmap>>) -> Self {
        let mut out = Self::default();
        for (index, bitmap) in observed {
            let ranges = ranges_of(bitmap);
            out.next = out.next.max(index + 1);
            out.idle.insert(*index);
            out.by_ranges.entry(ranges.clone()).or_insert(*index);
            out.by_index.insert(*index, Published { ranges, bitmap: bitmap.clone(), users: 0 });
        }
        out
    }

    /// The index of a set, which gets no user by this: see [`Bitmaps::retain`].
    pub(super) fn index(&mut self, ranges: RangeList) -> u32 {
        if let Some(index) = self.by_ranges.get(&ranges) {
            return *index;
        }
        let index = self.free.pop_first().unwrap_or_else(|| {
            self.next = self.next.max(PolicyValue::FIRST_BITMAP) + 1;
            self.next - 1
        });
        let bitmap = Arc::new(bitmap_of(&ranges));
        self.by_ranges.insert(ranges.clone(), index);
        self.by_index.insert(index, Published { ranges, bitmap, users: 0 });
        self.idle.insert(index);
        index
    }

    /// One entry more refers to what this value names.
    pub(super) fn retain(&mut self, value: &PolicyValue) {
        for index in [value.tcp, value.udp, value.sctp] {
            if let Some(published) = self.by_index.get_mut(&index) {
                published.users += 1;
                self.idle.remove(&index);
            }
        }
    }

    /// One entry less.
    pub(super) fn release(&mut self, value: &PolicyValue) {
        for index in [value.tcp, value.udp, value.sctp] {
            if let Some(published) = self.by_index.get_mut(&index) {
                published.users = published.users.saturating_sub(1);
                if published.users == 0 {
                    self.idle.insert(index);
                }
            }
        }
    }

    /// Gives up what nobody refers to in `revision`, and brings the table up to date.
    pub(super) fn settle(&mut self, revision: u64, table: &mut BTreeMap<u32, Arc<PortBitmap>>) {
        for index in std::mem::take(&mut self.idle) {
            if let Some(published) = self.by_index.remove(&index) {
                if self.by_ranges.get(&published.ranges) == Some(&index) {
                    self.by_ranges.remove(&published.ranges);
                }
                self.retiring.push((revision, index));
            }
        }
        table.retain(|index, _| self.by_index.contains_key(index));
        for (index, published) in &self.by_index {
            table.entry(*index).or_insert_with(|| published.bitmap.clone());
        }
    }

    /// Nothing that `revision` or an earlier one had given up is in the kernel any more.
    pub(super) fn applied(&mut self, revision: u64) {
        let done: Vec<_> = self.retiring.extract_if(.., |(r, _)| *r <= revision).collect();
        self.free.extend(done.into_iter().map(|(_, index)| index));
    }
}
