//! How large keys and values are.

use kv_api::{KeyRange, Result, Space};

use crate::entry::Kind;
use crate::key::{StoredRange, space_code_bytes};
use crate::merge::{Child, Merge};
use crate::pointer::Pointer;
use crate::snapshot::Snapshot;

/// Powers of two that sizes are told apart by.
const BINS: usize = 32;

/// Sizes in bytes, by powers of two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SizeHistogram {
    /// How many there are.
    pub count: u64,
    /// Bytes of all.
    pub bytes: u64,
    /// The smallest; 0 if there are none.
    pub min: u64,
    /// The largest.
    pub max: u64,
    /// How many are below 1 byte, below 2, below 4, and so on, each without those before it; the
    /// last counts the rest too.
    pub bins: [u64; BINS],
}

impl SizeHistogram {
    fn add(&mut self, bytes: u64) {
        self.min = if self.count == 0 {
            bytes
        } else {
            self.min.min(bytes)
        };
        self.max = self.max.max(bytes);
        self.count += 1;
        self.bytes += bytes;
        let bin = bytes
            .checked_ilog2()
            .map_or(0, |exponent| exponent as usize + 1);
        if let Some(count) = self.bins.get_mut(bin.min(BINS - 1)) {
            *count += 1;
        }
    }

    /// The mean; 0 if there are none.
    pub fn mean(&self) -> u64 {
        self.bytes.checked_div(self.count).unwrap_or(0)
    }
}

/// Sizes of keys and of their values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Histograms {
    /// Of keys, as the caller gives them.
    pub keys: SizeHistogram,
    /// Of values, wherever they are.
    pub values: SizeHistogram,
}

impl Snapshot {
    /// The sizes of the pairs of `space` whose keys are in `keys`. Reads all their records, but no
    /// value in the value log.
    ///
    /// ```
    /// # fn main() -> kv_api::Result<()> {
    /// use kv_api::{Space, Store, Transaction};
    /// use lsm_valuelog::Options;
    ///
    /// let db = Options::new().open_in_memory()?;
    /// db.update(|tx| tx.put(Space::DEFAULT, b"key", &[0; 100]))?;
    /// let sizes = db.snapshot()?.histograms(Space::DEFAULT, ..)?;
    /// assert_eq!((sizes.keys.max, sizes.values.mean()), (3, 100));
    /// assert_eq!(sizes.values.bins[7], 1); // from 64 to 127 bytes
    /// # Ok(())
    /// # }
    /// ```
    pub fn histograms(&self, space: Space, keys: impl Into<KeyRange>) -> Result<Histograms> {
        let range = StoredRange::of(self.number(space)?, &keys.into());
        let version = &self.state().version;
        let mut children: Vec<Child<'_>> = self.state().memtables().map(Child::memory).collect();
        let zero = version.level(0).iter().map(std::slice::from_ref);
        let levels = version.levels.iter().skip(1).map(Vec::as_slice);
        children.extend(zero.chain(levels).map(Child::run_in_passing));
        let mut merge = Merge::new(children);
        merge.seek(&range.start, crate::id::Sequence(u64::MAX))?;
        let mut histograms = Histograms::default();
        let mut last: Option<Vec<u8>> = None;
        while let Some(entry) = merge
            .entry()
            .filter(|entry| entry.key < range.end.as_slice())
        {
            let is_known = last.as_deref() == Some(entry.key);
            if entry.sequence <= self.sequence() && !is_known {
                let is_gone = entry.kind == Kind::Delete || entry.extra.is_expired(self.now());
                let value = match entry.kind {
                    Kind::Pointer => Pointer::read(entry.value).map_or(0, |pointer| pointer.len),
                    _ => entry.value.len() as u64,
                };
                if !is_gone {
                    let code = space_code_bytes(entry.key);
                    histograms.keys.add((entry.key.len() - code) as u64);
                    histograms.values.add(value);
                }
                last = Some(entry.key.to_vec());
            }
            merge.advance()?;
        }
        Ok(histograms)
    }
}
