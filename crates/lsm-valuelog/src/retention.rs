//! Which records of a key are worth writing to a new table: a function of the records alone.

use std::sync::Arc;

use crate::banned::Banned;
use crate::entry::{Entry, Kind};
use crate::id::Sequence;

/// What decides about records.
#[derive(Clone, Debug)]
pub(crate) struct Retention {
    /// How many versions of a key are kept; the largest number keeps deletions too, which
    /// copies of what changed must know of.
    pub versions: usize,
    /// Open transactions compare what they read with everything newer than this, deletions too.
    pub settled: Sequence,
    /// The time of day.
    pub now: u64,
    /// Where history is kept: the store as of this version and of every later one stays readable.
    pub history_from: Option<Sequence>,
    pub banned: Option<Arc<Banned>>,
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
        let banned = self.banned.as_ref();
        if kept.is_over || banned.is_some_and(|banned| banned.hides(entry.key)) {
            return Verdict::Drop;
        }
        if self.history_from.is_some_and(|from| entry.sequence > from) {
            return Verdict::Keep;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::Extra;

    fn entry(sequence: u64, kind: Kind, extra: Extra) -> Entry<'static> {
        Entry {
            key: b"\x01key",
            sequence: Sequence(sequence),
            kind,
            extra,
            value: b"",
        }
    }

    fn judged(retention: &Retention, entries: &[Entry<'_>], is_bottom: bool) -> Vec<Verdict> {
        let mut kept = Kept::default();
        let judge = |entry| retention.judge(&mut kept, entry, || is_bottom);
        entries.iter().map(judge).collect()
    }

    fn retention(versions: usize, history_from: Option<u64>) -> Retention {
        Retention {
            versions,
            settled: Sequence(100),
            now: 1_000,
            history_from: history_from.map(Sequence),
            banned: None,
        }
    }

    #[test]
    fn history_keeps_all_newer_versions_and_the_newest_at_its_beginning() {
        let plain = |sequence| entry(sequence, Kind::Put, Extra::default());
        let versions = [plain(9), plain(7), plain(5), plain(3)];
        let from_six = judged(&retention(1, Some(6)), &versions, true);
        assert_eq!(
            from_six,
            [Verdict::Keep, Verdict::Keep, Verdict::Keep, Verdict::Drop]
        );
        let from_seven = judged(&retention(1, Some(7)), &versions, true);
        assert_eq!(
            from_seven,
            [Verdict::Keep, Verdict::Keep, Verdict::Drop, Verdict::Drop]
        );
        let none = judged(&retention(1, None), &versions, true);
        assert_eq!(
            none,
            [Verdict::Keep, Verdict::Drop, Verdict::Drop, Verdict::Drop]
        );
    }

    #[test]
    fn history_keeps_deletions_and_what_a_later_version_makes_garbage() {
        let discarding = Extra {
            discards_earlier: true,
            ..Extra::default()
        };
        let versions = [
            entry(9, Kind::Put, discarding),
            entry(7, Kind::Delete, Extra::default()),
            entry(5, Kind::Put, Extra::default()),
        ];
        let all = judged(&retention(1, Some(4)), &versions, true);
        assert_eq!(all, [Verdict::Keep; 3]);
        let gone = judged(&retention(9, Some(9)), &versions, true);
        assert_eq!(gone, [Verdict::Keep, Verdict::Drop, Verdict::Drop]);
        let deletion_at_the_mark = judged(&retention(1, Some(7)), &versions, true);
        assert_eq!(
            deletion_at_the_mark,
            [Verdict::Keep, Verdict::Drop, Verdict::Drop]
        );
        let with_older_below = judged(&retention(1, Some(7)), &versions, false);
        assert_eq!(
            with_older_below,
            [Verdict::Keep, Verdict::Keep, Verdict::Drop]
        );
    }

    #[test]
    fn as_many_versions_are_kept_as_asked_for() {
        let plain = |sequence| entry(sequence, Kind::Put, Extra::default());
        let versions = [plain(9), plain(7), plain(5), plain(3)];
        let three = judged(&retention(3, None), &versions, true);
        assert_eq!(
            three,
            [Verdict::Keep, Verdict::Keep, Verdict::Keep, Verdict::Drop]
        );
    }
}
