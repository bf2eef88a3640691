//! What must hold for the records of one key wherever they lie: looked at by a check of the whole
//! store, and in debug builds by every compaction.
//!
//! Invariants:
//! * going from the newest place to the oldest, the records of a key go from newer to older, but
//!   for versions that came late;
//! * no key has two records of one version.

use std::sync::Arc;

use kv_api::{Error, Place, Result};

use crate::entry::Entry;
use crate::id::{FileId, Sequence};
use crate::merge::{Child, Merge};
use crate::shared::Shared;
use crate::state::State;
use crate::table::cursor::RunCursor;
use crate::table::reader::Table;

/// Follows records as a merge yields them: by key, then newest first.
#[derive(Default)]
pub(crate) struct Order {
    key: Vec<u8>,
    last: Option<(Sequence, usize)>,
}

impl Order {
    /// Takes the next record and the number of the place it comes from, the newest place first;
    /// answers what is wrong with it. Versions up to `late` may lie anywhere.
    pub fn take(
        &mut self,
        entry: &Entry<'_>,
        place: usize,
        late: Sequence,
    ) -> Option<&'static str> {
        let before = self.last.filter(|_| self.key == entry.key);
        if before.is_none() {
            self.key.clear();
            self.key.extend_from_slice(entry.key);
        }
        self.last = Some((entry.sequence, place));
        match before {
            Some((newer, _)) if newer == entry.sequence => {
                Some("a key has two records of one version")
            }
            // A search that meets a version which may have come late looks on.
            Some((_, at)) if place < at && entry.sequence > late => {
                Some("an older record of a key lies above a newer one")
            }
            _ => None,
        }
    }
}

impl State {
    /// The first break of the order of records, if there is one. Reads everything.
    pub fn misplaced(&self) -> Result<Option<String>> {
        let memtables = self.memtables().map(Child::memory);
        let zero = self.version.level(0).iter().map(std::slice::from_ref);
        let levels = self.version.levels.iter().skip(1).map(Vec::as_slice);
        let runs = zero.chain(levels).map(Child::run_in_passing);
        let mut merge = Merge::new(memtables.chain(runs).collect());
        merge.first()?;
        let (mut order, late) = (Order::default(), self.version.late.version);
        while let Some((entry, place)) = merge.entry().zip(merge.source()) {
            if let Some(what) = order.take(&entry, place, late) {
                return Ok(Some(format!("{what}: {}", entry.key.escape_ascii())));
            }
            merge.advance()?;
        }
        Ok(None)
    }
}

impl Shared {
    /// In a debug build, looks whether a deletion that is about to be dropped hides nothing: no
    /// table but those with the numbers `inputs` may hold an older record of its key, in the state
    /// of now, which has the inputs of every compaction under way.
    pub fn assert_hides_nothing(
        &self,
        entry: &Entry<'_>,
        inputs: impl Iterator<Item = FileId> + Clone,
    ) -> Result<()> {
        if !cfg!(debug_assertions) || entry.sequence == Sequence(0) {
            return Ok(());
        }
        let version = Arc::clone(&self.state.load().version);
        let older = Sequence(entry.sequence.0 - 1);
        for (_, table) in version.tables() {
            let is_input = inputs.clone().any(|id| id == table.meta.id);
            if !is_input && table.meta.covers(entry.key) && holds(table, entry.key, older)? {
                let what = format!(
                    "a deletion is dropped above an older record in table {}: {}",
                    table.meta.id,
                    entry.key.escape_ascii()
                );
                return Err(Error::corrupt(Place::Store, what));
            }
        }
        Ok(())
    }
}

/// Whether `table` has a record of `key` up to the version `at`.
fn holds(table: &Arc<Table>, key: &[u8], at: Sequence) -> Result<bool> {
    let mut cursor = RunCursor::in_passing(std::slice::from_ref(table));
    cursor.seek(key, at)?;
    Ok(cursor.entry().is_some_and(|entry| entry.key == key))
}
