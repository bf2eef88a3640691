//! Queries with faults.

use conformance::{MemoryModel, Question, SearchFixture};
use kv_api::capability::{CommitIndexes, FoundPair, Search, SearchPlan};
use kv_api::{ErrorKind, Reader, Result};

use super::fault::Fault;
use super::snapshot::BrokenSnapshot;
use super::store::BrokenFixture;

/// A query that every pair answers.
const ANYTHING: &str = "up 100 0 key_begins =";

impl SearchFixture for BrokenFixture {
    fn query(question: &Question) -> String {
        MemoryModel::query(question)
    }

    fn not_a_query() -> &'static str {
        "sideways"
    }
}

type Visit<'a> = &'a mut dyn FnMut(FoundPair<'_>) -> Result<bool>;

/// Hands a visit on, with the faults of whoever shows the pairs.
fn show(fault: Fault, newest: u64, found: FoundPair<'_>, visit: Visit<'_>) -> Result<bool> {
    let commit_index = match fault {
        Fault::SearchGivesTheNewestIndex => newest,
        _ => found.commit_index,
    };
    let goes_on = visit(FoundPair {
        commit_index,
        ..found
    });
    match fault {
        Fault::SearchNeverStops => goes_on.map(|_| true),
        Fault::SearchSwallowsTheVisitsError => Ok(goes_on.unwrap_or(false)),
        _ => goes_on,
    }
}

impl Search for BrokenSnapshot {
    fn search(&self, space: Option<&[u8]>, query: &str, visit: Visit<'_>) -> Result<()> {
        let fault = self.fault();
        let newest = self.inner().commit_index();
        let mut show = |found: FoundPair<'_>| show(fault, newest, found, visit);
        if fault == Fault::SearchFollowsWriters {
            return self.newest()?.search(space, query, &mut show);
        }
        let mut pairs = Vec::new();
        let mut gather = |found: FoundPair<'_>| {
            pairs.push((found.key.to_vec(), found.value.to_vec(), found.commit_index));
            Ok(true)
        };
        let mut searched = self.inner().search(space, query, &mut gather);
        if fault == Fault::SearchAsksEverySpace {
            for name in self.inner().space_names()? {
                if Some(&*name) != space {
                    self.inner().search(Some(&name), query, &mut gather)?;
                }
            }
        }
        let kind = searched.as_ref().err().map(|error| error.kind());
        match (fault, kind) {
            (Fault::SearchTakesNoSpaceForEmpty, Some(ErrorKind::NotFound)) => searched = Ok(()),
            (Fault::SearchTakesAnyTextForAQuery, Some(ErrorKind::Other)) => {
                searched = self.inner().search(space, ANYTHING, &mut gather);
            }
            (Fault::SearchLosesTheLastPair, _) => drop(pairs.pop()),
            (Fault::SearchIsInNoOrder, _) => pairs.sort_by_key(|pair| pair.1.clone()),
            _ => {}
        }
        searched?;
        for (key, value, commit_index) in &pairs {
            let found = FoundPair {
                key,
                value,
                commit_index: *commit_index,
            };
            if !show(found)? {
                break;
            }
        }
        Ok(())
    }

    fn explain_search(&self, space: Option<&[u8]>, query: &str) -> Result<SearchPlan> {
        match self.fault() {
            Fault::SearchExplainsNothing => Ok(SearchPlan::default()),
            _ => self.inner().explain_search(space, query),
        }
    }
}
