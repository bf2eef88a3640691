//! Which records of a key are worth writing to a new table: a function of the records alone.

use crate::entry::{Entry, Kind};
use crate::id::Sequence;

/// What decides about records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    /// How many versions of a key are kept; the largest number keeps deletions too, which
    /// copies of what changed must know of.
    pub versions: usize,
    /// Open transactions compare what they read with everything newer than this, deletions too.
    pub settled: Sequence,
    /// The time of day.
    pub now: u64,
}

/// What was decided about the versions of one key so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kept {
    versions: usize,
    is_over: bool,
}

/// What is to be done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Keep,
    /// Its time has passed: write a deletion in its place, which hides what is older.
    Bury,
    Drop,
}

impl Retention {
    /// Decides about the next older record of a key. `is_bottom` answers whether no older record
    /// of the key can be anywhere but in what is being rewritten.
    pub fn judge(
        &self,
        kept: &mut Kept,
        entry: &Entry<'_>,
        is_bottom: impl FnOnce() -> bool,
    ) -> Verdict {
        if kept.is_over {
            return Verdict::Drop;
        }
        let is_gone = entry.kind == Kind::Delete || entry.extra.is_expired(self.now);
        kept.versions += 1;
        let keeps_history = self.versions > 1 && !entry.extra.discards_earlier;
        let keeps_all = self.versions == usize::MAX;
        kept.is_over = !keeps_history || kept.versions >= self.versions || is_gone && !keeps_all;
        if !is_gone || keeps_all {
            return Verdict::Keep;
        }
        // A deletion is needed as long as there is something to hide, or someone to be told.
        let is_needed = entry.sequence > self.settled || kept.versions > 1 || !is_bottom();
        match (is_needed, entry.kind) {
            (false, _) => Verdict::Drop,
            (true, Kind::Delete) => Verdict::Keep,
            (true, _) => Verdict::Bury,
        }
    }
}
