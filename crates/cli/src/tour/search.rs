//! Questions about names, where the engine answers them.

use kv_api::{Error, Result};
use strata::AnyStore;

use super::names::{Named, Names};
use super::report::Report;

/// The plane that is asked.
const PLANE: &str = "plane 00";

type Judge = fn(&str) -> bool;

fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_alphanumeric())
}

/// What is asked, how it is written, and which names it should find.
const QUESTIONS: [(&str, &str, Judge); 3] = [
    ("a word", "value like \"snowman\"", |name| {
        words(name).any(|word| word == "SNOWMAN")
    }),
    ("a beginning", "value like \"GREEK SMALL*\"", |name| {
        name.starts_with("GREEK SMALL")
    }),
    ("a part of a word", "value like \"*LIGATUR*\"", |name| {
        name.contains("LIGATUR")
    }),
];

/// Asks, and holds each answer against the names.
pub fn ask(store: &AnyStore, names: &Names, report: &mut Report) -> Result<()> {
    let snapshot = store.open_snapshot()?;
    let Some(search) = snapshot.as_search() else {
        return Ok(());
    };
    for (what, query, judge) in QUESTIONS {
        let is_meant = |named: &&Named| named.plane() == PLANE && judge(&named.name);
        let expected = names.iter().filter(is_meant).count();
        let found = report.timed(&format!("search for {what}"), "rows", || {
            let mut found = 0;
            search.search(Some(PLANE.as_bytes()), query, &mut |_| {
                found += 1;
                Ok(true)
            })?;
            Ok((found, found))
        })?;
        report.say(&format!("{found} names answer {query}."));
        if found != expected as u64 {
            return Err(Error::other(format!(
                "{query} found {found} names, not {expected}"
            )));
        }
        let plan = search.explain_search(Some(PLANE.as_bytes()), query)?;
        for line in plan.plan.lines() {
            report.say(&format!("    {line}"));
        }
        report.say(&format!(
            "    touched {} keys and {} values",
            plan.keys, plan.values
        ));
    }
    Ok(())
}
