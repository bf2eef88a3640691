//! The sorted streams of a bulk load: those that still grow, and those that have ended.
//!
//! Invariants:
//! * a stream that has ended takes no more records: its tables are whole and durable, and it holds
//!   no memory of a writer's any more;
//! * nobody names the tables before the load is installed; those that never are go when this is
//!   dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use kv_api::{Error, Result};

use crate::bulk_install::merge_runs;
use crate::entry::Entry;
use crate::id::Sequence;
use crate::level::LEVELS;
use crate::output::Output;
use crate::shared::Shared;
use crate::table::reader::Table;

/// One sorted stream of records.
struct Run<'d> {
    output: Output<'d>,
    /// The last record's stored key and version.
    last: Option<(Vec<u8>, Sequence)>,
}

/// All streams of a load.
pub(crate) struct Runs<'d> {
    shared: &'d Shared,
    open: BTreeMap<u32, Run<'d>>,
    ended: BTreeMap<u32, Vec<Arc<Table>>>,
}

impl<'d> Runs<'d> {
    pub fn new(shared: &'d Shared) -> Runs<'d> {
        Runs {
            shared,
            open: BTreeMap::new(),
            ended: BTreeMap::new(),
        }
    }

    /// Refuses a record of `stream` that does not come behind its last one.
    pub fn admit(&self, stream: u32, key: &[u8], version: Sequence) -> Result<()> {
        if self.ended.contains_key(&stream) {
            return Err(Error::Invalid {
                what: "a record of a stream that was ended",
            });
        }
        let last = self.open.get(&stream).and_then(|run| run.last.as_ref());
        let follows = last
            .is_none_or(|(last, newer)| last.as_slice() < key || last == key && *newer > version);
        if !follows {
            return Err(Error::Invalid {
                what: "records of one stream of a bulk load must ascend by key, and their versions descend",
            });
        }
        Ok(())
    }

    /// Adds a record that was admitted.
    pub fn add(&mut self, stream: u32, entry: &Entry<'_>) -> Result<()> {
        let shared = self.shared;
        let run = self.open.entry(stream).or_insert_with(|| Run {
            output: Output::new(shared, LEVELS - 1, Sequence(0), shared.options.table_bytes),
            last: None,
        });
        run.output.add(entry)?;
        match &mut run.last {
            Some((key, version)) => {
                key.clear();
                key.extend_from_slice(entry.key);
                *version = entry.sequence;
            }
            last => *last = Some((entry.key.to_vec(), entry.sequence)),
        }
        Ok(())
    }

    /// Ends a stream. One that was never begun is ended too, and one that was stays so.
    pub fn end(&mut self, stream: u32) -> Result<()> {
        let tables = match self.open.remove(&stream) {
            Some(run) => run.output.finish()?,
            None => Vec::new(),
        };
        self.ended.entry(stream).or_default().extend(tables);
        Ok(())
    }

    /// A stream that nobody has used.
    pub fn unused(&self) -> u32 {
        let is_used =
            |stream: &u32| self.open.contains_key(stream) || self.ended.contains_key(stream);
        (0..u32::MAX)
            .rev()
            .find(|stream| !is_used(stream))
            .unwrap_or(u32::MAX)
    }

    /// Ends all streams; answers their tables by key, merged if streams overlap.
    pub fn finish(&mut self) -> Result<Vec<Arc<Table>>> {
        while let Some((stream, _)) = self.open.first_key_value() {
            self.end(*stream)?;
        }
        let mut tables: Vec<Arc<Table>> = self.ended.values().flatten().cloned().collect();
        tables.sort_by(|a, b| a.meta.smallest.cmp(&b.meta.smallest));
        let overlap = |pair: &[Arc<Table>]| match pair {
            [a, b] => a.meta.biggest >= b.meta.smallest,
            _ => false,
        };
        if !tables.windows(2).any(overlap) {
            self.ended.clear();
            return Ok(tables);
        }
        let runs = std::mem::take(&mut self.ended);
        let runs: Vec<Vec<Arc<Table>>> = runs.into_values().collect();
        let merged = merge_runs(self.shared, &runs);
        self.shared.forget_tables(&tables);
        merged
    }
}

impl Drop for Runs<'_> {
    fn drop(&mut self) {
        let ended = self.ended.values();
        ended.for_each(|tables| self.shared.forget_tables(tables));
    }
}
