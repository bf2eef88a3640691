//! What a transaction has read: keys and ranges, present or absent.

use crate::key::StoredRange;

/// Keys and ranges that a commit must find unchanged.
#[derive(Debug, Default)]
pub(crate) struct ReadSet {
    arena: Vec<u8>,
    /// Ends of keys in the arena.
    ends: Vec<usize>,
    pub ranges: Vec<StoredRange>,
}

impl ReadSet {
    pub fn add_key(&mut self, key: &[u8]) {
        self.arena.extend_from_slice(key);
        self.ends.push(self.arena.len());
    }

    /// Adds a range, which absorbs the one added last if they are the same or one begins where
    /// the other ends.
    pub fn add_range(&mut self, range: StoredRange) {
        if range.start >= range.end {
            return;
        }
        if let Some(last) = self.ranges.last_mut()
            && last.start <= range.end
            && range.start <= last.end
        {
            if range.start < last.start {
                last.start = range.start;
            }
            if range.end > last.end {
                last.end = range.end;
            }
            return;
        }
        self.ranges.push(range);
    }

    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let places = starts.zip(&self.ends);
        places.map(|(start, end)| self.arena.get(start..*end).unwrap_or_default())
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.ranges.is_empty()
    }
}
