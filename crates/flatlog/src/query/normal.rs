//! From the written filter to its normal form.
//!
//! NOT moves to the leaves, where comparisons swallow it; ANDs in ANDs and ORs in ORs become
//! one; in each, what needs no value comes first.

use crate::query::ast::{Expression, Predicate};
use crate::query::condition::{Condition, Leaf, Test};

/// The normal form of a filter; of none, the condition that every row passes.
pub(super) fn normal_form(filter: Option<&Expression>) -> Condition {
    filter.map_or(Condition::All(Vec::new()), |filter| normal(filter, false))
}

fn normal(expression: &Expression, negated: bool) -> Condition {
    match expression {
        Expression::Not(inner) => normal(inner, !negated),
        Expression::Predicate(predicate) => leaf(predicate, negated),
        Expression::And(terms) => join(terms, negated, !negated),
        Expression::Or(terms) => join(terms, negated, negated),
    }
}

fn join(terms: &[Expression], negated: bool, all: bool) -> Condition {
    let mut flat = Vec::with_capacity(terms.len());
    for term in terms {
        match (normal(term, negated), all) {
            (Condition::All(inner), true) | (Condition::Any(inner), false) => flat.extend(inner),
            (other, _) => flat.push(other),
        }
    }
    flat.sort_by_key(cost);
    if all {
        Condition::All(flat)
    } else {
        Condition::Any(flat)
    }
}

/// How dear a condition is to judge.
fn cost(condition: &Condition) -> u32 {
    match condition {
        Condition::All(terms) | Condition::Any(terms) => {
            1 + terms.iter().map(cost).max().unwrap_or(0)
        }
        Condition::Leaf(leaf) => match leaf.test {
            Test::CommitIndex(..) | Test::Key(..) => 0,
            Test::KeyLike(_) => 1,
            Test::ValueTokens(_) => 1000,
            Test::ValueEquals(_) => 1001,
            Test::ValueLike(_) => 1002,
        },
    }
}

fn leaf(predicate: &Predicate, negated: bool) -> Condition {
    let (test, negated) = match predicate.clone() {
        // Every value has all of no tokens.
        Predicate::ValueTokens(wanted) if wanted.is_empty() => {
            return if negated {
                Condition::Any(Vec::new())
            } else {
                Condition::All(Vec::new())
            };
        }
        Predicate::Key(comparison, bytes) if negated => {
            (Test::Key(comparison.opposite(), bytes), false)
        }
        Predicate::Key(comparison, bytes) => (Test::Key(comparison, bytes), false),
        Predicate::CommitIndex(comparison, index) if negated => {
            (Test::CommitIndex(comparison.opposite(), index), false)
        }
        Predicate::CommitIndex(comparison, index) => (Test::CommitIndex(comparison, index), false),
        Predicate::KeyLike(pattern) => (Test::KeyLike(pattern), negated),
        Predicate::ValueEquals(bytes) => (Test::ValueEquals(bytes), negated),
        Predicate::ValueDiffers(bytes) => (Test::ValueEquals(bytes), !negated),
        Predicate::ValueLike(pattern) => (Test::ValueLike(pattern), negated),
        Predicate::ValueTokens(wanted) => (Test::ValueTokens(wanted), negated),
    };
    Condition::Leaf(Leaf {
        test,
        negated,
        set: None,
    })
}
