//! Merging everything into one level.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use kv_api::{Error, Result};

use crate::db::Db;
use crate::level::LEVELS;
use crate::levels::{Job, WASTE_SHARE_MIN};
use crate::shared::Shared;
use crate::table::reader::Table;
use crate::version::Version;

/// How often additions are folded that others change meanwhile.
const TRIES: usize = 5;

/// How long a worker waits at most for others to be done with tables.
const PATIENCE: Duration = Duration::from_millis(20);

impl Db {
    /// Merges everything into one level, so that each key has no more records than are kept,
    /// nothing deleted, expired or banned is left, and additions are folded that
    /// [`fold_additions`](crate::Options::fold_additions) tells how to and nobody reads apart, up to
    /// sums of 1 MiB. Takes as long as writing all tables does.
    pub fn flatten(&self) -> Result<()> {
        self.flatten_with(1)
    }

    /// The same with so many threads, which merge different tables at a time.
    ///
    /// # Errors
    ///
    /// What kept the first of them from going on; what was merged stays so.
    pub fn flatten_with(&self, workers: usize) -> Result<()> {
        let shared = &*self.shared;
        for _ in 0..TRIES {
            self.flush()?;
            together(workers, || shared.merge_down())?;
            together(workers, || shared.clean_level())?;
            // Where somebody has changed additions meanwhile, that goes to the same level first.
            if shared.fold_level()? {
                break;
            }
        }
        Ok(())
    }
}

/// Runs `work` on so many threads, one of them the caller's; answers the first error.
fn together(workers: usize, work: impl Fn() -> Result<()> + Sync) -> Result<()> {
    thread::scope(|scope| {
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(&work)).collect();
        let own = work();
        let ended = others.into_iter().map(|other| {
            other.join().unwrap_or_else(|_| {
                Err(Error::Invalid {
                    what: "a thread that panicked",
                })
            })
        });
        ended.fold(own, Result::and)
    })
}

impl Shared {
    fn merge_down(&self) -> Result<()> {
        loop {
            let version = Arc::clone(&self.state.load().version);
            let filled = |level: &usize| !version.level(*level).is_empty();
            let mut levels = (0..LEVELS).filter(filled);
            let (Some(first), second) = (levels.next(), levels.next()) else {
                return Ok(());
            };
            let is_flat = second.is_none() && first > 0;
            if is_flat || first + 1 >= LEVELS {
                return Ok(());
            }
            if !self.compact_level(first)? {
                // Somebody else has the tables; when they are done, it is our turn.
                self.refuse_closed()?;
                self.work.wait(self.work.rings(), PATIENCE);
            }
        }
    }

    /// Writes tables of the one level anew that hold something to be dropped.
    fn clean_level(&self) -> Result<()> {
        let Some(last) =
            (0..LEVELS).rfind(|level| !self.state.load().version.level(*level).is_empty())
        else {
            return Ok(());
        };
        let mut done = self.state.load().version.level(last).to_vec();
        done.retain(|table| !self.is_wasteful(table));
        loop {
            // Each table once: what must stay for somebody who reads is not tried again and again.
            let Some(table) = self.next_wasteful(last, &done) else {
                return Ok(());
            };
            let cleaned = self.run_reserved(|version, busy| {
                let is_there = version
                    .level(last)
                    .iter()
                    .any(|other| Arc::ptr_eq(other, &table));
                (is_there && !busy.contains(&table.meta.id)).then(|| Job {
                    from: last,
                    to: last,
                    top: vec![Arc::clone(&table)],
                    bottom: Vec::new(),
                })
            })?;
            let is_there = |version: &Version| {
                let mut tables = version.level(last).iter();
                tables.any(|other| Arc::ptr_eq(other, &table))
            };
            if cleaned || !is_there(&self.state.load().version) {
                let version = Arc::clone(&self.state.load().version);
                let spans = |other: &&Arc<Table>| {
                    other
                        .meta
                        .overlaps(&table.meta.smallest, &table.meta.biggest)
                };
                done.extend(version.level(last).iter().filter(spans).cloned());
                continue;
            }
            self.refuse_closed()?;
            self.work.wait(self.work.rings(), PATIENCE);
        }
    }

    /// Writes a table of the last level anew much of which hides nothing any more, or has expired:
    /// no merging would ever come by. Answers whether there was one.
    pub fn clean_one(&self) -> Result<bool> {
        // Where more than the newest version is kept, deletions among them may have to stay, and
        // the same table would be written again and again.
        if self.options.keeps_deletions() {
            return Ok(false);
        }
        let (settled, now) = (self.settled(), self.now());
        self.run_reserved(|version, busy| {
            let last = (0..LEVELS).rfind(|level| !version.level(*level).is_empty())?;
            let is_due = |table: &&Arc<Table>| {
                !busy.contains(&table.meta.id)
                    && table.meta.max_sequence <= settled
                    && table.meta.waste_share(now) >= WASTE_SHARE_MIN
            };
            let table = version.level(last).iter().find(is_due)?;
            (last > 0).then(|| Job {
                from: last,
                to: last,
                top: vec![Arc::clone(table)],
                bottom: Vec::new(),
            })
        })
    }

    fn next_wasteful(&self, level: usize, done: &[Arc<Table>]) -> Option<Arc<Table>> {
        let version = Arc::clone(&self.state.load().version);
        let is_new = |table: &&Arc<Table>| !done.iter().any(|other| Arc::ptr_eq(other, table));
        let mut tables = version.level(level).iter().filter(is_new);
        tables.find(|table| self.is_wasteful(table)).cloned()
    }

    /// Whether a table may hold something that would be dropped.
    fn is_wasteful(&self, table: &Table) -> bool {
        let meta = &table.meta;
        let has_expired = meta.expires_min != 0 && meta.expires_min <= self.now();
        let has_bans = self.state.load().version.banned.is_some();
        meta.tombstones > 0 || meta.entries > meta.keys || has_expired || has_bans
    }
}
