//! B+trees over pages: elements, nodes, cursors and buckets.
//!
//! The one invariant of this layer: **it sees pages only through [`pager::PageSource`] and
//! [`pager::PageSink`].** Reading is given the first, so it cannot allocate; writing a finished
//! tree is given the second, so it cannot decide when a page may be reused.
//!
//! A tree that is being changed holds the nodes it has touched in an arena; everything else stays
//! on its pages. Nodes split when they grow and merge when the change is settled, just before it
//! is written.

mod bucket;
mod bucket_tree;
mod buckets;
mod build;
mod child;
mod counts;
mod cursor;
mod depth;
mod emit;
mod entry;
mod error;
mod heads;
mod layout;
mod node;
mod node_ref;
mod order;
mod puts;
mod settle;
mod split;
mod statistics;
mod tree;
mod tree_ref;
mod walk;

pub use bucket::{BUCKET_HEADER_BYTES, BucketHeader, EntryKind, entry_kind};
pub use buckets::{BucketId, Buckets};
pub use counts::TreeCounts;
pub use cursor::Cursor;
pub use depth::DEPTH_MAX;
pub use entry::Entry;
pub use error::{Error, Result};
pub use heads::carry as carry_heads;
pub use layout::{ELEMENTS_MAX, Elements, KEY_BYTES_MAX, VALUE_BYTES_MAX};
pub use statistics::{BucketStatistics, bucket_statistics};
pub use tree_ref::TreeRef;
pub use walk::{Walk, WalkStep};
