//! A posting list as it stands in a stored index, read when somebody wants its ids.
//!
//! Opening a store thus costs the bytes of the index, not the number of ids in it. What a list
//! says was summed when it was written; the ids of one that nobody wrote are still below the end
//! that the index gave, and ascend.

use std::sync::{Arc, OnceLock};

use roaring::RoaringBitmap;

/// The bytes of all lists of one stored index.
#[derive(Debug)]
pub(super) struct StoredLists {
    pub(super) bytes: Vec<u8>,
    /// One above the largest id.
    pub(super) ids_end: u32,
}

/// One list.
#[derive(Debug)]
pub(super) struct StoredList {
    lists: Arc<StoredLists>,
    start: usize,
    len: usize,
    count: u32,
    /// All ids, once somebody wanted them.
    bitmap: OnceLock<Arc<RoaringBitmap>>,
}

impl StoredList {
    /// The list of `count` ids in the `len` bytes from `start` on.
    pub(super) fn new(
        lists: &Arc<StoredLists>,
        start: usize,
        len: usize,
        count: u32,
    ) -> StoredList {
        StoredList {
            lists: Arc::clone(lists),
            start,
            len,
            count,
            bitmap: OnceLock::new(),
        }
    }

    /// How many ids, as the index says.
    pub(super) fn count(&self) -> u64 {
        self.count.into()
    }

    /// Memory held beside the bytes of all lists.
    pub(super) fn memory_bytes(&self) -> usize {
        let bitmap = self.bitmap.get();
        size_of::<StoredList>() + bitmap.map_or(0, |ids| bitmap_bytes(ids))
    }

    /// Memory held by the bytes of all lists.
    pub(super) fn lists_bytes(&self) -> usize {
        self.lists.bytes.capacity()
    }

    /// The ids, ascending.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        let end = self.start.saturating_add(self.len);
        let mut rest = self.lists.bytes.get(self.start..end).unwrap_or_default();
        let mut next = 0;
        let (mut left, ids_end) = (self.count, self.lists.ids_end);
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let id = take_difference(&mut rest)?.checked_add(next)?;
            next = id.checked_add(1)?;
            (id < ids_end).then_some(id)
        })
    }

    /// The ids as a bitmap, read once.
    pub(super) fn bitmap(&self) -> Arc<RoaringBitmap> {
        let read = || {
            let bitmap = RoaringBitmap::from_sorted_iter(self.ids());
            // They ascend by what they are made of.
            Arc::new(bitmap.unwrap_or_default())
        };
        Arc::clone(self.bitmap.get_or_init(read))
    }
}

#[inline]
fn take_difference(rest: &mut &[u8]) -> Option<u32> {
    let (&first, behind) = rest.split_first()?;
    *rest = behind;
    if first < 0x80 {
        return Some(first.into());
    }
    let mut number = u32::from(first & 0x7F);
    for shift in [7, 14, 21, 28] {
        let (&byte, behind) = rest.split_first()?;
        *rest = behind;
        number |= u32::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Memory held by a bitmap, in bytes.
pub(super) fn bitmap_bytes(ids: &RoaringBitmap) -> usize {
    let counted = ids.statistics();
    // Each container is a key and a store of 32 bytes or so in one array.
    let containers = counted.n_containers as usize * 40;
    let held = counted.n_bytes_array_containers
        + counted.n_bytes_bitset_containers
        + counted.n_bytes_run_containers;
    size_of::<RoaringBitmap>() + containers + usize::try_from(held).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::search::{KeyId, SearchIndex, Side};

    /// Tokens `t1`, `t2`... of which the one numbered `n` has about one in `n` of the keys.
    fn text(id: u32) -> String {
        let has = |token: &u32| id.wrapping_mul(0x9E37_79B1) % token == id % 3 % token;
        let tokens = (1..900).filter(has).map(|token| format!("t{token} "));
        tokens.collect()
    }

    fn bytes_of(index: &SearchIndex) -> Vec<u8> {
        let mut bytes = Vec::new();
        index.write_to(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn lists_read_late_say_and_become_what_lists_read_at_once_do() {
        let index = SearchIndex::new();
        for id in 1..3000 {
            index.insert(KeyId(id), text(id).as_bytes(), 1);
        }
        let bytes = bytes_of(&index);
        let (late, once) = (
            SearchIndex::read_late(bytes.clone()).unwrap(),
            SearchIndex::read_from(&bytes).unwrap(),
        );
        assert!(bytes_of(&late) == bytes);
        let held = late.memory_bytes().postings;
        assert!(held >= bytes.len(), "{held} of {}", bytes.len());
        for round in 0..3 {
            for token in (1..900).step_by(7) {
                for side in [Side::Whole, Side::Beginning, Side::End, Side::Inside] {
                    let find = |index: &SearchIndex| {
                        let found = index.find(format!("t{token}").as_bytes(), side, u64::MAX);
                        found.map(|found| (found.tokens, found.ids))
                    };
                    assert_eq!(find(&late), find(&once), "t{token} {side:?}");
                }
            }
            for id in (1..3000).skip(round).step_by(401) {
                for index in [&late, &once] {
                    index.replace(KeyId(id), text(id).as_bytes(), b"t1 new", 2);
                    index.remove(KeyId(id + 1), text(id + 1).as_bytes(), 2);
                    index.insert(KeyId(id + 1), b"t2 t899", 2);
                }
            }
        }
        assert!(bytes_of(&late) == bytes_of(&once));
    }

    #[test]
    fn a_list_that_nobody_wrote_gives_ids_below_the_end_or_none() {
        for bytes in [
            &b"\x09"[..],
            b"\xFF\xFF\xFF\xFF\xFF\x01",
            b"\x80",
            b"\x01\xFF\xFF\xFF\xFF\x7F",
        ] {
            let lists = StoredLists {
                bytes: bytes.to_vec(),
                ids_end: 9,
            };
            let list = StoredList::new(&Arc::new(lists), 0, bytes.len(), u32::MAX);
            let ids: Vec<u32> = list.ids().collect();
            assert!(ids.iter().all(|id| *id < 9), "{ids:?}");
            assert_eq!(list.bitmap().iter().collect::<Vec<_>>(), ids);
        }
    }
}
