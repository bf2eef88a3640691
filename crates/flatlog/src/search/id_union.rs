//! The union of many posting lists, gathered under short holds and made outside of them.
//!
//! Few ids are sorted. Many are set as bits in one array, which costs a nanosecond each; the
//! array is as large as the ids allow, so sorting loses from about one id in 64.

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::search::posting::{Posting, SORTED_MAX};

/// What was gathered so far.
#[derive(Default)]
pub(super) struct IdUnion {
    ids: Vec<u32>,
    bitmaps: Vec<Arc<RoaringBitmap>>,
    len: u64,
}

impl IdUnion {
    /// How many ids were gathered, repeated ones counted each time.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Adds the ids of a list.
    pub(super) fn add(&mut self, list: &Posting) {
        self.len += list.len();
        match list {
            Posting::Many(ids) => self.bitmaps.push(Arc::clone(ids)),
            Posting::Stored(stored) if stored.count() > SORTED_MAX as u64 => {
                self.bitmaps.push(stored.bitmap());
            }
            few => few.for_each(|id| self.ids.push(id)),
        }
    }

    /// Adds the ids of a list that are not in another one.
    pub(super) fn add_without(&mut self, list: &Posting, left_out: &Posting) {
        self.len += list.len();
        let without = &*list.to_bitmap() - &*left_out.to_bitmap();
        self.bitmaps.push(Arc::new(without));
    }

    /// All gathered ids, each of which is below `ids_end`.
    pub(super) fn finish(mut self, ids_end: u32) -> Arc<RoaringBitmap> {
        if self.ids.is_empty() && self.bitmaps.len() <= 1 {
            return self.bitmaps.pop().unwrap_or_default();
        }
        let mut all = if (self.ids.len() as u64).saturating_mul(64) < u64::from(ids_end) {
            sorted(self.ids)
        } else {
            set_bits(&self.ids, ids_end)
        };
        for bitmap in &self.bitmaps {
            all |= &**bitmap;
        }
        Arc::new(all)
    }
}

fn sorted(mut ids: Vec<u32>) -> RoaringBitmap {
    ids.sort_unstable();
    let mut bitmap = RoaringBitmap::new();
    for id in ids {
        bitmap.insert(id);
    }
    bitmap
}

fn set_bits(ids: &[u32], ids_end: u32) -> RoaringBitmap {
    let mut bits = vec![0u8; ids_end as usize / 8 + 1];
    for &id in ids {
        if let Some(byte) = bits.get_mut(id as usize / 8) {
            *byte |= 1 << (id % 8);
        }
    }
    RoaringBitmap::from_lsb0_bytes(0, &bits)
}
