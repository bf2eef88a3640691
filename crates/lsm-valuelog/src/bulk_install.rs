//! Making a bulk load durable and visible: one edit of the manifest.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use kv_api::{Error, Result};

use crate::alone::deepest;
use crate::bulk_values::Done;
use crate::error::locked;
use crate::id::Sequence;
use crate::level::LEVELS;
use crate::loaded_changes::changes_of;
use crate::manifest::edit::{Edit, Part};
use crate::memtable::LogPlace;
use crate::merge::{Child, Merge};
use crate::open_logs::Core;
use crate::output::Output;
use crate::shared::{Files, Shared};
use crate::table::reader::Table;
use crate::values::HEADER_BYTES;
use crate::version::Version;

/// How long a load waits before it looks again whether compactions under way have ended.
const PATIENCE: Duration = Duration::from_millis(20);

/// What becomes of what is in the store already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BulkMode {
    /// It stays; the load's records come on top.
    Add,
    /// It is replaced in the same step in which the load becomes visible.
    Replace,
}

/// A load whose files are whole and durable, and named by nobody.
pub(crate) struct Load<'l> {
    pub mode: BulkMode,
    /// The newest commit when it began.
    pub begun: Sequence,
    pub oldest: Sequence,
    pub newest: Sequence,
    /// By key, and none overlaps another.
    pub tables: &'l [Arc<Table>],
    pub values: &'l [Done],
}

impl Load<'_> {
    fn replaces(&self) -> bool {
        self.mode == BulkMode::Replace
    }

    /// What names its files, and takes the names of what it replaces.
    fn edit(&self, version: &Version, level: usize, logs: LogPlace) -> Edit {
        let mut edit = if self.replaces() {
            removals(version)
        } else {
            Vec::new()
        };
        let values = self.values.iter();
        edit.extend(values.map(|(state, file)| Part::Values(file.id, *state)));
        let tables = self.tables.iter();
        edit.extend(tables.map(|table| Part::AddTable(level, table.meta.clone())));
        edit.extend([Part::Flushed(self.newest), Part::Logs(logs)]);
        if self.replaces() {
            // No deletions tell of what is gone, and nothing older can be read any more.
            edit.extend([Part::Dropped(self.newest), Part::Discarded(self.newest)]);
        }
        edit
    }

    /// The same in memory.
    fn apply(&self, version: &mut Version, level: usize) {
        if self.replaces() {
            // Bans are for good, and counts go on.
            version.levels = vec![Vec::new(); LEVELS];
            version.values.clear();
            version.value_states.clear();
            version.dropped = self.newest;
            version.discarded = self.newest;
        }
        for (state, file) in self.values {
            version.values.insert(file.id, Arc::clone(file));
            version.value_states.insert(file.id, *state);
        }
        version.flushed = self.newest;
        for table in self.tables {
            version.add(level, Arc::clone(table));
        }
    }
}

impl Shared {
    /// Names a load's files and lets readers see them, if nobody wrote since it began.
    pub fn install_load(&self, load: &Load<'_>) -> Result<()> {
        let mut core = locked(&self.core);
        self.refuse_closed()?;
        self.refuse_poisoned()?;
        if core.last != load.begun {
            return Err(Error::Conflict);
        }
        if !load.replaces() && load.oldest <= load.begun {
            return Err(Error::Invalid {
                what: "versions that are not newer than the store's; load them into an empty store",
            });
        }
        self.flush_all(&mut core)?;
        self.seal_values(&mut core)?;
        let _collecting = locked(&self.collecting);
        let mut files = self.wait_for_compactions()?;
        let version = Arc::clone(&self.state.load().version);
        let logs = LogPlace {
            wal: core.wal_id,
            values: Some((self.next_file(), HEADER_BYTES as u64)),
        };
        let level = if load.replaces() {
            LEVELS - 1
        } else {
            deepest(&version, &files, load.tables)
        };
        let edit = load.edit(&version, level, logs);
        let before = std::mem::replace(&mut files.logs, logs);
        let installed = self.install(&mut files, edit, |_, version| load.apply(version, level));
        if let Err(error) = installed {
            files.logs = before;
            return Err(self.doubt_if_poisoned(load.newest, error));
        }
        drop(files);
        self.publish_load(&mut core, load, &version);
        Ok(())
    }

    /// Lets readers see the load, and lets go what it has replaced.
    fn publish_load(&self, core: &mut Core, load: &Load<'_>, before: &Version) {
        core.last = load.newest;
        core.durable = load.newest;
        if load.replaces() {
            // What is gone left no record that a transaction could be compared with.
            self.replaced_at.store(load.newest.0, Ordering::Release);
            before.tables().for_each(|(_, table)| table.make_obsolete());
            before.values.values().for_each(|file| file.make_obsolete());
        }
        self.publish(load.newest);
        if !self.subscribers.is_empty() {
            let version = Arc::clone(&self.state.load().version);
            self.subscribers
                .tell_load(load.newest, load.replaces(), |interest, bytes_max| {
                    changes_of(&version, load.tables, interest, bytes_max)
                });
        }
    }

    /// The files, at a moment when no compaction holds any.
    fn wait_for_compactions(&self) -> Result<MutexGuard<'_, Files>> {
        loop {
            let seen = self.work.rings();
            let files = locked(&self.files);
            if files.busy.is_empty() {
                return Ok(files);
            }
            drop(files);
            self.refuse_poisoned()?;
            self.work.wait(seen, PATIENCE);
        }
    }
}

/// What makes everything of `version` go.
fn removals(version: &Version) -> Edit {
    let tables = version.tables();
    let mut edit: Edit = tables
        .map(|(level, table)| Part::RemoveTable(level, table.meta.id))
        .collect();
    edit.extend(
        version
            .value_states
            .keys()
            .map(|id| Part::RemoveValues(*id)),
    );
    edit
}

/// Writes overlapping runs anew as one. Of one version of a key that came twice, one stays.
pub(crate) fn merge_runs(shared: &Shared, runs: &[Vec<Arc<Table>>]) -> Result<Vec<Arc<Table>>> {
    let mut output = Output::new(shared, LEVELS - 1, Sequence(0), shared.options.table_bytes);
    let mut merge = Merge::new(runs.iter().map(|tables| Child::run(tables)).collect());
    merge.first()?;
    let mut last: Option<(Vec<u8>, Sequence)> = None;
    while let Some(entry) = merge.entry() {
        let is_again = last
            .as_ref()
            .is_some_and(|(key, version)| key == entry.key && *version == entry.sequence);
        if !is_again {
            output.add(&entry)?;
            last = Some((entry.key.to_vec(), entry.sequence));
        }
        merge.advance()?;
    }
    output.finish()
}
