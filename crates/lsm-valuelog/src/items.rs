//! A walk over items.
//!
//! Invariants:
//! * what is ready lies on the way just behind what was given last;
//! * in a transaction, all that was read ahead counts as read;
//! * an error is given again for ever, until the walk is placed anew.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;

use kv_api::{Error, Result};

use crate::entry::{Extra, Kind};
use crate::id::Sequence;
use crate::item::{Item, Parts};
use crate::item_options::ItemOptions;
use crate::key::{StoredRange, after, space_code_bytes};
use crate::merge::{Child, Merge};
use crate::read_set::ReadSet;
use crate::slice::Slice;
use crate::state::State;
use crate::table::filter::key_hash;
use crate::table::reader::Table;
use crate::write_set::WriteSet;

/// Bytes of values that are fetched ahead at most.
const PREFETCH_BYTES: u64 = 4 << 20;

/// Items over some keys of one space, one way; an iterator of results.
///
/// Several may be under way at once. [`seek`](Items::seek) and [`rewind`](Items::rewind) place it
/// anew.
pub struct Items<'a> {
    state: &'a State,
    merge: Merge<'a>,
    at: Sequence,
    now: u64,
    range: StoredRange,
    options: ItemOptions,
    reads: Option<&'a RefCell<ReadSet>>,
    is_placed: bool,
    /// What was gone over and is not noted yet.
    seen: Option<StoredRange>,
    /// The key whose versions the sources stand among, and whether the rest of them is garbage.
    key: Vec<u8>,
    key_is_over: bool,
    /// Versions of one key, on the way back.
    group: VecDeque<Item<'a>>,
    ready: VecDeque<Result<Item<'a>>>,
    batch: usize,
    failed: Option<Error>,
}

/// What a walk goes over.
pub(crate) struct Ground<'a> {
    pub state: &'a State,
    pub at: Sequence,
    pub now: u64,
    /// The space, or the part of it that holds the keys.
    pub range: StoredRange,
    pub own: Option<(&'a WriteSet, &'a RefCell<ReadSet>)>,
    /// The one key asked for.
    pub only: bool,
}

/// Whether `table` may hold something that a walk shows.
fn is_of_use(table: &Arc<Table>, ground: &Ground<'_>, since: Sequence) -> Result<bool> {
    let range = &ground.range;
    let meets = table.meta.smallest < range.end && table.meta.biggest >= range.start;
    if !meets || table.meta.max_sequence <= since {
        return Ok(false);
    }
    Ok(!ground.only || table.may_hold(key_hash(&range.start))?)
}

fn children<'a>(ground: &Ground<'a>, since: Sequence) -> Result<Vec<Child<'a>>> {
    let mut children = Vec::new();
    if let Some((writes, _)) = ground.own
        && !writes.is_empty()
    {
        children.push(Child::own(writes));
    }
    let memtables = ground.state.memtables();
    children.extend(
        memtables
            .filter(|memtable| !memtable.is_empty())
            .map(Child::memory),
    );
    for (level, tables) in ground.state.version.levels.iter().enumerate() {
        let mut rest = tables.as_slice();
        while let Some((first, behind)) = rest.split_first() {
            if !is_of_use(first, ground, since)? {
                rest = behind;
                continue;
            }
            let mut count = 1;
            while level > 0
                && let Some(next) = rest.get(count)
                && is_of_use(next, ground, since)?
            {
                count += 1;
            }
            let (run, behind) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            children.push(Child::run(run));
            rest = behind;
        }
    }
    Ok(children)
}

impl<'a> Items<'a> {
    pub(crate) fn new(ground: Ground<'a>, options: &ItemOptions) -> Result<Items<'a>> {
        let children = children(&ground, options.since)?;
        Ok(Items {
            state: ground.state,
            merge: Merge::new(children),
            at: ground.at,
            now: ground.now,
            range: ground.range,
            options: options.clone(),
            reads: ground.own.map(|(_, reads)| reads),
            is_placed: false,
            seen: None,
            key: Vec::new(),
            key_is_over: false,
            group: VecDeque::new(),
            ready: VecDeque::new(),
            batch: 1,
            failed: None,
        })
    }

    /// Goes on with the first key at or behind `key` on the way: at or after it, or at or before
    /// it in a walk from the last key to the first. A key out of range counts as the nearer end.
    pub fn seek(&mut self, key: &[u8]) {
        let code = space_code_bytes(&self.range.start);
        let code = self.range.start.get(..code).unwrap_or_default();
        let mut place = [code, key].concat();
        if self.options.is_reverse {
            place = after(place);
        }
        self.place(place);
    }

    /// Goes on at the beginning of the way.
    pub fn rewind(&mut self) {
        let place = if self.options.is_reverse {
            self.range.end.clone()
        } else {
            self.range.start.clone()
        };
        self.place(place);
    }

    fn place(&mut self, place: Vec<u8>) {
        self.note_seen();
        // A range may end before it begins, and is empty then.
        let (start, end) = (&self.range.start, &self.range.end);
        let place = place.min(end.clone()).max(start.clone());
        self.is_placed = true;
        self.failed = None;
        self.ready.clear();
        self.group.clear();
        self.key.clear();
        self.key_is_over = false;
        self.batch = 1;
        let moved = if self.options.is_reverse {
            self.merge.seek_before(&place, Sequence(u64::MAX))
        } else {
            self.merge.seek(&place, Sequence(u64::MAX))
        };
        self.seen = self.reads.map(|_| StoredRange {
            start: place.clone(),
            end: place,
        });
        if let Err(error) = moved {
            self.ready.push_back(Err(error));
        }
    }

    /// Counts everything up to `key`, or all there is, as read.
    fn see(&mut self, key: Option<&[u8]>) {
        let Some(seen) = &mut self.seen else {
            return;
        };
        if self.options.is_reverse {
            seen.start = key.map_or_else(|| self.range.start.clone(), <[u8]>::to_vec);
        } else {
            let end = key.map(|key| after(key.to_vec()));
            seen.end = end.unwrap_or_else(|| self.range.end.clone());
        }
    }

    fn note_seen(&mut self) {
        if let (Some(reads), Some(seen)) = (self.reads, self.seen.take()) {
            reads.borrow_mut().add_range(seen);
        }
    }

    /// The version that the sources stand on, as an item, if its reader may see it.
    fn here(&self) -> Option<Item<'a>> {
        let entry = self.merge.entry()?;
        let is_own = entry.sequence == Sequence(u64::MAX);
        if !is_own && entry.sequence > self.at || self.state.version.hides(entry.key) {
            return None;
        }
        let (kind, extra) = (entry.kind, entry.extra);
        let version = if is_own { self.at } else { entry.sequence };
        let (key, stored) = self.merge.top()?.lend()?;
        let code = space_code_bytes(&key);
        let parts = Parts {
            key: key.part(code, key.len()),
            version,
            kind,
            extra,
            stored,
        };
        Some(Item::new(self.state, self.now, parts))
    }

    /// Whether the version that the sources stand on is newer than what was asked for.
    fn is_recent(&self) -> bool {
        let entry = self.merge.entry();
        entry.is_some_and(|entry| entry.sequence > self.options.since)
    }

    /// Whether the sources stand in the range; takes note of a new key.
    fn enter_key(&mut self) -> bool {
        let Some(entry) = self.merge.entry() else {
            return false;
        };
        if !self.range.contains(entry.key) {
            return false;
        }
        if self.key != entry.key {
            self.key.clear();
            self.key.extend_from_slice(entry.key);
            self.key_is_over = false;
        }
        true
    }

    fn forward(&mut self) -> Result<Option<Item<'a>>> {
        while self.enter_key() {
            let found = if self.key_is_over { None } else { self.here() };
            let is_recent = self.is_recent();
            self.merge.advance()?;
            let Some(item) = found else {
                continue;
            };
            let all = self.options.shows_all_versions;
            self.key_is_over = !all || item.discards_earlier_versions();
            let is_shown = all || self.options.shows_deleted || !item.is_deleted_or_expired();
            if is_recent && is_shown {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    /// The versions of a key come oldest first here, so what makes some of them garbage comes
    /// last: they are gathered before they are given.
    fn backward(&mut self) -> Result<Option<Item<'a>>> {
        loop {
            if let Some(item) = self.group.pop_front() {
                return Ok(Some(item));
            }
            if !self.enter_key() {
                return Ok(None);
            }
            let mut newest_is_recent = false;
            while let Some(entry) = self.merge.entry()
                && entry.key == self.key.as_slice()
            {
                if let Some(item) = self.here() {
                    newest_is_recent = self.is_recent();
                    let all = self.options.shows_all_versions;
                    if !all || item.discards_earlier_versions() {
                        self.group.clear();
                    }
                    if !all || newest_is_recent {
                        self.group.push_back(item);
                    }
                }
                self.merge.advance()?;
            }
            if !self.options.shows_all_versions {
                let shows_deleted = self.options.shows_deleted;
                let is_shown = |item: &Item<'_>| shows_deleted || !item.is_deleted_or_expired();
                self.group.retain(|item| newest_is_recent && is_shown(item));
            }
        }
    }

    fn step(&mut self) -> Result<Option<Item<'a>>> {
        let item = if self.options.is_reverse {
            self.backward()?
        } else {
            self.forward()?
        };
        if self.seen.is_some() {
            let key = item.is_some().then(|| std::mem::take(&mut self.key));
            self.see(key.as_deref());
            self.key = key.unwrap_or_default();
        }
        Ok(item)
    }

    /// Reads ahead.
    fn fill(&mut self) {
        let mut bytes = 0;
        while self.ready.len() < self.batch && bytes < PREFETCH_BYTES {
            match self.step() {
                Ok(Some(item)) => {
                    bytes += item.value_bytes();
                    self.ready.push_back(Ok(item));
                }
                Ok(None) => break,
                Err(error) => {
                    self.ready.push_back(Err(error));
                    break;
                }
            }
        }
        self.batch = (self.batch * 2).min(self.options.prefetch_items);
        if self.options.prefetches_values {
            self.fetch_values();
        }
    }

    /// Fetches values in the order in which they lie in their files.
    fn fetch_values(&mut self) {
        let items = self.ready.iter_mut().enumerate();
        let mut places: Vec<_> = items
            .filter_map(|(at, item)| {
                let pointer = item.as_ref().ok()?.pointer()?;
                Some((pointer.file, pointer.offset, at))
            })
            .collect();
        places.sort_unstable();
        for (_, _, at) in places {
            if let Some(slot) = self.ready.get_mut(at)
                && let Ok(item) = slot
                && let Err(error) = item.fetch()
            {
                *slot = Err(error);
            }
        }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Item<'a>>;

    fn next(&mut self) -> Option<Result<Item<'a>>> {
        if let Some(error) = &self.failed {
            return Some(Err(error.clone()));
        }
        if !self.is_placed {
            self.rewind();
        }
        if self.ready.is_empty() {
            self.fill();
        }
        let next = self.ready.pop_front()?;
        self.failed = next.as_ref().err().cloned();
        Some(next)
    }
}

impl Drop for Items<'_> {
    fn drop(&mut self) {
        self.note_seen();
    }
}

/// What a slice of a key and a slice of a value make, where there is no walk.
pub(crate) fn found_item<'a>(
    state: &'a State,
    now: u64,
    key: &[u8],
    found: (Sequence, Kind, Extra, Slice<'a>),
) -> Item<'a> {
    let (version, kind, extra, stored) = found;
    let parts = Parts {
        key: Slice::copied(key),
        version,
        kind,
        extra,
        stored,
    };
    Item::new(state, now, parts)
}
