//! What somebody new to flat stores does wrong, and what they are told to do next.

use std::fmt::Write as _;
use std::io::Read;
use std::process::Stdio;

use crate::support::{Place, command, ok, run};

/// A store of more rows than a pipe holds.
fn store(place: &Place) -> String {
    let mut lines = String::new();
    for number in 0..20_000 {
        let value = format!("event {number} of plain words");
        writeln!(
            lines,
            r#"{{"key":"log:{number:06}","path":[],"value":"{value}"}}"#
        )
        .unwrap();
    }
    std::fs::write(place.path("lines"), lines).unwrap();
    let store = format!("flat:{}", place.file("state"));
    ok(&["import", &store, &place.file("lines")]);
    place.file("state")
}

#[test]
fn a_wrong_query_is_shown_with_its_place_and_a_right_one() {
    let place = Place::new();
    let store = store(&place);
    for (query, place, found) in [
        ("key like log:*", 9, "log"),
        ("select * from x", 0, "select"),
        ("value like \"é\" limit", 20, "the end"),
    ] {
        let refused = run(&["query", &store, query]);
        assert_eq!(refused.code, 2, "{}", refused.err);
        let lines: Vec<&str> = refused.err.lines().collect();
        assert!(lines[0].contains(found), "{}", refused.err);
        assert_eq!(lines[1], format!("    {query}"));
        assert_eq!(lines[2].chars().position(|c| c == '^'), Some(4 + place));
        assert!(lines[3].contains("key like \"log:*\""), "{}", refused.err);
    }
    let long = "(".repeat(5_000);
    let refused = run(&["explain", &store, &long]);
    assert!(
        refused.code == 2 && refused.err.len() < 400,
        "{}",
        refused.err
    );
}

#[test]
fn what_is_not_there_is_told_with_how_to_make_it() {
    let place = Place::new();
    let absent = place.file("absent");
    for store in [absent.clone(), format!("flat:{absent}")] {
        for args in [
            &["query", &store, "key = 'x'"][..],
            &["explain", &store, "key = 'x'"],
            &["snapshot", &store, &place.file("file")],
            &["put", &store, "/", "k", "v", "--commit-index", "3"],
            &["stats", &store],
        ] {
            let refused = run(args);
            assert_eq!(refused.code, 1, "{args:?}");
            assert!(
                refused.err.contains("--create"),
                "{args:?}: {}",
                refused.err
            );
        }
    }
    assert_eq!(std::fs::read_dir(place.path(".")).unwrap().count(), 0);
}

#[test]
fn what_is_no_snapshot_is_told_and_nothing_changes() {
    let place = Place::new();
    let store = store(&place);
    let file = place.file("file");
    ok(&["snapshot", &store, &file]);
    let exists = run(&["snapshot", &store, &file]);
    assert!(exists.err.contains("not there"), "{}", exists.err);
    let digest = ok(&["digest", &store]);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&file, bytes).unwrap();
    for file in [file, place.file("lines")] {
        let refused = run(&["restore", &file, &store]);
        assert_eq!(refused.code, 3);
        assert!(refused.err.contains("strata snapshot"), "{}", refused.err);
        assert!(!refused.err.contains("any more"), "{}", refused.err);
    }
    assert_eq!(ok(&["digest", &store]), digest);
}

#[test]
fn a_reader_of_rows_or_of_a_snapshot_may_leave_early() {
    let place = Place::new();
    let store = store(&place);
    for args in [
        &["query", &store, "key like 'log:*'"][..],
        &["query", &store, "key like 'log:*'", "--json"],
        &["scan", &store],
        &["snapshot", &store, "-"],
    ] {
        let mut child = command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 8];
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut first).unwrap();
        drop(out);
        let done = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&done.stderr);
        assert_eq!((done.status.code(), &*err), (Some(0), ""), "{args:?}");
    }
}
