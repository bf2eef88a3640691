//! One version of the database, to read from.

use std::sync::{Arc, OnceLock};

use btree::{BucketHeader, TreeRef};
use kv_api::Result;
use pager::{NO_FREELIST, PageView};

use crate::bucket::Bucket;
use crate::cursor::Cursor;
use crate::space_table::fresh_stamp;
use crate::version::Version;

/// What a database is, besides what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Bytes per page.
    pub page_bytes: u32,
    /// The current version's transaction number.
    pub txid: u64,
    /// The first page never used.
    pub high_water: u64,
    /// Bytes of all pages in use or free: the length of a backup.
    pub size_bytes: u64,
    /// Root page of the top bucket.
    pub root_page: u64,
    /// First page of the stored freelist, if one is stored.
    pub freelist_page: Option<u64>,
}

/// One version of the database, owned: it may be kept, cloned and sent to other threads. Writers
/// never wait for it, nor it for them; pages it can see are not reused while it lives.
#[derive(Debug)]
pub struct Snapshot {
    version: Arc<Version>,
    /// Sets this snapshot's spaces apart from every other reader's; drawn when the first is
    /// resolved, so that a snapshot without spaces costs nothing for it.
    stamp: OnceLock<u64>,
}

impl Snapshot {
    pub(crate) fn new(version: Arc<Version>) -> Snapshot {
        let counters = &version.counters;
        counters.add(&counters.snapshots_begun, 1);
        let stamp = OnceLock::new();
        Snapshot { version, stamp }
    }

    pub(crate) fn stamp(&self) -> u64 {
        *self.stamp.get_or_init(fresh_stamp)
    }

    pub(crate) fn version(&self) -> &Arc<Version> {
        &self.version
    }

    pub(crate) fn pages(&self) -> &PageView {
        &self.version.pages
    }

    /// The number of the transaction that made this version.
    pub fn id(&self) -> u64 {
        self.version.meta.txid.0
    }

    /// Bytes of all pages of this version: the length of its backup.
    pub fn size_bytes(&self) -> u64 {
        self.version.meta.high_water.0 * u64::from(self.version.meta.page_bytes)
    }

    /// What the database is in this version.
    pub fn info(&self) -> Info {
        let meta = self.version.meta;
        Info {
            page_bytes: meta.page_bytes,
            txid: meta.txid.0,
            high_water: meta.high_water.0,
            size_bytes: self.size_bytes(),
            root_page: meta.root.0,
            freelist_page: Some(meta.freelist.0).filter(|_| meta.freelist != NO_FREELIST),
        }
    }

    /// The top bucket, which holds the others. It may also hold pairs, though bbolt's own
    /// interface makes none.
    pub fn root(&self) -> Bucket<'_> {
        let meta = self.version.meta;
        let header = BucketHeader {
            root: meta.root,
            sequence: meta.root_sequence,
        };
        Bucket::top(header, TreeRef::at_page(self.pages(), meta.root))
    }

    /// The bucket called `name`.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none, or if the name is a key's.
    #[inline]
    pub fn bucket(&self, name: impl AsRef<[u8]>) -> Result<Bucket<'_>> {
        self.root().bucket(name)
    }

    /// The bucket called `name`, if there is one.
    pub fn bucket_if_exists(&self, name: impl AsRef<[u8]>) -> Result<Option<Bucket<'_>>> {
        self.root().bucket_if_exists(name)
    }

    /// The bucket at `path`, from the top inwards; the top bucket for the empty path.
    ///
    /// # Errors
    ///
    /// `NotFound` if one on the way is missing, or if its name is a key's.
    pub fn bucket_at<N: AsRef<[u8]>>(
        &self,
        path: impl IntoIterator<Item = N>,
    ) -> Result<Bucket<'_>> {
        let mut names = path.into_iter();
        names.try_fold(self.root(), |bucket, name| bucket.bucket(name))
    }

    /// A cursor over the top bucket.
    pub fn cursor(&self) -> Cursor<'_> {
        self.root().cursor()
    }

    /// Calls `visit` with the name of every top-level bucket, in key order.
    pub fn for_each_bucket<'a>(&'a self, visit: impl FnMut(&'a [u8]) -> Result<()>) -> Result<()> {
        self.root().for_each_bucket(visit)
    }
}

impl Clone for Snapshot {
    fn clone(&self) -> Snapshot {
        Snapshot::new(Arc::clone(&self.version))
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let counters = &self.version.counters;
        counters.add(&counters.snapshots_ended, 1);
    }
}
