//! The commit index at which each id last changed in the index.
//!
//! Blocks of ids keep their largest, so that a question about the newest commits looks at few of
//! them: O(n / 1024), plus 1024 for each block with a change.

use roaring::RoaringBitmap;

const BLOCK: usize = 1024;

/// The commit index at which each id last changed.
#[derive(Default)]
pub(super) struct Changes {
    by_id: Vec<u64>,
    block_max: Vec<u64>,
    newest: u64,
    ids_end: u32,
}

impl Changes {
    /// One above the largest id known.
    pub(super) fn ids_end(&self) -> u32 {
        self.ids_end
    }

    pub(super) fn memory_bytes(&self) -> usize {
        (self.by_id.capacity() + self.block_max.capacity()) * size_of::<u64>()
    }

    /// Knows of ids below `end`, unchanged since for ever. Takes no memory for them.
    pub(super) fn grow(&mut self, end: u32) {
        self.ids_end = self.ids_end.max(end);
    }

    /// Remembers that `id` changed at `commit_index`.
    pub(super) fn mark(&mut self, id: u32, commit_index: u64) {
        self.grow(id.saturating_add(1));
        let place = id as usize;
        if self.by_id.len() <= place {
            self.by_id.resize(place + 1, 0);
            self.block_max.resize(place / BLOCK + 1, 0);
        }
        if let Some(known) = self.by_id.get_mut(place) {
            *known = commit_index.max(*known);
        }
        if let Some(known) = self.block_max.get_mut(place / BLOCK) {
            *known = commit_index.max(*known);
        }
        self.newest = commit_index.max(self.newest);
    }

    /// The ids that changed at a commit index above `commit_index`.
    pub(super) fn after(&self, commit_index: u64) -> RoaringBitmap {
        let mut changed = RoaringBitmap::new();
        if self.newest <= commit_index {
            return changed;
        }
        let blocks = self.block_max.iter().zip(self.by_id.chunks(BLOCK));
        for (number, (&newest, block)) in blocks.enumerate() {
            if newest <= commit_index {
                continue;
            }
            for (place, &at) in block.iter().enumerate() {
                if at > commit_index {
                    changed.insert(u32::try_from(number * BLOCK + place).unwrap_or(u32::MAX));
                }
            }
        }
        changed
    }
}
