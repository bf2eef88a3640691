//! Dropping keys by their prefix, or everything, without a deletion for each.
//!
//! Commits wait meanwhile. What is only in memory goes to tables; tables that hold nothing else
//! are left out and the others written anew; one edit of the manifest replaces them all. So
//! readers and a crash see all of the old or all of the new, and a transaction that read what was
//! dropped meets a conflict.

use std::sync::Arc;
use std::time::Duration;

use kv_api::{Error, Result};

use crate::db::Db;
use crate::error::locked;
use crate::id::Sequence;
use crate::key::{DEFAULT_SPACE, StoredRange, stored};
use crate::manifest::edit::{Edit, Part};
use crate::open_logs::Core;
use crate::operands;
use crate::output::Output;
use crate::shared::Shared;
use crate::spaces;
use crate::state::State;
use crate::subscribers::Dropped;
use crate::table::cursor::RunCursor;
use crate::table::reader::Table;

/// How long to wait at most before looking again whether compactions have ended.
const PATIENCE: Duration = Duration::from_millis(20);

/// Keeps compactions from beginning for as long as it lives.
struct Halt<'a>(&'a Shared);

impl Drop for Halt<'_> {
    fn drop(&mut self) {
        locked(&self.0.files).halts -= 1;
        self.0.work.wake();
    }
}

/// Tables that take the place of others.
#[derive(Default)]
struct Replaced {
    old: Vec<(usize, Arc<Table>)>,
    new: Vec<(usize, Arc<Table>)>,
}

impl Db {
    /// Drops every pair of a space, the default one without a name, whose key begins with
    /// `prefix`.
    ///
    /// Readers see the pairs until it is done and none of them then; a crash leaves all or none.
    /// Commits wait for as long as it takes to write the tables anew that hold other keys too.
    /// Snapshots that are open stay what they are; the history of the store ends here, and a copy
    /// of what changed since an earlier version is refused.
    ///
    /// ```
    /// # fn main() -> kv_api::Result<()> {
    /// # let directory = tempfile::tempdir().expect("a temporary directory");
    /// use kv_api::{Reader, Space, Store, Transaction};
    ///
    /// let db = lsm_valuelog::Db::open(directory.path().join("store"))?;
    /// db.update(|tx| {
    ///     tx.put(Space::DEFAULT, b"draft 1", b"")?;
    ///     tx.put(Space::DEFAULT, b"letter 1", b"")
    /// })?;
    /// db.drop_prefix(None, b"draft")?;
    /// let snapshot = db.snapshot()?;
    /// assert!(snapshot.get(Space::DEFAULT, b"draft 1")?.is_none());
    /// assert!(snapshot.get(Space::DEFAULT, b"letter 1")?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such space. After an error nothing was dropped, unless it is
    /// [`InDoubt`](Error::InDoubt).
    pub fn drop_prefix(&self, space: Option<&[u8]>, prefix: &[u8]) -> Result<()> {
        self.drop_prefixes(space, &[prefix])
    }

    /// Drops all that begins with one of several prefixes, in one step.
    pub fn drop_prefixes(&self, space: Option<&[u8]>, prefixes: &[&[u8]]) -> Result<()> {
        self.shared.refuse_closed()?;
        let mut core = locked(&self.shared.core);
        let number = self.number_of(space)?;
        let ranges = prefixes.iter().flat_map(|prefix| {
            let keys = StoredRange::prefix(&stored(number, prefix));
            [keys, operands::of_prefix(number, prefix)]
        });
        let ranges: Vec<StoredRange> = ranges.collect();
        let dropped = Dropped::Prefixes(number, prefixes);
        self.shared.drop_ranges(&mut core, ranges, &dropped)?;
        drop(core);
        self.after_drop();
        Ok(())
    }

    /// Drops everything: all pairs, all spaces. Bans stay, and versions go on counting.
    pub fn drop_all(&self) -> Result<()> {
        self.shared.refuse_closed()?;
        let mut core = locked(&self.shared.core);
        let everything = vec![StoredRange::everything()];
        self.shared
            .drop_ranges(&mut core, everything, &Dropped::Everything)?;
        drop(core);
        self.after_drop();
        Ok(())
    }

    fn number_of(&self, space: Option<&[u8]>) -> Result<u64> {
        let Some(name) = space else {
            return Ok(DEFAULT_SPACE);
        };
        let (state, at) = self.shared.current();
        match state.get(&spaces::record_key(name), at, 0)? {
            Some(record) => spaces::decode(&record),
            None => Err(Error::NotFound { what: "space" }),
        }
    }

    /// Gives back what values took. That it fails is none of the drop's, which is done: the space
    /// comes back later.
    fn after_drop(&self) {
        let freed = self.shared.seal_wasteful().and_then(|_| {
            while self.shared.collect_one()? {}
            Ok(())
        });
        if let Err(error) = freed {
            tracing::warn!(%error, "collecting what was dropped failed; it will be tried again");
        }
    }
}

impl Shared {
    fn drop_ranges(
        &self,
        core: &mut Core,
        ranges: Vec<StoredRange>,
        dropped: &Dropped<'_>,
    ) -> Result<()> {
        self.refuse_closed()?;
        self.refuse_poisoned()?;
        self.flush_all(core)?;
        let _halt = self.halt()?;
        let version = Arc::clone(&self.state.load().version);
        let mut replaced = Replaced::default();
        for (level, table) in version.tables() {
            if let Err(error) = self.without(level, table, &ranges, &mut replaced) {
                self.forget_new(&replaced);
                return Err(error);
            }
        }
        // A version of its own: what reads at it begins after it.
        let sequence = core.last.next();
        self.install_dropped(&replaced, sequence)?;
        let nth = self.state.load().drops;
        core.last = sequence;
        core.note_unseen(nth, ranges, self.settled());
        core.durable = sequence;
        self.publish(sequence);
        for (_, table) in &replaced.old {
            table.make_obsolete();
        }
        if !self.subscribers.is_empty() {
            self.subscribers.tell_dropped(sequence, dropped);
        }
        Ok(())
    }

    /// Keeps compactions from beginning, and waits until none is under way.
    fn halt(&self) -> Result<Halt<'_>> {
        locked(&self.files).halts += 1;
        let halt = Halt(self);
        loop {
            let seen = self.work.rings();
            if locked(&self.files).busy.is_empty() {
                return Ok(halt);
            }
            self.refuse_closed()?;
            self.refuse_poisoned()?;
            self.work.wait(seen, PATIENCE);
        }
    }

    /// Has `table` replaced by one without `ranges`, if it holds any of them.
    fn without(
        &self,
        level: usize,
        table: &Arc<Table>,
        ranges: &[StoredRange],
        replaced: &mut Replaced,
    ) -> Result<()> {
        let (first, last) = (
            table.meta.smallest.as_slice(),
            table.meta.biggest.as_slice(),
        );
        let meets =
            |range: &&StoredRange| range.start.as_slice() <= last && first < range.end.as_slice();
        let met: Vec<&StoredRange> = ranges.iter().filter(meets).collect();
        if met.is_empty() {
            return Ok(());
        }
        replaced.old.push((level, Arc::clone(table)));
        if met.iter().any(|range| range.covers(first, last)) {
            return Ok(());
        }
        let run = std::slice::from_ref(table);
        let mut cursor = RunCursor::new(run);
        cursor.first()?;
        let mut output = Output::new(self, level, table.meta.min_sequence, u64::MAX);
        while let Some(entry) = cursor.entry() {
            if !met.iter().any(|range| range.contains(entry.key)) {
                output.add(&entry)?;
            }
            cursor.next()?;
        }
        let tables = output.finish()?;
        replaced
            .new
            .extend(tables.into_iter().map(|table| (level, table)));
        Ok(())
    }

    fn forget_new(&self, replaced: &Replaced) {
        let new: Vec<Arc<Table>> = replaced
            .new
            .iter()
            .map(|(_, table)| Arc::clone(table))
            .collect();
        self.forget_tables(&new);
    }

    fn install_dropped(&self, replaced: &Replaced, sequence: Sequence) -> Result<()> {
        let old = replaced.old.iter();
        let removed = old.map(|(level, table)| Part::RemoveTable(*level, table.meta.id));
        let new = replaced.new.iter();
        let added = new.map(|(level, table)| Part::AddTable(*level, table.meta.clone()));
        let mut edit: Edit = removed.chain(added).collect();
        edit.extend([
            Part::Flushed(sequence),
            Part::Dropped(sequence),
            Part::Discarded(sequence),
        ]);
        let nth = self.state.load().drops + 1;
        let mut files = locked(&self.files);
        let installed = self.install(&mut files, edit, |state: &mut State, version| {
            state.drops = nth;
            for (level, table) in &replaced.old {
                version.remove(*level, table.meta.id);
            }
            for (level, table) in &replaced.new {
                version.add(*level, Arc::clone(table));
            }
            version.flushed = sequence;
            version.dropped = sequence;
            version.discarded = sequence;
        });
        drop(files);
        installed.map_err(|error| {
            self.forget_new(replaced);
            self.doubt_if_poisoned(sequence, error)
        })
    }
}
