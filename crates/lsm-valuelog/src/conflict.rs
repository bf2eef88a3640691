//! Conflicts: what a transaction read must not have been changed by others before it commits.

use std::sync::atomic::Ordering;

use kv_api::{Error, Result};

use crate::banned::banned_key;
use crate::commit_queue::Commit;
use crate::counters::Counters;
use crate::id::Sequence;
use crate::key::StoredRange;
use crate::open_logs::Core;
use crate::shared::Shared;

/// Whether anything that `commit` read was dropped since.
fn was_dropped(core: &Core, commit: &Commit) -> bool {
    let mut drops = core
        .drops
        .iter()
        .filter(|drop| drop.nth > commit.drops_seen);
    drops.any(|drop| {
        let (keys, mut ranges) = (&commit.reads, commit.reads.ranges.iter());
        let holds = |key: &[u8]| drop.ranges.iter().any(|range| range.contains(key));
        let meets = |read: &StoredRange| drop.ranges.iter().any(|range| range.meets(read));
        keys.keys().any(holds) || ranges.any(meets)
    })
}

/// The newest commit once those before it in the group are done.
pub(crate) fn newest<'c>(core: &Core, pending: impl Iterator<Item = &'c Commit>) -> Sequence {
    let follow = |last: Sequence, commit: &Commit| commit.version.unwrap_or(last.next());
    pending.fold(core.last, follow)
}

impl Shared {
    /// Refuses a version that the caller has chosen and that may not come behind all before it.
    pub fn refuse_old_version<'c>(
        &self,
        core: &Core,
        commit: &Commit,
        pending: impl Iterator<Item = &'c Commit>,
    ) -> Result<()> {
        let Some(version) = commit.version else {
            return Ok(());
        };
        self.admit_version(version, newest(core, pending))
    }

    /// Refuses changes in a namespace that was banned, be it since the transaction began.
    pub fn refuse_banned(&self, commit: &Commit) -> Result<()> {
        let state = self.state.load();
        let Some(banned) = &state.version.banned else {
            return Ok(());
        };
        if commit
            .writes
            .changes()
            .any(|change| banned.hides(change.key))
        {
            return Err(banned_key());
        }
        Ok(())
    }

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
        let is_replaced = self.replaced_at.load(Ordering::Acquire) > since.0;
        let mut is_changed = is_replaced || was_dropped(core, commit);
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
