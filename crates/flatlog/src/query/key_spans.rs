//! In which spans of keys the rows that pass a condition must lie.
//!
//! Every comparison of byte strings is a half-open span: `> x` begins at `x` and a zero byte,
//! the next string there is. Lists of spans are ascending and apart from each other.

use std::cmp::Ordering;
use std::ops::Bound;

use kv_api::KeyRange;

use crate::query::ast::Comparison;
use crate::query::condition::{Condition, Leaf, Test};
use crate::query::pattern::Pattern;
use crate::query::rows::KeySpan;

/// With more spans than this, one that covers them all is taken instead.
const SPANS_MAX: usize = 4096;

/// The spans outside of which no row passes.
pub(super) fn key_spans(condition: &Condition) -> Vec<KeySpan> {
    let spans = match condition {
        Condition::Leaf(leaf) => leaf_spans(leaf),
        Condition::All(terms) => terms.iter().fold(everything(), |spans, term| {
            if spans.is_empty() {
                return spans;
            }
            intersection(&spans, &key_spans(term))
        }),
        Condition::Any(terms) => union(terms.iter().flat_map(key_spans).collect()),
    };
    cover(spans)
}

fn everything() -> Vec<KeySpan> {
    vec![span(Vec::new(), None)]
}

fn span(start: Vec<u8>, end: Option<Vec<u8>>) -> KeySpan {
    KeySpan { start, end }
}

fn leaf_spans(leaf: &Leaf) -> Vec<KeySpan> {
    match &leaf.test {
        Test::Key(comparison, key) => comparison_spans(*comparison, key),
        Test::KeyLike(pattern) => pattern_spans(pattern, leaf.negated),
        _ => everything(),
    }
}

fn comparison_spans(comparison: Comparison, key: &[u8]) -> Vec<KeySpan> {
    let at = key.to_vec();
    let behind = successor(key);
    let all = match comparison {
        Comparison::Equal => vec![span(at, Some(behind))],
        Comparison::Different => return complement(at, Some(behind)),
        Comparison::Less => vec![span(Vec::new(), Some(at))],
        Comparison::AtMost => vec![span(Vec::new(), Some(behind))],
        Comparison::Greater => vec![span(behind, None)],
        Comparison::AtLeast => vec![span(at, None)],
    };
    all.into_iter().filter(is_possible).collect()
}

fn pattern_spans(pattern: &Pattern, negated: bool) -> Vec<KeySpan> {
    if let Some(literal) = pattern.as_literal() {
        let comparison = match negated {
            true => Comparison::Different,
            false => Comparison::Equal,
        };
        return comparison_spans(comparison, literal);
    }
    let prefix = pattern.prefix().to_vec();
    let end = match KeyRange::prefix(&prefix).end() {
        Bound::Excluded(end) => Some(end.to_vec()),
        _ => None,
    };
    match negated {
        false => vec![span(prefix, end)],
        true if pattern.is_prefix_only() => complement(prefix, end),
        true => everything(),
    }
}

/// What is outside of one span.
fn complement(start: Vec<u8>, end: Option<Vec<u8>>) -> Vec<KeySpan> {
    let before = span(Vec::new(), Some(start));
    let behind = end.map(|end| span(end, None));
    [Some(before), behind]
        .into_iter()
        .flatten()
        .filter(is_possible)
        .collect()
}

/// The smallest key above `key`.
fn successor(key: &[u8]) -> Vec<u8> {
    let mut next = key.to_vec();
    next.push(0);
    next
}

fn is_possible(span: &KeySpan) -> bool {
    span.end.as_ref().is_none_or(|end| *end > span.start)
}

/// How ends compare: none is behind all others.
fn compare_ends(a: &KeySpan, b: &KeySpan) -> Ordering {
    match (&a.end, &b.end) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => a.cmp(b),
    }
}

fn intersection(left: &[KeySpan], right: &[KeySpan]) -> Vec<KeySpan> {
    let mut common = Vec::new();
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    while let (Some(&a), Some(&b)) = (left.peek(), right.peek()) {
        let ends = compare_ends(a, b);
        let start = a.start.clone().max(b.start.clone());
        let end = if ends.is_lt() { &a.end } else { &b.end };
        let both = span(start, end.clone());
        if is_possible(&both) {
            common.push(both);
        }
        if ends.is_le() {
            left.next();
        } else {
            right.next();
        }
    }
    common
}

fn union(mut spans: Vec<KeySpan>) -> Vec<KeySpan> {
    spans.sort_by(|a, b| a.start.cmp(&b.start));
    let mut joined: Vec<KeySpan> = Vec::with_capacity(spans.len());
    for next in spans {
        match joined.last_mut() {
            Some(last) if last.end.as_ref().is_none_or(|end| *end >= next.start) => {
                if compare_ends(last, &next).is_lt() {
                    last.end = next.end;
                }
            }
            _ => joined.push(next),
        }
    }
    joined
}

fn cover(spans: Vec<KeySpan>) -> Vec<KeySpan> {
    match (spans.first(), spans.last()) {
        (Some(first), Some(last)) if spans.len() > SPANS_MAX => {
            vec![span(first.start.clone(), last.end.clone())]
        }
        _ => spans,
    }
}
