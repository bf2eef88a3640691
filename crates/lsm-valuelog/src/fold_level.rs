//! Folding, in the last level, the additions that merging has left apart: such as lay in several
//! tables, or were read apart when those were written.

use std::sync::Arc;
use std::time::Duration;

use kv_api::Result;

use crate::compact::{FoldingEnd, folding_horizon};
use crate::folding::may_be_folded;
use crate::id::Sequence;
use crate::key::{DEFAULT_SPACE, StoredRange};
use crate::level::LEVELS;
use crate::levels::Job;
use crate::operands::{of_space, user_key};
use crate::shared::Shared;
use crate::table::cursor::RunCursor;

/// How long to wait at most for others to be done with tables.
const PATIENCE: Duration = Duration::from_millis(20);

impl Shared {
    /// Folds all additions that may be, key by key; answers whether nobody has changed any of them
    /// meanwhile. Tables without any are not written.
    pub fn fold_level(&self) -> Result<bool> {
        if self.options.operators.is_empty() {
            return Ok(true);
        }
        let mut is_done = true;
        let mut from = of_space(DEFAULT_SPACE).start;
        while let Some((level, range)) = self.next_foldable(&from)? {
            is_done &= self.fold_range(level, &range)?;
            from = range.end;
        }
        Ok(is_done)
    }

    /// The level of most of the store, and where in it the additions of the first key from `from` on
    /// are of which several may be folded.
    fn next_foldable(&self, from: &[u8]) -> Result<Option<(usize, StoredRange)>> {
        let version = Arc::clone(&self.state.load().version);
        let horizon = folding_horizon(&self.retention(), &version);
        let Some(level) = (1..LEVELS).rfind(|level| !version.level(*level).is_empty()) else {
            return Ok(None);
        };
        let end = of_space(DEFAULT_SPACE).end;
        let mut cursor = RunCursor::in_passing(version.level(level));
        cursor.seek(from, Sequence(u64::MAX))?;
        let (mut last, mut has_operator, mut count) = (Vec::new(), false, 0);
        while let Some(entry) = cursor.entry().filter(|entry| entry.key < end.as_slice()) {
            if let Some((prefix, key)) = user_key(entry.key) {
                if last != prefix {
                    last = prefix.to_vec();
                    has_operator = self.options.operators.of(&key).is_some();
                    count = 0;
                }
                count += usize::from(has_operator && may_be_folded(&entry, horizon));
                if count > 1 {
                    return Ok(Some((level, StoredRange::prefix(&last))));
                }
            }
            cursor.next()?;
        }
        Ok(None)
    }

    /// Writes the tables of `level` anew that hold anything of `range`, until all of it is folded
    /// that may be, or others turn out to have changed it; answers which.
    fn fold_range(&self, level: usize, range: &StoredRange) -> Result<bool> {
        loop {
            let end = self.run_folding(|version, busy| {
                let top = version.overlapping(level, &range.start, &range.end);
                let is_free = top.iter().all(|table| !busy.contains(&table.meta.id));
                (is_free && !top.is_empty()).then_some(Job {
                    from: level,
                    to: level,
                    top,
                    bottom: Vec::new(),
                })
            })?;
            match end {
                Some(FoldingEnd::Done) => return Ok(true),
                Some(FoldingEnd::Cut) => {}
                Some(FoldingEnd::Refused) => return Ok(false),
                None => {
                    let version = Arc::clone(&self.state.load().version);
                    if version
                        .overlapping(level, &range.start, &range.end)
                        .is_empty()
                    {
                        return Ok(true);
                    }
                    self.refuse_closed()?;
                    self.work.wait(self.work.rings(), PATIENCE);
                }
            }
        }
    }
}
