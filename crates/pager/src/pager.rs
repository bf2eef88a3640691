//! One file of pages: made, opened, grown, written and synced on its owner's word.
//!
//! Invariants:
//! * a page is only lent below a high-water mark that lies inside the file;
//! * a mapping is replaced, never changed: whoever reads through an older one keeps it alive;
//! * nothing here decides when to sync. Whoever writes calls [`Pager::sync_data`] and
//!   [`Pager::sync_all`] in the order that its own argument needs.

use std::io::IoSlice;
use std::sync::Arc;

use disk::{
    File, MapOptions, ReadView, View, read_exact_at, write_all_at, write_all_vectored_at,
    write_all_whole_at,
};

use crate::id::{PageId, TxId};
use crate::meta::{Meta, Slot};
use crate::page::{PageKind, write_header};
use crate::page_view::PageView;
use crate::probe::probe;
use crate::side_table::SideTables;
use crate::{Error, Growth, PAGE_BYTES_MIN, Result};

/// How a file is read and grown.
#[derive(Clone, Copy, Debug)]
pub struct FileOptions {
    /// Read by copying instead of mapping: for files that nobody vouches for.
    pub read_without_mapping: bool,
    /// The least number of bytes to map at first.
    pub initial_map_bytes: u64,
    /// Read the file ahead into every mapping.
    pub populate: bool,
    /// Keep the mapped part of the file in memory.
    pub lock_in_memory: bool,
    /// Leave the file's length to the page writes instead of growing it ahead.
    pub no_grow: bool,
    /// The longest the file may become.
    pub file_bytes_max: Option<u64>,
    /// The step it grows by.
    pub step_bytes: u64,
    /// Memory for what readers work out about pages.
    pub side_table_bytes_max: usize,
}

/// A file just opened, with the version it holds.
#[derive(Debug)]
pub struct OpenedFile {
    /// The file.
    pub pager: Pager,
    /// The newest valid meta.
    pub meta: Meta,
    /// Where that meta stands.
    pub slot: Slot,
}

/// One file of pages.
#[derive(Debug)]
pub struct Pager {
    file: Arc<dyn File>,
    options: FileOptions,
    growth: Growth,
    file_bytes: u64,
    map_bytes: u64,
    view: Option<Arc<dyn View>>,
    side_tables: Option<Arc<SideTables>>,
}

impl Pager {
    /// Opens a file that has been made before.
    ///
    /// # Errors
    ///
    /// [`Error::InterruptedInit`] for the remains of a file that was never fully made,
    /// [`Error::Corrupt`] for anything else that is not a database.
    pub fn open(file: Arc<dyn File>, options: FileOptions) -> Result<OpenedFile> {
        let probed = probe(&*file).map_err(|error| match error {
            Error::Corrupt { .. } if is_interrupted_init(&*file) => Error::InterruptedInit,
            other => other,
        })?;
        let growth = Growth {
            page_bytes: u64::from(probed.meta.page_bytes),
            step_bytes: options.step_bytes,
            file_bytes_max: options.file_bytes_max,
        };
        let map_bytes = growth.map_bytes(probed.file_bytes.max(options.initial_map_bytes))?;
        // Bytes that nobody vouches for are looked at anew each time.
        let side_tables = (options.side_table_bytes_max > 0 && !options.read_without_mapping)
            .then(|| Arc::new(SideTables::new(options.side_table_bytes_max)));
        let pager = Pager {
            file,
            options,
            growth,
            file_bytes: probed.file_bytes,
            map_bytes,
            view: None,
            side_tables,
        };
        Ok(OpenedFile {
            pager,
            meta: probed.meta,
            slot: probed.slot,
        })
    }

    /// Bytes per page.
    pub fn page_bytes(&self) -> usize {
        usize::try_from(self.growth.page_bytes).unwrap_or(usize::MAX)
    }

    /// The file's length.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// The mapping's length, by the rule of growth.
    pub fn map_bytes(&self) -> u64 {
        self.map_bytes
    }

    /// The file itself, for copying.
    pub fn file(&self) -> &Arc<dyn File> {
        &self.file
    }

    /// The pages below `high_water`, all of which must have been written and lie in the file.
    pub fn view(&mut self, high_water: PageId) -> Result<PageView> {
        let needed = high_water.0.saturating_mul(self.growth.page_bytes);
        if needed > self.file_bytes {
            return Err(Error::file("pages past the end of the file"));
        }
        let view = match self.view.take().filter(|view| view.follows_writes()) {
            Some(view) if view.len() >= needed => view,
            _ => self.new_view()?,
        };
        self.view = Some(Arc::clone(&view));
        let pages = PageView::new(view, self.page_bytes(), high_water);
        Ok(pages.with_side_tables(self.side_tables.clone()))
    }

    fn new_view(&mut self) -> Result<Arc<dyn View>> {
        if self.options.read_without_mapping {
            let file = Arc::clone(&self.file);
            return Ok(Arc::new(ReadView::new(
                file,
                self.file_bytes,
                self.growth.page_bytes,
            )));
        }
        self.map_bytes = self.growth.map_bytes(self.file_bytes.max(self.map_bytes))?;
        let lock_bytes = if self.options.lock_in_memory {
            self.file_bytes
        } else {
            0
        };
        let options = MapOptions {
            len: self.map_bytes,
            populate: self.options.populate,
            lock_bytes,
        };
        tracing::debug!(
            map_bytes = self.map_bytes,
            file_bytes = self.file_bytes,
            "mapping"
        );
        // SAFETY: (1) Pages are asked for below a version's high-water mark only, and `view`
        // refuses marks past the end of the file, so no byte past the end is touched. (2) The
        // file's lock keeps other processes that honour it from cutting it, and this crate never
        // shortens a file. (3) A page that a version can reach is not written to while that
        // version lives: `txn` gives a page back for reuse only when no living version was born
        // at or after it and before its release (see `docs/durability.md`), and metas are never
        // read through the map.
        #[allow(unsafe_code, reason = "the one place a bolt file is mapped")]
        unsafe { self.file.map(&options) }.map_err(Error::io("mapping the file"))
    }

    /// Whether pages below `high_water` fit the limits, growing the rule's idea of the mapping.
    /// Touches nothing on disk.
    pub fn reserve(&mut self, high_water: PageId) -> Result<()> {
        let needed = high_water
            .0
            .saturating_add(1)
            .saturating_mul(self.growth.page_bytes);
        if needed > self.map_bytes {
            self.map_bytes = self.growth.map_bytes(needed.max(self.file_bytes))?;
        }
        self.growth
            .file_bytes(high_water, self.file_bytes, self.map_bytes)
            .map(drop)
    }

    /// Grows the file for pages below `high_water`; answers whether its length changed. The new
    /// length is not durable before [`Pager::sync_all`].
    pub fn grow(&mut self, high_water: PageId) -> Result<bool> {
        let wanted = self
            .growth
            .file_bytes(high_water, self.file_bytes, self.map_bytes)?;
        if self.options.no_grow || wanted <= self.file_bytes {
            return Ok(false);
        }
        self.file
            .set_len(wanted)
            .map_err(Error::io("growing the file"))?;
        tracing::debug!(
            from_bytes = self.file_bytes,
            to_bytes = wanted,
            "file grown"
        );
        self.file_bytes = wanted;
        Ok(true)
    }

    /// Writes runs of whole pages, ascending by number; neighbours go out together. `begin` says that
    /// they will be synced next, so that the system may as well begin with long stretches.
    pub fn write_runs(&mut self, runs: &[(PageId, &[u8])], begin: bool) -> Result<()> {
        if let Some(tables) = &self.side_tables {
            runs.iter().for_each(|(id, _)| tables.forget(*id));
        }
        let page_bytes = self.growth.page_bytes;
        let mut rest = runs;
        while let Some((first, _)) = rest.first() {
            let mut next = first.0;
            let neighbours = rest.iter().take_while(|(id, bytes)| {
                let fits = id.0 == next;
                next += match fits {
                    true => bytes.len() as u64 / page_bytes,
                    false => 0,
                };
                fits
            });
            let mut slices: Vec<IoSlice<'_>> =
                neighbours.map(|(_, bytes)| IoSlice::new(bytes)).collect();
            let (count, offset) = (slices.len(), first.0.saturating_mul(page_bytes));
            let mostly_long = are_mostly_long(&slices, page_bytes);
            let written = match slices.as_slice() {
                _ if mostly_long => write_all_whole_at(&*self.file, &mut slices, offset),
                // The plain call is the cheaper one.
                [one] => write_all_at(&*self.file, one, offset),
                _ => write_all_vectored_at(&*self.file, &mut slices, offset),
            };
            written.map_err(Error::io("writing pages"))?;
            let end = next.saturating_mul(page_bytes);
            if begin && end - offset >= WORTH_BEGINNING_BYTES {
                self.file.start_writing(offset, end - offset);
            }
            self.file_bytes = self.file_bytes.max(end);
            rest = rest.get(count..).unwrap_or_default();
        }
        if let Some(tables) = &self.side_tables {
            tables.note_written(runs);
        }
        Ok(())
    }

    /// What readers work out about pages, if that is kept.
    pub fn side_tables(&self) -> Option<&SideTables> {
        self.side_tables.as_deref()
    }

    /// Drops what readers worked out about the run at `id`, which no version has any more: kept, it
    /// would only stand in the way of pages that are still read.
    pub fn forget(&self, id: PageId) {
        if let Some(tables) = &self.side_tables {
            tables.forget(id);
        }
    }

    /// Writes a meta into `slot`.
    pub fn write_meta(&self, slot: Slot, meta: &Meta) -> Result<()> {
        let written = write_all_at(&*self.file, &meta.record(slot.page()), self.offset(slot));
        written.map_err(Error::io("writing the meta"))
    }

    /// Writes a meta into `slot` and makes it durable, and nothing else.
    pub fn write_meta_durably(&self, slot: Slot, meta: &Meta) -> Result<()> {
        let record = meta.record(slot.page());
        let written = self.file.write_durable_at(&record, self.offset(slot));
        written.map_err(Error::io("writing and syncing the meta"))
    }

    fn offset(&self, slot: Slot) -> u64 {
        slot.page().0.saturating_mul(self.growth.page_bytes)
    }

    /// Makes written pages durable.
    pub fn sync_data(&self) -> Result<()> {
        self.file.sync_data().map_err(Error::io("syncing the file"))
    }

    /// Makes written pages and the file's length durable.
    pub fn sync_all(&self) -> Result<()> {
        self.file.sync_all().map_err(Error::io("syncing the file"))
    }
}

/// The four pages of a new file: two metas, an empty freelist, an empty leaf.
pub fn initial_image(page_bytes: u32) -> Vec<u8> {
    let meta = |txid| Meta {
        page_bytes,
        flags: 0,
        root: PageId(3),
        root_sequence: 0,
        freelist: PageId(2),
        high_water: PageId(4),
        txid: TxId(txid),
    };
    let mut image = meta(0).page_image(PageId(0));
    image.extend(meta(1).page_image(PageId(1)));
    for (id, kind) in [(PageId(2), PageKind::Freelist), (PageId(3), PageKind::Leaf)] {
        let mut page = vec![0; usize::try_from(page_bytes).unwrap_or(usize::MAX)];
        write_header(&mut page, id, kind, 0, 0);
        image.extend(page);
    }
    image
}

/// Whether a file without a valid meta is what a crash can leave of [`initial_image`]: no longer
/// than it, and every 512-byte sector either written or still zero.
fn is_interrupted_init(file: &dyn File) -> bool {
    let Ok(len) = file.len() else { return false };
    let sizes = (0..7).map(|power| PAGE_BYTES_MIN << power);
    sizes
        .filter(|page_bytes| len <= 4 * u64::from(*page_bytes))
        .any(|page_bytes| {
            let expected = initial_image(page_bytes);
            let mut found = vec![0; usize::try_from(len).unwrap_or(0)];
            read_exact_at(file, &mut found, 0).is_ok()
                && found
                    .chunks(512)
                    .zip(expected.chunks(512))
                    .all(|(found, expected)| {
                        found.iter().all(|byte| *byte == 0) || expected.starts_with(found)
                    })
        })
}
/// Runs of so many pages are written and replaced whole. Shorter ones leave room among them that single pages
/// go to, and those are written slowly into long pieces of cache.
pub const WHOLE_RUN_PAGES: u64 = 8;

/// Shorter stretches are left to the sync, which joins them to what comes to lie beside them.
const WORTH_BEGINNING_BYTES: u64 = 256 << 10;

/// Whether more than half of the bytes of these runs are those of long ones.
fn are_mostly_long(runs: &[IoSlice<'_>], page_bytes: u64) -> bool {
    let (mut bytes, mut long_bytes) = (0, 0);
    for run in runs {
        let run_bytes = run.len() as u64;
        bytes += run_bytes;
        long_bytes += match run_bytes >= WHOLE_RUN_PAGES * page_bytes {
            true => run_bytes,
            false => 0,
        };
    }
    long_bytes * 2 > bytes
}
