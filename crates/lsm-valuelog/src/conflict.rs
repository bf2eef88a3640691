//! Conflicts: what a transaction read must not have been changed by others before it commits.

use kv_api::{Error, Result};

use crate::commit_queue::Commit;
use crate::counters::Counters;
use crate::open_logs::Core;
use crate::shared::Shared;

impl Shared {
    /// Whether anything that `commit` read was changed since it read it.
    pub fn check_conflicts<'c>(
        &self,
        core: &Core,
        commit: &Commit,
        pending: impl Iterator<Item = &'c Commit>,
    ) -> Result<()> {
        if commit.reads.is_empty() {
            return Ok(());
        }
        let (reads, since) = (&commit.reads, commit.read_at);
        let mut is_changed = false;
        for earlier in pending {
            is_changed |= reads.keys().any(|key| earlier.writes.get(key).is_some());
            let mut ranges = reads.ranges.iter();
            is_changed |= ranges.any(|range| earlier.writes.any_in(&range.start, &range.end));
        }
        if !is_changed && core.last > since {
            let state = self.state.load();
            for key in reads.keys() {
                is_changed = is_changed || state.is_newer_than(key, since)?;
            }
            for range in &reads.ranges {
                is_changed =
                    is_changed || state.is_any_newer_than(&range.start, &range.end, since)?;
            }
        }
        if is_changed {
            Counters::add(&self.counters.conflicts, 1);
            return Err(Error::Conflict);
        }
        Ok(())
    }
}
