//! A plan for people and programs to read.

use std::fmt;

use crate::query::ast::Column;
use crate::query::condition::{Condition, Doubts, Leaf, Test};
use crate::query::limits::Touched;
use crate::query::plan::{Access, Plan};
use crate::query::rows::{Direction, KeySpan};

/// How a query was answered, and what it touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The steps, the last one first.
    pub plan: PlanStep,
    /// What the execution touched.
    pub touched: Touched,
}

/// A step of a plan, with the steps it gets its rows or sets from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanStep {
    /// What it does, in a few words.
    pub step: String,
    /// Its inputs.
    pub inputs: Vec<PlanStep>,
}

impl PlanStep {
    fn new(step: impl Into<String>, inputs: Vec<PlanStep>) -> PlanStep {
        PlanStep {
            step: step.into(),
            inputs,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        writeln!(f, "{:depth$}{}", "", self.step)?;
        self.inputs
            .iter()
            .try_for_each(|input| input.write(f, depth + 2))
    }
}

impl fmt::Display for PlanStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Touched { keys, values, rows } = self.touched;
        write!(f, "{}", self.plan)?;
        write!(f, "touched {keys} keys and {values} values for {rows} rows")
    }
}

/// How many spans are shown.
const SPANS_SHOWN: usize = 8;

/// The steps of `plan`.
pub(super) fn describe(plan: &Plan) -> PlanStep {
    let mut step = reach(plan);
    let passes_all = matches!(&plan.condition, Condition::All(terms) if terms.is_empty());
    if !passes_all {
        step = PlanStep::new("filter", vec![condition(&plan.condition), step]);
    }
    if plan.sorts() {
        let by = match plan.order_by {
            Column::Key => "key",
            Column::CommitIndex => "commit index",
        };
        let way = match plan.direction {
            Direction::Ascending => "ascending",
            Direction::Descending => "descending",
        };
        let text = format!("sort by {by}, {way}, {} rows at a time", plan.sort_rows_max);
        step = PlanStep::new(text, vec![step]);
    }
    if plan.offset > 0 {
        step = PlanStep::new(format!("pass over the first {}", plan.offset), vec![step]);
    }
    if let Some(limit) = plan.limit {
        step = PlanStep::new(format!("stop after {limit}"), vec![step]);
    }
    step
}

fn reach(plan: &Plan) -> PlanStep {
    if let Access::Ids(ids) = &plan.access {
        let text = format!("look up {} rows by their ids{}", ids.len(), changed(plan));
        return PlanStep::new(text, Vec::new());
    }
    let whole = |span: &KeySpan| span.start.is_empty() && span.end.is_none();
    let backwards = plan.order_by == Column::Key && plan.direction == Direction::Descending;
    let mut way = String::from(if backwards { "backwards " } else { "" });
    if let Access::WalkAmong(_, ids) = &plan.access {
        way += &format!("among {ids} ids{} ", changed(plan));
    }
    match plan.spans.as_slice() {
        [] => PlanStep::new("no row can match", Vec::new()),
        [span] if whole(span) => {
            let text = format!("scan all keys {way}(about {} rows)", plan.rows);
            PlanStep::new(text, Vec::new())
        }
        spans => {
            let mut inputs: Vec<_> = spans.iter().take(SPANS_SHOWN).map(show_span).collect();
            if spans.len() > SPANS_SHOWN {
                inputs.push(PlanStep::new("and so on", Vec::new()));
            }
            let text = format!(
                "walk {} {way}(about {} rows)",
                count(spans.len()),
                plan.rows
            );
            PlanStep::new(text, inputs)
        }
    }
}

fn changed(plan: &Plan) -> String {
    match plan.changed.len() {
        0 => String::new(),
        changed => format!(" ({changed} changed since)"),
    }
}

fn count(spans: usize) -> String {
    match spans {
        1 => "one key range".into(),
        many => format!("{many} key ranges"),
    }
}

fn show_span(span: &KeySpan) -> PlanStep {
    let text = match (span.only_key(), &span.end) {
        (Some(key), _) => format!("key = \"{}\"", key.escape_ascii()),
        (None, Some(end)) => format!(
            "\"{}\" <= key < \"{}\"",
            span.start.escape_ascii(),
            end.escape_ascii()
        ),
        (None, None) => format!("\"{}\" <= key", span.start.escape_ascii()),
    };
    PlanStep::new(text, Vec::new())
}

fn condition(shown: &Condition) -> PlanStep {
    match shown {
        Condition::All(terms) => PlanStep::new("all of", terms.iter().map(condition).collect()),
        Condition::Any(terms) => PlanStep::new("any of", terms.iter().map(condition).collect()),
        Condition::Leaf(leaf) => PlanStep::new(show_leaf(leaf), Vec::new()),
    }
}

fn show_leaf(leaf: &Leaf) -> String {
    let not = if leaf.negated { "not " } else { "" };
    let test = match &leaf.test {
        Test::Key(comparison, key) => {
            format!("key {} \"{}\"", comparison.sign(), key.escape_ascii())
        }
        Test::KeyLike(pattern) => format!("key like {pattern}"),
        Test::CommitIndex(comparison, index) => {
            format!("CommitIndex {} {index}", comparison.sign())
        }
        Test::ValueEquals(value) => format!("value = \"{}\"", value.escape_ascii()),
        Test::ValueLike(pattern) => format!("value like {pattern}"),
        Test::ValueTokens(tokens) => {
            let shown: Vec<_> = tokens
                .iter()
                .map(|token| String::from_utf8_lossy(token))
                .collect();
            format!("value has the tokens {}", shown.join(" "))
        }
    };
    let known = match &leaf.set {
        Some(set) => {
            let rows = match &set.doubts {
                Doubts::None => format!("exactly {} rows", set.ids.len()),
                Doubts::Of(ids) => {
                    format!("at most {} rows, {} in doubt", set.ids.len(), ids.len())
                }
                Doubts::All => format!("at most {} rows", set.ids.len()),
            };
            format!(" (value index: {rows} by {} tokens)", set.tokens)
        }
        None if leaf.test.is_about_value() => " (by reading values)".into(),
        None => String::new(),
    };
    format!("{not}{test}{known}")
}
