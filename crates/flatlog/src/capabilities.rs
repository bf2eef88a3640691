//! The engine's extensions behind `kv-api`: search.

use kv_api::capability::{FoundPair, Search, SearchPlan};
use kv_api::{Error, Reader, Result, Space};

use crate::query::{Explanation, Limits, parse, run};
use crate::search_rows::SpaceRows;
use crate::snapshot::Snapshot;

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

impl Search for Snapshot {
    fn search(
        &self,
        space: Option<&[u8]>,
        query: &str,
        visit: &mut dyn FnMut(FoundPair<'_>) -> Result<bool>,
    ) -> Result<()> {
        let (source, limits) = (self.named_rows(space)?, Limits::default());
        let mut rows = run(&parse(query, &limits)?, &source, &limits)?;
        while let Some(row) = rows.next().transpose()? {
            // Whoever is shown rows may stop; nobody can where none comes.
            rows.renew_time();
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
        let (source, limits) = (self.named_rows(space)?, Limits::default());
        let mut rows = run(&parse(query, &limits)?, &source, &limits)?;
        while rows.next().transpose()?.is_some() {
            rows.renew_time();
        }
        let Explanation { plan, touched } = rows.explanation();
        Ok(SearchPlan {
            plan: plan.to_string(),
            keys: touched.keys,
            values: touched.values,
            rows: touched.rows,
        })
    }
}
