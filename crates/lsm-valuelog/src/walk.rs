//! The versions of keys that a snapshot shows: by key, then newest first.

use kv_api::Result;

use crate::entry::{Entry, Kind};
use crate::id::Sequence;
use crate::key::StoredRange;
use crate::merge::{Child, Merge};
use crate::slice::Slice;
use crate::snapshot::Snapshot;

/// Which versions are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    /// Only versions above this one.
    pub since: Sequence,
    /// At most so many of a key.
    pub versions_max: usize,
    /// Deletions too, and what has expired as if it were deleted; none of them ends up shown
    /// otherwise.
    pub deletions: bool,
}

impl Snapshot {
    /// Shows `each` the versions of the stored keys in `range`, until it answers `false`. A value
    /// is none where the version is a deletion or has expired; what is older is not shown then,
    /// nor behind a version that makes earlier ones garbage.
    pub(crate) fn walk(
        &self,
        range: &StoredRange,
        shown: Shown,
        mut each: impl FnMut(&Entry<'_>, Option<&Slice<'_>>) -> Result<bool>,
    ) -> Result<()> {
        let state = self.state();
        let mut children: Vec<Child<'_>> = state.memtables().map(Child::memory).collect();
        let version = &state.version;
        let zero = version.level(0).iter().map(std::slice::from_ref);
        let deeper = version.levels.iter().skip(1).map(Vec::as_slice);
        children.extend(zero.chain(deeper).map(Child::run));
        let mut merge = Merge::new(children);
        merge.seek(&range.start, Sequence(u64::MAX))?;
        let mut last: Vec<u8> = Vec::new();
        let mut left = 0;
        while let Some(entry) = merge.entry().filter(|entry| entry.key < &range.end[..]) {
            if entry.sequence <= self.sequence() && !version.hides(entry.key) {
                if last != entry.key {
                    last.clear();
                    last.extend_from_slice(entry.key);
                    left = shown.versions_max;
                }
                if left > 0 {
                    left = self.show(&entry, shown, left, &mut each)?;
                    if left == usize::MAX {
                        return Ok(());
                    }
                }
            }
            merge.advance()?;
        }
        Ok(())
    }

    /// Shows a version; answers how many more of its key may be shown, or the largest number if
    /// nobody looks any more.
    fn show(
        &self,
        entry: &Entry<'_>,
        shown: Shown,
        left: usize,
        each: &mut impl FnMut(&Entry<'_>, Option<&Slice<'_>>) -> Result<bool>,
    ) -> Result<usize> {
        if entry.sequence <= shown.since {
            return Ok(0);
        }
        let is_gone = entry.kind == Kind::Delete || entry.extra.is_expired(self.now());
        if is_gone {
            let goes_on = !shown.deletions || each(entry, None)?;
            return Ok(if goes_on { 0 } else { usize::MAX });
        }
        let value = match entry.kind {
            Kind::Pointer => self.state().version.value(entry.value)?,
            _ => Slice::lent(entry.value),
        };
        let goes_on = each(entry, Some(&value))?;
        Ok(match (goes_on, entry.extra.discards_earlier) {
            (false, _) => usize::MAX,
            (true, true) => 0,
            (true, false) => left.min(usize::MAX - 1) - 1,
        })
    }
}
