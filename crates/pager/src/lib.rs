//! Pages, metas, free extents, growth: the physical layer of a file in bbolt's format, version 2.
//!
//! The one invariant of this layer: **it knows space, not time.** Which version needs which page
//! is decided above, in `txn`; this crate reads, writes and counts pages and would reuse any page
//! it is told is free.
//!
//! The format is written down in `docs/format/bolt.md`.

mod error;
mod extents;
mod freelist;
mod growth;
mod id;
mod meta;
mod page;
mod page_set;
mod page_view;
mod pager;
mod probe;
mod side_table;
mod source;
mod wire;

pub use disk::prefetch;
pub use error::{Error, Result};
pub use extents::Extents;
pub use freelist::{FreelistImage, freelist_bytes, read_freelist};
pub use growth::{ALLOCATION_STEP_BYTES, Growth, MAP_BYTES_MAX};
pub use id::{PageId, TxId};
pub use meta::{META_BYTES, META_WRITE_BYTES, Meta, NO_FREELIST, Slot};
pub use page::{HEADER_BYTES, Page, PageKind, write_header};
pub use page_set::PageSet;
pub use page_view::PageView;
pub use pager::{FileOptions, OpenedFile, Pager, WHOLE_RUN_PAGES, initial_image};
pub use probe::{PAGE_BYTES_MAX, PAGE_BYTES_MIN};
pub use side_table::{SideTable, SideTables, Words};
pub use source::{PageSink, PageSource, PagesNeeded, Tier};
pub use wire::{u16_at, u32_at, u64_at};
