//! Every law that is written is in the list, so that no engine misses one.

use std::collections::BTreeSet;

use conformance::{
    Law, backup_laws, base_laws, check_laws, commit_indexes_laws, nested_laws, search_laws,
    snapshot_stream_laws,
};

use crate::model::TakingTurns;

/// The sources of the topics, by name.
macro_rules! sources {
    ($($topic:ident),* $(,)?) => {
        [$((stringify!($topic), include_str!(concat!("../../src/", stringify!($topic), ".rs")))),*]
    };
}

fn listed() -> Vec<Law> {
    [
        base_laws::<TakingTurns>(),
        check_laws::<TakingTurns>(),
        backup_laws::<TakingTurns>(),
        nested_laws::<TakingTurns>(),
        commit_indexes_laws::<TakingTurns>(),
        snapshot_stream_laws::<TakingTurns>(),
        search_laws::<TakingTurns>(),
    ]
    .concat()
}

#[test]
fn every_law_that_is_written_is_listed() {
    let sources = sources![
        reading,
        writing,
        cursors,
        merging,
        ranges,
        spaces,
        default_space,
        snapshots,
        transactions,
        conflicts,
        durability,
        errors,
        threads,
        model,
        capability_check,
        capability_backup,
        capability_nested,
        capability_commit_indexes,
        capability_snapshot_stream,
        capability_search,
    ];
    let listed: BTreeSet<String> = listed()
        .iter()
        .map(|law| format!("{}::{}", law.topic, law.name))
        .collect();
    let mut written = BTreeSet::new();
    for (topic, source) in sources {
        for line in source.lines() {
            let function = line
                .strip_prefix("pub fn ")
                .and_then(|l| l.split_once("<F: "));
            let nested = line
                .strip_prefix("    ")
                .and_then(|l| l.split_once(", |fixture, "));
            if let Some((name, _)) = function.or(nested) {
                written.insert(format!("{topic}::{name}"));
            }
        }
    }
    assert_eq!(written, listed);
}

#[test]
fn no_two_laws_have_one_name() {
    let laws = listed();
    let names: BTreeSet<&str> = laws.iter().map(|law| law.name).collect();
    assert_eq!(names.len(), laws.len());
}
