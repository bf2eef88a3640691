//! Questions about keys, values and commit indexes.

use crate::Result;

/// A pair that a query gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundPair<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// The index of the commit that put it.
    pub commit_index: u64,
}

/// How a query was answered, and what that touched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchPlan {
    /// The steps, a line each, those further in by the steps they serve.
    pub plan: String,
    /// Keys looked at.
    pub keys: u64,
    /// Values read to decide about their pairs.
    pub values: u64,
    /// Pairs given.
    pub rows: u64,
}

/// A snapshot that answers queries. How they are written is the engine's own.
///
/// Law: a query gives the pairs, in the order, that looking at every pair would give.
pub trait Search {
    /// Shows `visit` what `query` finds in the space called `space`, the default one without a
    /// name, until that answers `false`. An answer that goes on takes as long as it takes; an engine
    /// may give up one in which nothing has come for long.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such space; what is wrong with a text that is no query is
    /// [`Error::Other`](crate::Error::Other) with the engine's own error inside.
    fn search(
        &self,
        space: Option<&[u8]>,
        query: &str,
        visit: &mut dyn FnMut(FoundPair<'_>) -> Result<bool>,
    ) -> Result<()>;

    /// Runs `query` and tells by which way it was answered, instead of the pairs.
    fn explain_search(&self, space: Option<&[u8]>, query: &str) -> Result<SearchPlan>;
}
