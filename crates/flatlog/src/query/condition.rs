//! A filter in normal form, and its judgement of rows.

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::query::ast::Comparison;
use crate::query::error::QueryError;
use crate::query::limits::Clock;
use crate::query::pattern::Pattern;
use crate::query::rows::Row;
use crate::search::{KeyId, for_each_token};

/// A filter without NOT but at its leaves.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Leaf(Leaf),
}

/// A test, or its negation.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) test: Test,
    pub(super) negated: bool,
    /// What the value index knows of the test (not of its negation).
    pub(super) set: Option<LeafSet>,
}

/// The ids of rows that pass a test, and of more rows if there are doubts.
#[derive(Clone, Debug)]
pub(super) struct LeafSet {
    pub(super) ids: Arc<RoaringBitmap>,
    pub(super) doubts: Doubts,
    /// How many tokens of the dictionary matched.
    pub(super) tokens: u64,
}

/// Which ids of a set may be those of rows that do not pass.
#[derive(Clone, Debug)]
pub(super) enum Doubts {
    None,
    Of(Arc<RoaringBitmap>),
    All,
}

impl Doubts {
    fn are_about(&self, id: KeyId) -> bool {
        match self {
            Doubts::None => false,
            Doubts::Of(ids) => ids.contains(id.0),
            Doubts::All => true,
        }
    }
}

/// One question about one column.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Key(Comparison, Vec<u8>),
    KeyLike(Pattern),
    CommitIndex(Comparison, u64),
    ValueEquals(Vec<u8>),
    ValueLike(Pattern),
    ValueTokens(Vec<Vec<u8>>),
}

/// A row as far as it is known without its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<R> {
    pub(super) row: R,
    pub(super) id: KeyId,
    /// Whether the sets may be believed about it.
    pub(super) in_sets: bool,
}

impl Condition {
    /// Whether the row passes, if that can be told without its value.
    pub(super) fn judge<'a>(
        &self,
        row: &Known<impl Row<'a>>,
        clock: &mut Clock,
    ) -> Result<Option<bool>, QueryError> {
        // The verdict of one term that decides for all of them.
        let (terms, decisive) = match self {
            Condition::Leaf(leaf) => return leaf.judge(row, clock),
            Condition::All(terms) => (terms, false),
            Condition::Any(terms) => (terms, true),
        };
        let mut verdict = Some(!decisive);
        for term in terms {
            match term.judge(row, clock)? {
                Some(judged) if judged == decisive => return Ok(Some(decisive)),
                Some(_) => {}
                None => verdict = None,
            }
        }
        Ok(verdict)
    }

    /// Whether the row passes, given its value.
    pub(super) fn decide<'a>(
        &self,
        row: &Known<impl Row<'a>>,
        value: &[u8],
        clock: &mut Clock,
    ) -> Result<bool, QueryError> {
        let (terms, decisive) = match self {
            Condition::Leaf(leaf) => {
                return match leaf.judge(row, clock)? {
                    Some(judged) => Ok(judged),
                    None => Ok(leaf.test.holds_for_value(value, clock)? != leaf.negated),
                };
            }
            Condition::All(terms) => (terms, false),
            Condition::Any(terms) => (terms, true),
        };
        for term in terms {
            if term.decide(row, value, clock)? == decisive {
                return Ok(decisive);
            }
        }
        Ok(!decisive)
    }
}

impl Leaf {
    fn judge<'a>(
        &self,
        row: &Known<impl Row<'a>>,
        clock: &mut Clock,
    ) -> Result<Option<bool>, QueryError> {
        clock.spend(1)?;
        let passes = match &self.test {
            Test::Key(comparison, bytes) => comparison.holds(row.row.key(), bytes.as_slice()),
            Test::KeyLike(pattern) => pattern.matches_in_time(row.row.key(), clock)?,
            Test::CommitIndex(comparison, index) => {
                comparison.holds(&row.row.commit_index(), index)
            }
            _ => match &self.set {
                Some(set) if row.in_sets => {
                    let is_in = set.ids.contains(row.id.0);
                    // Being in the set may tell nothing; not being in it does.
                    if is_in && set.doubts.are_about(row.id) {
                        return Ok(None);
                    }
                    is_in
                }
                _ => return Ok(None),
            },
        };
        Ok(Some(passes != self.negated))
    }
}

impl Test {
    /// Whether only the value can tell, or the value index.
    pub(super) fn is_about_value(&self) -> bool {
        matches!(
            self,
            Test::ValueEquals(_) | Test::ValueLike(_) | Test::ValueTokens(_)
        )
    }

    pub(super) fn holds_for_value(
        &self,
        value: &[u8],
        clock: &mut Clock,
    ) -> Result<bool, QueryError> {
        clock.spend(1 + value.len() / 16)?;
        Ok(match self {
            Test::ValueEquals(bytes) => value == bytes,
            Test::ValueLike(pattern) => pattern.matches_in_time(value, clock)?,
            Test::ValueTokens(wanted) => has_tokens(value, wanted),
            Test::Key(..) | Test::KeyLike(_) | Test::CommitIndex(..) => false,
        })
    }
}

/// Whether `value` has all the tokens `wanted`, which are sorted and each there once.
fn has_tokens(value: &[u8], wanted: &[Vec<u8>]) -> bool {
    let mut seen = vec![false; wanted.len()];
    let mut missing = wanted.len();
    for_each_token(value, |token| {
        if missing == 0 {
            return;
        }
        if let Ok(place) = wanted.binary_search_by(|known| known.as_slice().cmp(token))
            && let Some(seen) = seen.get_mut(place)
            && !std::mem::replace(seen, true)
        {
            missing -= 1;
        }
    });
    missing == 0
}
