//! The pages one commit makes and drops: the only [`PageSink`].
//!
//! Invariants:
//! * a page is allocated from the free pages or above the high-water mark, never from pages that
//!   are pending;
//! * nothing that the set did is visible in the writer before [`WriteSet::keep`]; until then
//!   [`WriteSet::undo`] brings everything back.

use std::ops::Range;

use btree::carry_heads;
use kv_api::{Error, Result};
use pager::{
    Error as PagerError, Extents, PageId, PageSink, PagesNeeded, Tier, TxId, WHOLE_RUN_PAGES,
};

use crate::grant::{
    AHEAD_BYTES, Grant, LARGE_COMMIT_PAGES, LONG_RUN_PAGES, may_extend, may_extend_ahead,
};
use crate::options::FreelistKind;
use crate::run_list::RunList;
use crate::writer::Writer;

/// The step of the commit protocol that follows growing the file.
type SyncLength = fn(&mut Writer) -> Result<()>;

/// Images are written out when so many bytes of them have gathered: the system begins with them while
/// the next are made, and they are still in the processor's cache.
const FLUSH_BYTES: usize = 1 << 20;
/// The same for long runs: their stretches are written whole, to be mapped by large pages.
const LONG_FLUSH_BYTES: usize = 8 << 20;

/// The pages one commit makes and drops.
pub(crate) struct WriteSet<'w> {
    pub writer: &'w mut Writer,
    sync_length: SyncLength,
    pub high_water: PageId,
    pub pages_allocated: u64,
    allocated: Vec<(PageId, u64)>,
    taken: RunList,
    freed: RunList,
    /// Pages in use before this set, below the high-water mark.
    live: u64,
    leaf_grant: Grant,
    upper_grant: Grant,
    /// Free pages that this set brought about beyond its own.
    ahead: Option<(PageId, u64)>,
    images: Vec<u8>,
    /// Bytes of images that belong to long runs.
    long_bytes: usize,
    runs: Vec<(PageId, Range<usize>)>,
    /// Pages with the keys of a page before, which is named first, and their images.
    successors: Vec<(PageId, PageId, Range<usize>)>,
    /// Why images could not be written out while the tree was, in words the tree does not have.
    failed: Option<Error>,
}

impl<'w> WriteSet<'w> {
    /// An empty set; `sync_length` makes the file's new length durable when it grows.
    pub fn new(writer: &'w mut Writer, sync_length: SyncLength) -> WriteSet<'w> {
        let mut images = std::mem::take(&mut writer.images);
        images.clear();
        let high_water = writer.current.meta.high_water;
        let waiting = writer.free.pages() + writer.pending.blocked().pages();
        WriteSet {
            high_water,
            live: high_water.0.saturating_sub(waiting),
            writer,
            sync_length,
            pages_allocated: 0,
            allocated: Vec::new(),
            taken: RunList::default(),
            freed: RunList::default(),
            leaf_grant: Grant::default(),
            upper_grant: Grant::default(),
            ahead: None,
            images,
            long_bytes: 0,
            runs: Vec::new(),
            successors: Vec::new(),
            failed: None,
        }
    }

    /// Pages that will be free after a restart if this set is kept.
    pub fn free_after_restart(&self) -> u64 {
        let pending = self.writer.pending.blocked().pages();
        let spare: u64 = self.spare().map(|(_, pages)| pages).sum();
        self.writer.free.pages() + pending + self.freed.pages() + spare
    }

    /// Runs that were taken or made and are not used.
    fn spare(&self) -> impl Iterator<Item = (PageId, u64)> + '_ {
        let granted = self.leaf_grant.runs().chain(self.upper_grant.runs());
        granted.chain(self.ahead)
    }

    /// Their runs, in no order.
    pub fn runs_free_after_restart(&self) -> impl Iterator<Item = (PageId, u64)> + '_ {
        let writer = &*self.writer;
        let waiting = writer.pending.blocked().iter().chain(self.freed.iter());
        writer.free.iter().chain(waiting).chain(self.spare())
    }

    /// The same as a set.
    pub fn extents_free_after_restart(&self) -> Extents {
        let mut free = Extents::new();
        for (start, pages) in self.runs_free_after_restart() {
            free.insert(start, pages);
        }
        free
    }

    fn take_free(&mut self, pages: u64) -> Option<PageId> {
        let id = match self.writer.rules.freelist_kind {
            FreelistKind::Hashmap => self.writer.free.take(pages),
            FreelistKind::Array => self.writer.free.take_lowest(pages),
        }?;
        self.taken.insert(id, pages);
        Some(id)
    }

    /// Runs for `pages` pages of a large commit, or for as many of them as are better granted
    /// ahead.
    fn grant_to_large(&mut self, pages: u64) -> Vec<(PageId, u64)> {
        let mut runs = Vec::new();
        let mut left = pages;
        while left > 0 {
            let longest = self.writer.free.longest().map_or(0, |(_, pages)| pages);
            if longest < LONG_RUN_PAGES.min(left) && may_extend(self.high_water, left, self.live) {
                // A limit of the file's size is none here: what is free is used instead.
                if let Ok(id) = self.extend(left) {
                    runs.push((id, left));
                    break;
                }
            }
            let run = if longest >= left {
                self.take_free(left).map(|id| (id, left))
            } else {
                self.take_longest(left)
            };
            let Some(run) = run else { break };
            left -= run.1;
            runs.push(run);
        }
        runs
    }

    /// One run for the upper pages of a small commit, of pages that are new to the file if there
    /// is no other.
    fn grant_upper_to_small(&mut self, pages: u64) -> Vec<(PageId, u64)> {
        if pages == 0 {
            return Vec::new();
        }
        if let Some(id) = self.take_free(pages) {
            return vec![(id, pages)];
        }
        match self.extend_ahead(pages) {
            Some(id) => vec![(id, pages)],
            None => self.grant_to_small(pages),
        }
    }

    /// Extends the file by more than `pages` pages, of which the rest is written as zeros: a page
    /// whose blocks exist is synced in half the time of one that the file system has yet to place.
    fn extend_ahead(&mut self, pages: u64) -> Option<PageId> {
        let ahead = AHEAD_BYTES / self.writer.pager.page_bytes() as u64;
        if ahead <= pages || !may_extend_ahead(self.high_water, ahead, self.live) {
            return None;
        }
        let id = self.extend(ahead).ok()?;
        let (start, end) = (PageId(id.0 + pages), id.0 + ahead);
        // One by one: pages will be written here one by one for ever, which long pieces of cache make
        // slow. They are the first images of the set, and fewer bytes than are flushed at once.
        for page in start.0..end {
            self.image(PageId(page), 1, &[]).ok()?;
        }
        self.ahead = Some((start, end - start.0));
        Some(id)
    }

    /// The longest runs there are, none of which has `pages` pages, or one that has.
    fn grant_to_small(&mut self, pages: u64) -> Vec<(PageId, u64)> {
        let mut runs = Vec::new();
        let mut left = pages;
        while left > 0 {
            let whole = self.take_free(left).map(|id| (id, left));
            let Some(run) = whole.or_else(|| self.take_longest(left)) else {
                break;
            };
            left -= run.1;
            runs.push(run);
        }
        runs
    }

    fn take_longest(&mut self, pages_max: u64) -> Option<(PageId, u64)> {
        let run = self.writer.free.take_longest(pages_max)?;
        self.taken.insert(run.0, run.1);
        Some(run)
    }

    /// Pages above the high-water mark, if no limit stands against them.
    fn extend(&mut self, pages: u64) -> pager::Result<PageId> {
        let start = self.high_water;
        let end = PageId(start.0.saturating_add(pages));
        self.writer.pager.reserve(end)?;
        self.high_water = end;
        Ok(start)
    }

    /// Gives back pages above every one that is used, if the mark went up for more than were needed:
    /// nothing would be written there, so the file might end before them.
    pub fn give_back_end(&mut self) {
        let from = self.writer.current.meta.high_water;
        for grant in [&mut self.leaf_grant, &mut self.upper_grant] {
            if let Some(start) = grant.give_up_end(from, self.high_water) {
                self.high_water = start;
            }
        }
    }

    /// Grows the file for every page allocated so far and writes all images that have gathered.
    pub fn flush(&mut self) -> Result<()> {
        let written = self.grow().and_then(|()| self.write_out());
        if let (Ok(()), Some(tables)) = (&written, self.writer.pager.side_tables()) {
            for (before, id, image) in &self.successors {
                let image = self.images.get(image.clone()).unwrap_or_default();
                carry_heads(tables, *before, *id, image);
            }
        }
        self.successors.clear();
        self.images.clear();
        self.long_bytes = 0;
        self.runs.clear();
        written
    }

    fn grow(&mut self) -> Result<()> {
        let writer = &mut *self.writer;
        if !writer
            .pager
            .grow(self.high_water)
            .map_err(|error| writer.blame(error))?
        {
            return Ok(());
        }
        writer.length_unsynced = true;
        (self.sync_length)(writer)
    }

    fn write_out(&mut self) -> Result<()> {
        self.runs.sort_unstable_by_key(|(id, _)| *id);
        let runs: Vec<(PageId, &[u8])> = self
            .runs
            .iter()
            .map(|(id, range)| (*id, self.images.get(range.clone()).unwrap_or_default()))
            .collect();
        let writer = &mut *self.writer;
        let counters = &writer.current.counters;
        counters.add(
            &counters.writes,
            stretches(&runs, writer.pager.page_bytes()),
        );
        counters.add(&counters.bytes_written, self.images.len() as u64);
        writer
            .pager
            .write_runs(&runs, !writer.rules.no_sync)
            .map_err(|error| writer.blame(error))
    }

    /// Makes the set part of the writer: version `txid` was born with it.
    pub fn keep(self, txid: TxId) {
        let spare: Vec<(PageId, u64)> = self.spare().collect();
        let WriteSet {
            writer,
            allocated,
            freed,
            images,
            ..
        } = self;
        writer.pending.note_births(allocated, txid);
        for (id, pages) in freed.iter() {
            writer.pending.add(id, pages, txid);
        }
        for (id, pages) in spare {
            writer.free.insert(id, pages);
        }
        let counters = &writer.current.counters;
        counters.add(&counters.pages_allocated, self.pages_allocated);
        writer.images = images;
    }

    /// Gives back every page that was taken; answers why images could not be written, if that is
    /// what went wrong.
    pub fn undo(self) -> Option<Error> {
        for (id, pages) in self.taken.iter() {
            self.writer.free.insert(id, pages);
        }
        self.writer.images = self.images;
        self.failed
    }
}

/// Stretches of neighbouring pages among sorted runs: each is written in one call.
fn stretches(runs: &[(PageId, &[u8])], page_bytes: usize) -> u64 {
    let mut next = None;
    let starts = runs.iter().filter(|(id, bytes)| {
        let pages = bytes.len().checked_div(page_bytes).unwrap_or(0);
        next.replace(id.0 + pages as u64) != Some(id.0)
    });
    starts.count() as u64
}

impl PageSink for WriteSet<'_> {
    fn expect_pages(&mut self, needed: PagesNeeded) {
        if needed.total() < LARGE_COMMIT_PAGES {
            self.upper_grant = Grant::of_small(self.grant_upper_to_small(needed.upper));
            self.leaf_grant = Grant::of_small(self.grant_to_small(needed.leaf));
        } else {
            self.upper_grant = Grant::new(self.grant_to_large(needed.upper));
            self.leaf_grant = Grant::new(self.grant_to_large(needed.leaf));
        }
    }

    fn allocate(&mut self, tier: Tier, pages: u64) -> pager::Result<PageId> {
        let grant = match tier {
            Tier::Leaf => &mut self.leaf_grant,
            Tier::Upper => &mut self.upper_grant,
        };
        let id = match grant.take(pages).or_else(|| self.take_free(pages)) {
            Some(id) => id,
            None => self.extend(pages)?,
        };
        self.allocated.push((id, pages));
        self.pages_allocated += pages;
        Ok(id)
    }

    fn image(&mut self, id: PageId, pages: u64, beginning: &[u8]) -> pager::Result<&mut [u8]> {
        let too_long = || PagerError::page(id, "a run too long for this machine");
        let page_bytes = self.writer.pager.page_bytes();
        let len = usize::try_from(pages)
            .ok()
            .and_then(|pages| pages.checked_mul(page_bytes));
        let len = len.ok_or_else(too_long)?;
        let flush_bytes = match 2 * self.long_bytes > self.images.len() {
            true => LONG_FLUSH_BYTES,
            false => FLUSH_BYTES,
        };
        if self.images.len() + len > flush_bytes && !self.runs.is_empty() {
            self.flush().map_err(|error| {
                self.failed = Some(error);
                PagerError::page(id, "pages before this one could not be written")
            })?;
        }
        if pages >= WHOLE_RUN_PAGES {
            self.long_bytes += len;
        }
        let start = self.images.len();
        self.images.extend_from_slice(beginning);
        self.images.resize(start + len, 0);
        self.runs.push((id, start..start + len));
        self.images.get_mut(start..).ok_or_else(too_long)
    }

    fn succeed(&mut self, before: PageId, id: PageId) {
        if let Some((_, image)) = self.runs.last().filter(|(last, _)| *last == id) {
            self.successors.push((before, id, image.clone()));
        }
    }

    fn free(&mut self, id: PageId, pages: u64) -> pager::Result<()> {
        let end = id.0.saturating_add(pages);
        let inside = id.0 >= 2 && end <= self.high_water.0;
        let free = self.writer.free.overlaps(id, pages)
            || self.taken.overlaps(id, pages)
            || self.writer.pending.blocked().overlaps(id, pages);
        if !inside || free || !self.freed.insert(id, pages) {
            return Err(PagerError::page(
                id,
                "a page of the tree is free, or in it twice",
            ));
        }
        Ok(())
    }
}
