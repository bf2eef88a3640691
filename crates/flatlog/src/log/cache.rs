//! Records read without a mapping, the most recently used of them, up to a number of bytes.
//!
//! Invariant: `bytes` is the sum over `entries`, and `by_age` names exactly the entries, oldest
//! first.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kv_api::Bytes;

use crate::ids::SegmentId;

/// What an entry takes beside its bytes: two table entries and the allocation.
const ENTRY_BYTES: usize = 96;

type Name = (SegmentId, u32);

/// Counters of a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStatistics {
    /// Reads that found their record.
    pub hits: u64,
    /// Reads that went to the file.
    pub misses: u64,
    /// Bytes held.
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct Entries {
    entries: HashMap<Name, (Bytes, u64)>,
    by_age: BTreeMap<u64, Name>,
    clock: u64,
    bytes: usize,
    hits: u64,
    misses: u64,
}

/// A cache of records.
#[derive(Debug)]
pub(crate) struct Cache {
    bytes_max: usize,
    entries: Mutex<Entries>,
}

impl Cache {
    pub(crate) fn new(bytes_max: usize) -> Cache {
        Cache {
            bytes_max,
            entries: Mutex::default(),
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, name: Name) -> Option<Bytes> {
        let mut held = self.entries();
        let held = &mut *held;
        held.clock += 1;
        let Some((bytes, age)) = held.entries.get_mut(&name) else {
            held.misses += 1;
            return None;
        };
        held.hits += 1;
        held.by_age.remove(age);
        held.by_age.insert(held.clock, name);
        *age = held.clock;
        Some(bytes.clone())
    }

    pub(crate) fn put(&self, name: Name, bytes: Bytes) {
        let mut held = self.entries();
        let held = &mut *held;
        let cost = bytes.len() + ENTRY_BYTES;
        if cost > self.bytes_max || held.entries.contains_key(&name) {
            return;
        }
        held.clock += 1;
        held.bytes += cost;
        held.entries.insert(name, (bytes, held.clock));
        held.by_age.insert(held.clock, name);
        while held.bytes > self.bytes_max {
            let Some((_, oldest)) = held.by_age.pop_first() else {
                return;
            };
            if let Some((bytes, _)) = held.entries.remove(&oldest) {
                held.bytes -= bytes.len() + ENTRY_BYTES;
            }
        }
    }

    pub(crate) fn statistics(&self) -> CacheStatistics {
        let held = self.entries();
        CacheStatistics {
            hits: held.hits,
            misses: held.misses,
            bytes: held.bytes as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first_and_the_budget_holds() {
        let cache = Cache::new(3 * (100 + ENTRY_BYTES));
        let name = |offset| (SegmentId(1), offset);
        for offset in 0..3 {
            cache.put(name(offset), Bytes::from(vec![0; 100]));
        }
        assert!(cache.get(name(0)).is_some());
        cache.put(name(3), Bytes::from(vec![0; 100]));
        assert!(cache.get(name(1)).is_none(), "the oldest went");
        assert!(cache.get(name(0)).is_some() && cache.get(name(3)).is_some());
        let statistics = cache.statistics();
        assert_eq!((statistics.hits, statistics.misses), (3, 1));
        assert_eq!(statistics.bytes, 3 * (100 + ENTRY_BYTES) as u64);
        let whole = Cache::new(100 + ENTRY_BYTES);
        whole.put(name(0), Bytes::from(vec![0; 100]));
        assert!(whole.get(name(0)).is_some(), "exactly the budget");
        cache.put(name(4), Bytes::from(vec![0; 10_000]));
        assert_eq!(
            cache.statistics().bytes,
            statistics.bytes,
            "too large for the budget"
        );
    }
}
