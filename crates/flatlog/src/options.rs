//! What may be chosen when a store is opened.

use std::sync::Arc;
use std::time::Duration;

use disk::{Disk, OsDisk};

/// How to open a store.
///
/// ```
/// # fn main() -> kv_api::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// # let path = directory.path().join("state-machine");
/// use flatlog::Options;
///
/// let db = Options::new().segment_bytes(16 << 20).background(false).open(&path)?;
/// db.close()?;
/// let readers = Options::new().read_only(true).open(&path)?;
/// assert!(readers.begin().is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) lock_timeout: Option<Duration>,
    pub(crate) read_only: bool,
    pub(crate) segment_bytes: u32,
    pub(crate) prewrite_bytes: u32,
    pub(crate) read_without_mapping: bool,
    pub(crate) cache_bytes: usize,
    pub(crate) background: bool,
    pub(crate) checkpoint_bytes: u64,
    pub(crate) dead_percent: u32,
    pub(crate) value_index: bool,
    pub(crate) store_id: Option<[u8; 16]>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            disk: Arc::new(OsDisk),
            lock_timeout: Some(Duration::ZERO),
            read_only: false,
            segment_bytes: 64 << 20,
            prewrite_bytes: 1 << 20,
            read_without_mapping: false,
            cache_bytes: 32 << 20,
            background: true,
            checkpoint_bytes: 256 << 20,
            dead_percent: 50,
            value_index: false,
            store_id: None,
        }
    }
}

/// Below this a segment could not hold a frame of one long key.
const SEGMENT_BYTES_MIN: u32 = 1 << 10;

impl Options {
    /// The defaults.
    pub fn new() -> Options {
        Options::default()
    }

    /// The disk to work on.
    pub fn disk(mut self, disk: Arc<dyn Disk>) -> Options {
        self.disk = disk;
        self
    }

    /// How long to wait for another process that has the store open; `None` waits for ever. The
    /// default is not to wait.
    pub fn lock_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Options {
        self.lock_timeout = timeout.into();
        self
    }

    /// Opens for reading only: nothing is made, recovered or removed, and other processes may
    /// read, too.
    pub fn read_only(mut self, read_only: bool) -> Options {
        self.read_only = read_only;
        self
    }

    /// The log goes on in a new file after so many bytes (64 MiB). One commit larger than that has
    /// a file of its own size.
    pub fn segment_bytes(mut self, bytes: u32) -> Options {
        self.segment_bytes = bytes.max(SEGMENT_BYTES_MIN);
        self
    }

    /// How far ahead of small synced commits the log's file is filled with zeros (1 MiB), so that
    /// a sync need not make the file's growth durable as well. 0 for not at all.
    pub fn prewrite_bytes(mut self, bytes: u32) -> Options {
        self.prewrite_bytes = bytes;
        self
    }

    /// Reads values by positional reads through the value cache instead of mapping the log: for
    /// files that nobody vouches for, and where there is no mapping.
    pub fn read_without_mapping(mut self, without: bool) -> Options {
        self.read_without_mapping = without;
        self
    }

    /// Bytes of the value cache (32 MiB). It is used only where the log is read without mapping:
    /// a mapping's cache is the system's.
    pub fn cache_bytes(mut self, bytes: usize) -> Options {
        self.cache_bytes = bytes;
        self
    }

    /// Whether a thread of the store's own compacts segments and writes checkpoints (it does).
    pub fn background(mut self, background: bool) -> Options {
        self.background = background;
        self
    }

    /// Bytes of log after which the background thread writes a checkpoint (256 MiB).
    pub fn checkpoint_bytes(mut self, bytes: u64) -> Options {
        self.checkpoint_bytes = bytes;
        self
    }

    /// Percent of a segment's bytes that must be dead before the background thread compacts it
    /// (50).
    pub fn dead_percent(mut self, percent: u32) -> Options {
        self.dead_percent = percent;
        self
    }

    /// What tells a new store apart from others, for tests that must do the same every time. By
    /// default it is drawn at random.
    pub fn store_id(mut self, id: [u8; 16]) -> Options {
        self.store_id = Some(id);
        self
    }

    /// Gives every live key an id and keeps what an index over values needs.
    pub fn value_index(mut self, value_index: bool) -> Options {
        self.value_index = value_index;
        self
    }
}
