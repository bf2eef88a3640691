//! What may be chosen when a database is opened.

use std::sync::Arc;
use std::time::Duration;

use disk::{Disk, OsDisk};
use pager::{ALLOCATION_STEP_BYTES, FileOptions};

/// When the list of free pages is stored in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FreelistStorage {
    /// By [`Db::close`](crate::Db::close) alone. In between the file says that there is none, as
    /// etcd's files do, and the first write after a crash walks the tree: see
    /// `docs/performance.md` for how long that takes.
    #[default]
    Deferred,
    /// By [`Db::close`](crate::Db::close), and with each commit while it fits one page: a page more
    /// to write, and no walk after a crash of a large file that has few free pages.
    WhileSmall,
    /// With each commit, whatever it costs: bbolt's default.
    Always,
    /// Never: bbolt's `NoFreelistSync`.
    Never,
}

/// How free pages are chosen. The file does not show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FreelistKind {
    /// The shortest run that fits, lowest first: O(log n).
    #[default]
    Hashmap,
    /// The lowest run that fits: O(n), and bbolt's default.
    Array,
}

/// Memory for the heads of keys, unless chosen otherwise: enough for a file of about a gibibyte.
const HEADS_BYTES: usize = 64 << 20;

/// How to open a database.
///
/// ```
/// # fn main() -> kv_api::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// # let path = directory.path().join("my.db");
/// use std::time::Duration;
/// use txn::Options;
///
/// let db = Options::new().lock_timeout(Duration::from_secs(1)).page_bytes(4096).open(&path)?;
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
    pub(crate) mode: u32,
    pub(crate) page_bytes: Option<u32>,
    pub(crate) no_sync: bool,
    pub(crate) freelist: FreelistStorage,
    pub(crate) freelist_kind: FreelistKind,
    pub(crate) preload_freelist: bool,
    pub(crate) strict: bool,
    pub(crate) no_statistics: bool,
    pub(crate) initialize_interrupted: bool,
    pub(crate) batch_size_max: usize,
    pub(crate) batch_delay: Duration,
    pub(crate) file: FileOptions,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            disk: Arc::new(OsDisk),
            lock_timeout: None,
            read_only: false,
            mode: 0o600,
            page_bytes: None,
            no_sync: false,
            freelist: FreelistStorage::default(),
            freelist_kind: FreelistKind::default(),
            preload_freelist: false,
            strict: false,
            no_statistics: false,
            initialize_interrupted: false,
            batch_size_max: 1000,
            batch_delay: Duration::from_millis(10),
            file: FileOptions {
                read_without_mapping: false,
                initial_map_bytes: 0,
                populate: false,
                lock_in_memory: false,
                no_grow: false,
                file_bytes_max: None,
                step_bytes: ALLOCATION_STEP_BYTES,
                side_table_bytes_max: HEADS_BYTES,
            },
        }
    }
}

impl Options {
    /// bbolt's defaults, but for the freelist: see [`FreelistStorage`].
    pub fn new() -> Options {
        Options::default()
    }

    /// The file system to use: another one for tests, or with hooks of your own around opening.
    pub fn disk(mut self, disk: Arc<dyn Disk>) -> Options {
        self.disk = disk;
        self
    }

    /// How long to wait for another process to release the file. By default for ever.
    pub fn lock_timeout(mut self, timeout: Duration) -> Options {
        self.lock_timeout = Some(timeout);
        self
    }

    /// Opens for reading only, beside other readers, under a shared lock. Never makes a file.
    pub fn read_only(mut self, read_only: bool) -> Options {
        self.read_only = read_only;
        self
    }

    /// Permission bits of a new file; 0600 by default.
    pub fn mode(mut self, mode: u32) -> Options {
        self.mode = mode;
        self
    }

    /// Page size of a new file, from 1 KiB to 16 MiB; the system's page size by default. A file
    /// that exists keeps its own.
    pub fn page_bytes(mut self, page_bytes: u32) -> Options {
        self.page_bytes = Some(page_bytes);
        self
    }

    /// Never syncs. A commit survives the death of the process; a power cut **may corrupt the
    /// file**.
    pub fn no_sync(mut self, no_sync: bool) -> Options {
        self.no_sync = no_sync;
        self
    }

    /// Does not grow the file ahead of its pages.
    pub fn no_grow_sync(mut self, no_grow_sync: bool) -> Options {
        self.file.no_grow = no_grow_sync;
        self
    }

    /// When to store the list of free pages.
    pub fn freelist(mut self, freelist: FreelistStorage) -> Options {
        self.freelist = freelist;
        self
    }

    /// How to choose among free pages.
    pub fn freelist_kind(mut self, kind: FreelistKind) -> Options {
        self.freelist_kind = kind;
        self
    }

    /// Loads the list of free pages while opening, instead of with the first write transaction.
    pub fn preload_freelist(mut self, preload: bool) -> Options {
        self.preload_freelist = preload;
        self
    }

    /// Maps at least so many bytes at first.
    pub fn initial_map_bytes(mut self, bytes: u64) -> Options {
        self.file.initial_map_bytes = bytes;
        self
    }

    /// Refuses to let the file grow past so many bytes. A larger file that exists still opens.
    pub fn file_bytes_max(mut self, bytes: u64) -> Options {
        self.file.file_bytes_max = Some(bytes);
        self
    }

    /// The step by which a file larger than the step grows; 16 MiB by default.
    pub fn growth_step_bytes(mut self, bytes: u64) -> Options {
        self.file.step_bytes = bytes;
        self
    }

    /// Memory for heads of keys: the first bytes of the keys of pages that are searched again and
    /// again, so that a search touches fewer cache lines. Taken as pages come to need it, about a
    /// sixteenth of their size; 64 MiB at most by default, and 0 for none.
    pub fn heads_bytes_max(mut self, bytes: usize) -> Options {
        self.file.side_table_bytes_max = bytes;
        self
    }

    /// Keeps the mapped part of the file in memory (`mlock`).
    pub fn lock_in_memory(mut self, lock: bool) -> Options {
        self.file.lock_in_memory = lock;
        self
    }

    /// Reads the file ahead into every mapping (`MAP_POPULATE`).
    pub fn populate(mut self, populate: bool) -> Options {
        self.file.populate = populate;
        self
    }

    /// Keeps no counters.
    pub fn no_statistics(mut self, no_statistics: bool) -> Options {
        self.no_statistics = no_statistics;
        self
    }

    /// Checks the whole database within each commit, before anything becomes visible. For tests:
    /// the cost grows with the file.
    pub fn strict(mut self, strict: bool) -> Options {
        self.strict = strict;
        self
    }

    /// Initialises a file whose creation was cut short, instead of answering `InterruptedInit`.
    /// Such a file never held data.
    pub fn initialize_interrupted(mut self, initialize: bool) -> Options {
        self.initialize_interrupted = initialize;
        self
    }

    /// The most calls that [`Db::batch`](crate::Db::batch) runs in one transaction; 1000 by default, 0 for one.
    pub fn batch_size_max(mut self, calls: usize) -> Options {
        self.batch_size_max = calls;
        self
    }

    /// How long [`Db::batch`](crate::Db::batch) waits for more calls; 10 ms by default.
    pub fn batch_delay(mut self, delay: Duration) -> Options {
        self.batch_delay = delay;
        self
    }
}
