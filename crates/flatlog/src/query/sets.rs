//! What the value index knows about a condition.
//!
//! A set is never smaller than the rows that pass its test, for all ids but the changed ones; so
//! a conjunction's rows lie in each of its sets, and a disjunction's in the union if every term
//! has one. A negated leaf bounds nothing.

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::query::condition::{Condition, Doubts, Leaf, LeafSet, Test};
use crate::query::error::QueryError;
use crate::query::fragments::{fragments, sole_fragment};
use crate::query::limits::Clock;
use crate::search::{SearchIndex, Side, Standing, tokens};

/// Asks the index about every leaf where that may help.
pub(super) struct Asking<'a> {
    pub(super) index: &'a SearchIndex,
    /// About how many rows the key spans have.
    pub(super) rows: u64,
    /// With so few rows left, reading their values costs less than searching the dictionary.
    pub(super) few_rows: u64,
    pub(super) clock: &'a mut Clock,
}

impl Asking<'_> {
    /// Gives the leaves of `condition` their sets.
    pub(super) fn ask(&mut self, condition: &mut Condition) -> Result<(), QueryError> {
        match condition {
            Condition::Leaf(leaf) => self.ask_leaf(leaf),
            Condition::Any(terms) => terms.iter_mut().try_for_each(|term| self.ask(term)),
            Condition::All(terms) => {
                let rows = self.rows;
                for term in terms {
                    self.ask(term)?;
                    if let Some(bound) = candidates(term) {
                        self.rows = self.rows.min(bound.len());
                    }
                }
                self.rows = rows;
                Ok(())
            }
        }
    }

    fn ask_leaf(&mut self, leaf: &mut Leaf) -> Result<(), QueryError> {
        leaf.set = match &leaf.test {
            Test::ValueTokens(wanted) => {
                let parts = wanted.iter().map(|token| (token.clone(), Side::Whole));
                self.ask_parts(parts, true)?
            }
            Test::ValueEquals(value) => {
                let parts = tokens(value).into_iter().map(|token| (token, Side::Whole));
                self.ask_parts(parts, false)?
            }
            Test::ValueLike(pattern) => match sole_fragment(pattern) {
                Some((part, standing)) => self.ask_sole(&part, standing)?,
                None => self.ask_parts(fragments(pattern).into_iter(), false)?,
            },
            _ => None,
        };
        Ok(())
    }

    /// Joining more ids than this costs more than it can save.
    fn ids_max(&self) -> u64 {
        self.rows.saturating_mul(4).saturating_add(4096)
    }

    /// The keys with a value that matches the pattern of this one fragment, and some more maybe.
    fn ask_sole(&mut self, part: &[u8], standing: Standing) -> Result<Option<LeafSet>, QueryError> {
        self.clock.look()?;
        if self.rows <= self.few_rows {
            return Ok(None);
        }
        let found = self.index.find_standing(part, standing, self.ids_max());
        Ok(found.map(|(found, doubts)| LeafSet {
            ids: found.ids,
            doubts: match doubts.is_empty() {
                true => Doubts::None,
                false => Doubts::Of(doubts),
            },
            tokens: found.tokens,
        }))
    }

    /// The keys that have all the parts; none if nothing was learnt.
    fn ask_parts(
        &mut self,
        parts: impl Iterator<Item = (Vec<u8>, Side)>,
        exact: bool,
    ) -> Result<Option<LeafSet>, QueryError> {
        let doubts = if exact { Doubts::None } else { Doubts::All };
        let mut set: Option<LeafSet> = None;
        for (part, side) in parts {
            self.clock.look()?;
            let left = set.as_ref().map_or(self.rows, |set| set.ids.len());
            if left == 0 || (side != Side::Whole && left.min(self.rows) <= self.few_rows) {
                break;
            }
            let Some(found) = self.index.find(&part, side, self.ids_max()) else {
                if exact {
                    return Ok(None);
                }
                continue;
            };
            set = Some(match set {
                None => LeafSet {
                    ids: found.ids,
                    doubts: doubts.clone(),
                    tokens: found.tokens,
                },
                Some(before) => LeafSet {
                    ids: Arc::new(&*before.ids & &*found.ids),
                    doubts: before.doubts,
                    tokens: before.tokens + found.tokens,
                },
            });
        }
        // A test for no tokens is passed by every row, of which there is no set.
        Ok(set)
    }
}

/// If the sets alone decide, so that [`candidates`] are exactly the rows that pass: the ids about
/// which they do not, unchanged ones only.
pub(super) fn settled_but_for(condition: &Condition) -> Option<RoaringBitmap> {
    match condition {
        Condition::Leaf(leaf) if leaf.negated => None,
        Condition::Leaf(leaf) => match &leaf.set.as_ref()?.doubts {
            Doubts::None => Some(RoaringBitmap::new()),
            Doubts::Of(ids) => Some((**ids).clone()),
            Doubts::All => None,
        },
        Condition::All(terms) | Condition::Any(terms) => {
            let mut doubts = terms.iter().map(settled_but_for);
            let first = doubts.next()??;
            doubts.try_fold(first, |union, more| Some(union | more?))
        }
    }
}

/// A set in which every row that passes lies, if the sets of the leaves give one.
pub(super) fn candidates(condition: &Condition) -> Option<Arc<RoaringBitmap>> {
    match condition {
        Condition::Leaf(leaf) if leaf.negated => None,
        Condition::Leaf(leaf) => leaf.set.as_ref().map(|set| Arc::clone(&set.ids)),
        Condition::All(terms) => terms
            .iter()
            .filter_map(candidates)
            .reduce(|a, b| Arc::new(&*a & &*b)),
        Condition::Any(terms) => {
            let mut sets = terms.iter().map(candidates);
            let first = sets.next()??;
            sets.try_fold(first, |union, set| Some(Arc::new(&*union | &*set?)))
        }
    }
}
