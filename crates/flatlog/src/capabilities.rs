//! The engine's extensions behind `kv-api`: commit indexes, search, streams.

use std::io::{Read, Write};

use kv_api::capability::{
    CommitIndexes, FoundPair, Restore, Search, SearchPlan, SnapshotStream, StreamProgress,
    StreamReport,
};
use kv_api::{Error, Reader, Result, Space};

use crate::db::Db;
use crate::query::{Explanation, Limits, explain, parse, run};
use crate::search_rows::SpaceRows;
use crate::snapshot::Snapshot;
use crate::stream::Progress;

impl Snapshot {
    fn named(&self, space: Option<&[u8]>) -> Result<Space> {
        let Some(name) = space else {
            return Ok(Space::DEFAULT);
        };
        self.space(name)?.ok_or(Error::NotFound { what: "space" })
    }

    fn named_rows(&self, space: Option<&[u8]>) -> Result<SpaceRows<'_>> {
        self.space_rows(self.named(space)?)
    }
}

impl CommitIndexes for Snapshot {
    fn newest_commit_index(&self) -> u64 {
        self.last_commit_index()
    }

    fn commit_index_in(&self, space: Option<&[u8]>, key: &[u8]) -> Result<Option<u64>> {
        let item = self.item(self.named(space)?, key)?;
        Ok(item.map(|item| item.commit_index))
    }
}

/// Those of the default, but for the time: whoever is shown the rows may stop.
fn unhurried() -> Limits {
    Limits {
        time_budget: None,
        ..Limits::default()
    }
}

impl Search for Snapshot {
    fn search(
        &self,
        space: Option<&[u8]>,
        query: &str,
        visit: &mut dyn FnMut(FoundPair<'_>) -> Result<bool>,
    ) -> Result<()> {
        let (rows, limits) = (self.named_rows(space)?, unhurried());
        for row in run(&parse(query, &limits)?, &rows, &limits)? {
            let row = row?;
            let (key, commit_index) = (row.key(), row.commit_index());
            let value = row.value()?;
            let found = FoundPair {
                key,
                value: &value,
                commit_index,
            };
            if !visit(found)? {
                break;
            }
        }
        Ok(())
    }

    fn explain_search(&self, space: Option<&[u8]>, query: &str) -> Result<SearchPlan> {
        let (rows, limits) = (self.named_rows(space)?, unhurried());
        let Explanation { plan, touched } = explain(&parse(query, &limits)?, &rows, &limits)?;
        Ok(SearchPlan {
            plan: plan.to_string(),
            keys: touched.keys,
            values: touched.values,
            rows: touched.rows,
        })
    }
}

fn told(progress: Progress) -> StreamProgress {
    StreamProgress {
        pairs: progress.pairs,
        pairs_total: progress.pairs_total,
        bytes: progress.bytes,
    }
}

impl SnapshotStream for Snapshot {
    fn write_stream(&self, to: &mut dyn Write, report: StreamReport<'_>) -> Result<u64> {
        self.write_to(to, |progress| report(told(progress)))
    }
}

impl Restore for Db {
    fn restore_stream(&self, from: &mut dyn Read, report: StreamReport<'_>) -> Result<()> {
        self.restore(from, |progress| report(told(progress)))
    }
}
