//! What a walk over items shows, and how far it reads ahead.

use kv_api::KeyRange;

use crate::id::Sequence;

/// Items whose values are fetched together, at most.
const PREFETCH_ITEMS: usize = 100;

/// What a walk over items shows: by default the newest version of every key that has a value,
/// ascending, with values read ahead.
///
/// ```
/// # fn main() -> kv_api::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// use kv_api::{Space, Store, Transaction};
/// use lsm_valuelog::{Db, ItemOptions};
///
/// let db = Db::open(directory.path().join("store"))?;
/// for price in [b"3", b"4"] {
///     db.update(|tx| tx.put(Space::DEFAULT, b"price of tea", price))?;
/// }
/// let snapshot = db.snapshot()?;
/// let options = ItemOptions::new().prefix(b"price").all_versions(true);
/// let mut prices = Vec::new();
/// for item in snapshot.items(Space::DEFAULT, &options)? {
///     let item = item?;
///     prices.push((item.version().0, item.value()?.to_vec()));
/// }
/// assert_eq!(prices, [(2, b"4".to_vec()), (1, b"3".to_vec())]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemOptions {
    pub(crate) keys: KeyRange,
    pub(crate) is_reverse: bool,
    pub(crate) shows_all_versions: bool,
    pub(crate) shows_deleted: bool,
    pub(crate) since: Sequence,
    pub(crate) prefetch_items: usize,
    pub(crate) prefetches_values: bool,
}

impl Default for ItemOptions {
    fn default() -> ItemOptions {
        ItemOptions {
            keys: KeyRange::from(..),
            is_reverse: false,
            shows_all_versions: false,
            shows_deleted: false,
            since: Sequence(0),
            prefetch_items: PREFETCH_ITEMS,
            prefetches_values: true,
        }
    }
}

impl ItemOptions {
    /// The defaults.
    pub fn new() -> ItemOptions {
        ItemOptions::default()
    }

    /// Only keys in this range. Default: all.
    pub fn keys(mut self, keys: impl Into<KeyRange>) -> ItemOptions {
        self.keys = keys.into();
        self
    }

    /// Only keys that begin with `prefix`, whichever way the walk goes.
    pub fn prefix(self, prefix: &[u8]) -> ItemOptions {
        self.keys(KeyRange::prefix(prefix))
    }

    /// From the last key to the first; of the versions of a key, from the oldest to the newest.
    /// Default: off.
    pub fn reverse(mut self, reverse: bool) -> ItemOptions {
        self.is_reverse = reverse;
        self
    }

    /// Every version that is kept, newest first, deleted and expired ones too; none that a later
    /// version made garbage. Default: off.
    pub fn all_versions(mut self, all: bool) -> ItemOptions {
        self.shows_all_versions = all;
        self
    }

    /// Also keys whose newest version is a deletion or has expired, as far as it is still there.
    /// Default: off.
    pub fn deleted(mut self, show: bool) -> ItemOptions {
        self.shows_deleted = show;
        self
    }

    /// Only versions newer than this one. Default: 0, all.
    pub fn since(mut self, version: Sequence) -> ItemOptions {
        self.since = version;
        self
    }

    /// How many items are read ahead at most, which lets values be fetched in the order in which
    /// they lie in their files. A walk begins with few and doubles. Default: 100.
    pub fn prefetch_items(mut self, count: usize) -> ItemOptions {
        self.prefetch_items = count.max(1);
        self
    }

    /// Whether values are fetched with their items, so that the walk and not
    /// [`Item::value`](crate::Item::value) answers what is wrong with them. Default: on.
    pub fn prefetch_values(mut self, prefetch: bool) -> ItemOptions {
        self.prefetches_values = prefetch;
        self
    }
}
