//! What may be chosen when a store is opened.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use disk::{Disk, OsDisk};
use zeroize::Zeroizing;

use crate::checksum::ChecksumMode;
use crate::level::LEVELS;
use crate::operators::Operators;
use crate::table::Compression;

/// Where the time of day comes from: seconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// How to open a store.
///
/// ```
/// # fn main() -> kv_api::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// # let path = directory.path().join("store");
/// use lsm_valuelog::{Compression, Options};
///
/// let db = Options::new()
///     .memtable_bytes(16 << 20)
///     .compression(Compression::Lz4)
///     .open(&path)?;
/// # use kv_api::Store;
/// db.close()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Options {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Clock,
    pub(crate) lock_timeout: Option<Duration>,
    pub(crate) bypasses_lock: bool,
    pub(crate) is_read_only: bool,
    pub(crate) is_in_memory: bool,
    pub(crate) reads_without_mapping: bool,
    pub(crate) background: bool,
    pub(crate) memtable_bytes: usize,
    pub(crate) sealed_memtables_max: usize,
    pub(crate) value_threshold_bytes: usize,
    pub(crate) value_share: f64,
    pub(crate) value_file_bytes: u64,
    pub(crate) table_bytes: u64,
    pub(crate) base_level_bytes: u64,
    pub(crate) level_multiplier: u64,
    pub(crate) level_zero_tables: usize,
    pub(crate) level_zero_tables_slow: usize,
    pub(crate) level_zero_tables_max: usize,
    pub(crate) block_bytes: usize,
    pub(crate) filter_bits_per_key: usize,
    pub(crate) compression: [Compression; LEVELS],
    pub(crate) versions_to_keep: usize,
    pub(crate) keeps_history: bool,
    pub(crate) versions_in_any_order: bool,
    pub(crate) operators: Operators,
    pub(crate) detects_conflicts: bool,
    pub(crate) namespace_offset: Option<usize>,
    pub(crate) external_magic: u16,
    pub(crate) garbage_percent: u64,
    pub(crate) idle: Duration,
    pub(crate) encryption_key: Option<Zeroizing<Vec<u8>>>,
    pub(crate) data_key_period: Duration,
    pub(crate) entropy: Entropy,
    pub(crate) checksums: ChecksumMode,
    pub(crate) block_cache_bytes: u64,
    pub(crate) index_cache_bytes: u64,
    pub(crate) memory_bytes_max: Option<u64>,
    pub(crate) compaction_threads: usize,
}

/// The most threads that merge tables: more would take the disk from those who commit.
pub(crate) const COMPACTION_THREADS_MAX: usize = 2;

/// One thread for each two cores: one more than there is work for only takes turns with commits.
fn compaction_threads() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    (cores / 2).clamp(1, COMPACTION_THREADS_MAX)
}

/// Where random bytes come from.
pub type Entropy = Arc<dyn Fn(&mut [u8]) -> std::io::Result<()> + Send + Sync>;

/// The system's random bytes.
fn system_entropy(bytes: &mut [u8]) -> std::io::Result<()> {
    getrandom::fill(bytes).map_err(|error| std::io::Error::other(error.to_string()))
}

/// The time of day of the machine.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

impl Default for Options {
    fn default() -> Options {
        Options {
            disk: Arc::new(OsDisk),
            clock: Arc::new(now),
            lock_timeout: None,
            bypasses_lock: false,
            is_read_only: false,
            is_in_memory: false,
            reads_without_mapping: false,
            background: true,
            memtable_bytes: 64 << 20,
            sealed_memtables_max: 3,
            value_threshold_bytes: 2 << 10,
            value_share: 0.0,
            value_file_bytes: 128 << 20,
            table_bytes: 32 << 20,
            base_level_bytes: 64 << 20,
            level_multiplier: 10,
            level_zero_tables: 4,
            level_zero_tables_slow: 8,
            level_zero_tables_max: 20,
            block_bytes: 4 << 10,
            filter_bits_per_key: 10,
            compression: [Compression::None; LEVELS],
            versions_to_keep: 1,
            keeps_history: false,
            versions_in_any_order: false,
            operators: Operators::default(),
            detects_conflicts: true,
            namespace_offset: None,
            external_magic: 0,
            garbage_percent: 12,
            idle: Duration::from_secs(1),
            encryption_key: None,
            data_key_period: Duration::from_secs(10 * 24 * 60 * 60),
            entropy: Arc::new(system_entropy),
            checksums: ChecksumMode::default(),
            block_cache_bytes: 64 << 20,
            index_cache_bytes: 0,
            memory_bytes_max: None,
            compaction_threads: compaction_threads(),
        }
    }
}

impl Options {
    /// The defaults.
    pub fn new() -> Options {
        Options::default()
    }

    /// The disk to keep the store on. Default: the machine's.
    pub fn disk(mut self, disk: Arc<dyn Disk>) -> Options {
        self.disk = disk;
        self
    }

    /// Where the time of day comes from. Default: the machine's clock.
    pub fn clock(mut self, clock: Clock) -> Options {
        self.clock = clock;
        self
    }

    /// How long opening waits for another process to let the store go. Default: for ever.
    pub fn lock_timeout(mut self, timeout: Duration) -> Options {
        self.lock_timeout = Some(timeout);
        self
    }

    /// Opens a store that exists for reading only: nothing on the disk is written, not even to
    /// recover; commits that are only in logs are read into memory. Other processes may read the
    /// store at the same time, and none may write. Writing is `ErrorKind::ReadOnly`. Default: off.
    pub fn read_only(mut self, read_only: bool) -> Options {
        self.is_read_only = read_only;
        self
    }

    /// Opens without the directory's lock, for those who keep others out by other means. Within
    /// one process, too, nothing then keeps two handles apart. Default: off.
    pub fn bypass_lock(mut self, bypass: bool) -> Options {
        self.bypasses_lock = bypass;
        self
    }

    /// Reads files piece by piece instead of mapping them: slower, but a file that shrinks or a
    /// disk that fails is an error and nothing worse. Default: off.
    pub fn read_without_mapping(mut self, read: bool) -> Options {
        self.reads_without_mapping = read;
        self
    }

    /// Whether flushing, compaction and collection run on threads of their own. Without them the
    /// commit that fills a memtable does that work before it returns. Default: on.
    pub fn background(mut self, background: bool) -> Options {
        self.background = background;
        self
    }

    /// Bytes of records that a memtable holds before it is written to a table. Default: 64 MiB.
    pub fn memtable_bytes(mut self, bytes: usize) -> Options {
        self.memtable_bytes = bytes;
        self
    }

    /// How many full memtables may wait to be written before writers wait. Default: 3.
    pub fn sealed_memtables_max(mut self, count: usize) -> Options {
        self.sealed_memtables_max = count;
        self
    }

    /// Values of at least so many bytes go to the value log. Default: 2 KiB.
    pub fn value_threshold_bytes(mut self, bytes: usize) -> Options {
        self.value_threshold_bytes = bytes;
        self
    }

    /// Lets the threshold of values follow the sizes of those that are committed, so that about
    /// this share of them stays with their keys and only the largest go to the value log: 0.99
    /// sends one in a hundred there. It never falls below
    /// [`value_threshold_bytes`](Options::value_threshold_bytes), nor rises above 1 MiB where that
    /// is less; sizes long ago count less and less, and what was learned outlives a restart. 0
    /// keeps it where it is. Default: 0.
    pub fn value_threshold_percentile(mut self, share: f64) -> Options {
        self.value_share = share;
        self
    }

    /// Bytes of a value-log file, beyond which the next is begun. Default: 128 MiB.
    pub fn value_file_bytes(mut self, bytes: u64) -> Options {
        self.value_file_bytes = bytes;
        self
    }

    /// Whether a transaction whose reads were overtaken by another one is refused. Without it
    /// transactions still read one version and commit whole, but of two that cross the later one
    /// wins. Default: on.
    pub fn detect_conflicts(mut self, detect: bool) -> Options {
        self.detects_conflicts = detect;
        self
    }

    /// Where in every key the eight bytes of its namespace stand, highest first, so that
    /// namespaces can be banned. Default: nowhere.
    pub fn namespace_offset(mut self, offset: usize) -> Options {
        self.namespace_offset = Some(offset);
        self
    }

    /// A number in the manifest by which an application knows its own stores; opening a store
    /// with another is refused. Default: 0.
    pub fn external_magic(mut self, magic: u16) -> Options {
        self.external_magic = magic;
        self
    }

    /// The share of a value-log file that must be dead before it is collected, in percent.
    /// Default: 12.
    pub fn garbage_percent(mut self, percent: u64) -> Options {
        self.garbage_percent = percent;
        self
    }

    /// How long nothing must be written before the store tidies up. Default: 1 s.
    pub fn idle(mut self, idle: Duration) -> Options {
        self.idle = idle;
        self
    }

    /// Encrypts the store with a master key of 16, 24 or 32 bytes, for AES-128, AES-192 or
    /// AES-256. It seals the file of data keys, which seal all other files; see
    /// [`rotate_master_key`](crate::Db::rotate_master_key). A store that was made without one is
    /// encrypted from now on: files that are there stay as they are until they are written anew.
    /// Backups are in clear. Default: none.
    pub fn encryption_key(mut self, key: &[u8]) -> Options {
        self.encryption_key = Some(Zeroizing::new(key.to_vec()));
        self
    }

    /// How old a data key may be before the next file gets a new one. Default: 10 days.
    pub fn data_key_period(mut self, period: Duration) -> Options {
        self.data_key_period = period;
        self
    }

    /// Where random bytes for keys come from. Anything but the system's makes encryption
    /// worthless; it is for tests that must do the same every time. Default: the system.
    pub fn entropy(mut self, entropy: Entropy) -> Options {
        self.entropy = entropy;
        self
    }

    /// When the checksums of blocks are verified. Default: when they are read.
    pub fn checksums(mut self, mode: ChecksumMode) -> Options {
        self.checksums = mode;
        self
    }

    /// Bytes of blocks that are kept in memory where they cannot be read as they stand: packed,
    /// encrypted, or in files that are not mapped. 0 for none. Default: 64 MiB.
    pub fn block_cache_bytes(mut self, bytes: u64) -> Options {
        self.block_cache_bytes = bytes;
        self
    }

    /// Bytes of tables' indexes and filters that are kept in memory; what is not is read again
    /// when it is asked for. 0 keeps those of all open tables. Default: 0.
    pub fn index_cache_bytes(mut self, bytes: u64) -> Options {
        self.index_cache_bytes = bytes;
        self
    }

    /// Bytes of memory for memtables, cached blocks and cached indexes together: five eighths for
    /// memtables, a quarter for blocks and an eighth for indexes, where the options for each do
    /// not ask for less. What snapshots and cursors hold comes on top, and so do commits on their
    /// way and tables being written. [`memory_bytes`](crate::Metrics::memory_bytes) counts it.
    /// Default: no limit but those of the parts.
    pub fn memory_bytes_max(mut self, bytes: u64) -> Options {
        self.memory_bytes_max = Some(bytes);
        self
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("memtable_bytes", &self.memtable_bytes)
            .field("value_threshold_bytes", &self.value_threshold_bytes)
            .field("table_bytes", &self.table_bytes)
            .field("background", &self.background)
            .finish_non_exhaustive()
    }
}
