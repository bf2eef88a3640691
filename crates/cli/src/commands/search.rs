//! `query` and `explain`: questions in words.

use std::ffi::OsString;

use clap::Args;
use kv_api::Error;
use kv_api::capability::{FoundPair, Search};
use serde_json::json;
use strata::AnySnapshot;
use strata::flat::query::QueryError;

use super::Context;
use crate::arguments::{Word, word};
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::{show, stores};

#[derive(Args, Debug)]
pub struct SearchArgs {
    /// The store
    #[arg(value_name = "STORE")]
    store: OsString,
    /// The question, such as: key like "log:*" AND value like "*critical*" LIMIT 10
    #[arg(value_name = "QUERY")]
    query: String,
    /// Ask this space instead of the default one
    #[arg(long, value_name = "NAME", value_parser = word)]
    space: Option<Word>,
    /// Use an index over values: the store's own, or one made on opening
    #[arg(long)]
    value_index: bool,
}

impl SearchArgs {
    fn space(&self) -> Option<&[u8]> {
        self.space.as_ref().map(|space| space.0.as_slice())
    }

    fn snapshot(&self, context: &Context) -> Outcome<AnySnapshot> {
        let store = stores::searching(&self.store, context.timeout, self.value_index)?;
        Ok(store.open_snapshot()?)
    }
}

fn search(snapshot: &AnySnapshot) -> Outcome<&dyn Search> {
    let search = snapshot.as_search();
    Ok(search.ok_or(Error::Unsupported {
        what: "queries, which only flat stores answer",
    })?)
}

/// A text that is no query is wrong usage: the place is shown, and what a query looks like.
fn refused(error: Error, query: &str) -> Failure {
    let wrong = match error.downcast_ref::<QueryError>() {
        Some(wrong) if !matches!(wrong, QueryError::OutOfTime { .. }) => wrong,
        _ => return Failure::Store(error),
    };
    let mut told = wrong.to_string();
    if let QueryError::Syntax { position, .. } = wrong
        && query.chars().count() <= QUERY_CHARACTERS_MAX
    {
        let before = query.get(..*position).unwrap_or_default().chars().count();
        let query = query.replace(char::is_control, " ");
        told += &format!("\n    {query}\n    {:before$}^", "");
    }
    told += "\n  a query is like: key like \"log:*\" AND value like \"error\" LIMIT 10";
    Failure::Usage(told)
}

/// A longer query is not shown again: its place would be lines away.
const QUERY_CHARACTERS_MAX: usize = 100;

pub fn query(args: &SearchArgs, context: &Context, out: &mut Output) -> Outcome {
    let snapshot = args.snapshot(context)?;
    let (mut printed, mut rows) = (Ok(()), 0_u64);
    let mut print = |found: FoundPair<'_>| {
        if rows == 0 && !out.is_json() {
            printed = out.line("COMMIT INDEX  KEY                       VALUE");
        }
        rows += 1;
        if printed.is_ok() {
            printed = out.put(|| line(&found), || object(&found));
        }
        Ok(printed.is_ok())
    };
    let searched = search(&snapshot)?.search(args.space(), &args.query, &mut print);
    printed?;
    searched.map_err(|error| refused(error, &args.query))
}

fn line(found: &FoundPair<'_>) -> String {
    let (key, value) = (show::text(found.key), show::text(found.value));
    format!("{:>12}  {key:<24}  {value}", found.commit_index)
}

fn object(found: &FoundPair<'_>) -> serde_json::Value {
    json!({"key": show::value(found.key), "value": show::value(found.value),
           "commit_index": found.commit_index})
}

pub fn explain(args: &SearchArgs, context: &Context, out: &mut Output) -> Outcome {
    let snapshot = args.snapshot(context)?;
    let plan = search(&snapshot)?.explain_search(args.space(), &args.query);
    let plan = plan.map_err(|error| refused(error, &args.query))?;
    // A plan shows parts of keys and of the query.
    let safe = |line: &str| line.replace(char::is_control, "\u{fffd}");
    let lines: Vec<_> = plan.plan.lines().map(safe).collect();
    if out.is_json() {
        return out.object(
            &json!({"plan": lines, "keys": plan.keys, "values": plan.values,
                                  "rows": plan.rows}),
        );
    }
    for line in lines {
        out.line(&line)?;
    }
    let (keys, values, rows) = (plan.keys, plan.values, plan.rows);
    out.line(&format!(
        "touched {keys} keys and {values} values for {rows} rows"
    ))
}
