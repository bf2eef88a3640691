//! What may be chosen when a store is opened, whatever its engine.

use std::time::Duration;

/// How to open a store. By default for reading and writing, making it if it does not exist.
///
/// ```
/// # fn main() -> kv_api::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// # let path = directory.path().join("my.db");
/// use std::time::Duration;
/// use strata::OpenOptions;
///
/// // Nothing is made unless asked for.
/// assert!(OpenOptions::new().create(false).open(&path).is_err());
/// OpenOptions::new().open(&path)?.shut_down()?;
///
/// let patience = Duration::from_secs(1);
/// let reader = OpenOptions::new().read_only(true).lock_timeout(patience).open(&path)?;
/// assert!(reader.begin_write().is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions {
    pub(crate) read_only: bool,
    pub(crate) create: bool,
    pub(crate) untrusted: bool,
    pub(crate) lock_timeout: Option<Duration>,
    pub(crate) value_index: bool,
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions::new()
    }
}

impl OpenOptions {
    /// Reading and writing, made if missing, waiting for locks as long as it takes.
    pub fn new() -> OpenOptions {
        OpenOptions {
            read_only: false,
            create: true,
            untrusted: false,
            lock_timeout: None,
            value_index: false,
        }
    }

    /// Opens for reading only, beside other readers. Never makes anything.
    pub fn read_only(mut self, read_only: bool) -> OpenOptions {
        self.read_only = read_only;
        self
    }

    /// Whether a store that does not exist is made; it is by default.
    pub fn create(mut self, create: bool) -> OpenOptions {
        self.create = create;
        self
    }

    /// Opens for reading only, and in the way that survives a file changing or shrinking under
    /// it, where the engine has one. Slower, and memory grows with what is read.
    pub fn untrusted(mut self, untrusted: bool) -> OpenOptions {
        self.untrusted = untrusted;
        self
    }

    /// How long to wait for another process to release the store. By default for ever.
    pub fn lock_timeout(mut self, timeout: Duration) -> OpenOptions {
        self.lock_timeout = Some(timeout);
        self
    }

    /// Keeps an index over values in memory, so that searches need not read them, where the engine
    /// has one. Opening takes longer unless the store was closed with it.
    pub fn value_index(mut self, value_index: bool) -> OpenOptions {
        self.value_index = value_index;
        self
    }

    /// Whether a store that does not exist is made.
    pub(crate) fn makes_missing(&self) -> bool {
        self.create && !self.read_only && !self.untrusted
    }
}
