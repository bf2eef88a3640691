//! Flat stores: commit indexes, queries, snapshots, and the verbs that make no sense for them.

use crate::support::{Place, fixture, json, ok, run};

/// The location of a store with three pairs, the last one unfit for a terminal.
fn store(place: &Place) -> String {
    let store = format!("flat:{}", place.file("state"));
    let put = |index: &str, key: &str, value: &str| {
        ok(&[
            "put",
            &store,
            "/",
            key,
            value,
            "--create",
            "--commit-index",
            index,
        ]);
    };
    put("3", "log:1", "an uncritical remark");
    put("5", "log:2", "CRITICAL: disk");
    put("8", "0x6c6f673a1b", "0x637269746963616c1b5b33316dff");
    store
}

#[test]
fn a_query_prints_a_table_or_an_object_a_row() {
    let place = Place::new();
    let store = store(&place);
    let inside = "key like \"log:*\" AND value like \"*critical*\" ORDER BY CommitIndex DESC";
    for extra in [&[][..], &["--value-index"]] {
        let args = [&["query", &store, inside], extra].concat();
        let rows = json(&args);
        assert_eq!(rows.len(), 2);
        assert_eq!(
            rows[0],
            serde_json::json!({"key": "log:\u{1b}", "commit_index": 8,
                               "value": {"hex": "637269746963616c1b5b33316dff"}})
        );
        assert_eq!(rows[1]["commit_index"], 3);
        let table = ok(&args);
        assert_eq!(table.lines().count(), 3, "{table}");
        assert!(table.contains("an uncritical remark"), "{table}");
        assert!(!table.contains('\u{1b}'), "no key writes to the terminal");
    }
    assert_eq!(json(&["query", &store, "CommitIndex > 3"]).len(), 2);
    assert_eq!(ok(&["query", &store, "key = \"log:9\""]), "");
    let plan = ok(&["explain", &store, "key like \"log:*\""]);
    assert!(
        plan.contains("touched 3 keys and 0 values for 3 rows"),
        "{plan}"
    );
    let [plan] = &json(&["explain", &store, inside])[..] else {
        panic!("one object")
    };
    assert_eq!(plan["rows"], 2);
}

#[test]
fn a_space_is_asked_by_its_name() {
    let place = Place::new();
    let store = store(&place);
    ok(&["put", &store, "notes", "n:1", "critical", "--create"]);
    let rows = json(&[
        "query",
        &store,
        "value like \"critical\"",
        "--space",
        "notes",
    ]);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["key"], "n:1");
    assert_eq!(
        run(&["query", &store, "key = \"x\"", "--space", "nowhere"]).code,
        5
    );
}

#[test]
fn a_text_that_is_no_query_is_wrong_usage_with_its_place() {
    let place = Place::new();
    let store = store(&place);
    for verb in ["query", "explain"] {
        let refused = run(&[verb, &store, "key lik \"x\""]);
        assert_eq!(refused.code, 2);
        assert!(refused.err.contains("at byte 4"), "{}", refused.err);
    }
}

#[test]
fn an_entry_is_applied_once() {
    let place = Place::new();
    let store = store(&place);
    let again = run(&["put", &store, "/", "log:1", "other", "--commit-index", "8"]);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("already"), "{}", again.err);
    assert_eq!(ok(&["get", &store, "/", "log:1"]), "an uncritical remark\n");
    let bolt = place.file("my.db");
    let refused = run(&[
        "put",
        &bolt,
        "/",
        "k",
        "v",
        "--create",
        "--commit-index",
        "8",
    ]);
    assert_eq!(refused.code, 1);
}

#[test]
fn a_snapshot_restores_into_a_new_store_and_over_an_old_one() {
    let place = Place::new();
    let store = store(&place);
    let (file, copy, backup) = (place.file("file"), place.file("copy"), place.file("backup"));
    ok(&["snapshot", &store, &file]);
    assert_eq!(run(&["snapshot", &store, &file]).code, 1, "it exists");
    ok(&["backup", &store, &backup]);
    assert_eq!(
        std::fs::read(&file).unwrap(),
        std::fs::read(&backup).unwrap()
    );
    assert_eq!(ok(&["restore", &file, &copy]), "3 pairs\n");
    let digest = ok(&["digest", &store]);
    assert_eq!(ok(&["digest", &copy]), digest);
    assert_eq!(json(&["query", &copy, "CommitIndex = 5"]).len(), 1);

    ok(&["put", &copy, "/", "log:1", "changed"]);
    let changed = ok(&["digest", &copy]);
    let mut cut = std::fs::read(&file).unwrap();
    cut.truncate(cut.len() / 2);
    std::fs::write(place.path("cut"), cut).unwrap();
    let refused = run(&["restore", &place.file("cut"), &copy]);
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert_eq!(ok(&["digest", &copy]), changed);
    let refused = run(&["restore", &place.file("cut"), &place.file("new")]);
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(!place.path("new").exists());
    ok(&["restore", &file, &copy]);
    assert_eq!(ok(&["digest", &copy]), digest);
    assert_eq!(ok(&["check", &copy]), "OK\n");

    let told = run(&["info", &file]);
    assert!(
        told.code == 3 && told.err.contains("restored"),
        "{}",
        told.err
    );
    let left = std::fs::read_dir(place.path(".")).unwrap().count();
    assert_eq!(left, 5, "nothing unfinished is left behind");
}

#[test]
fn verbs_of_every_engine_take_flat_stores() {
    let place = Place::new();
    let store = store(&place);
    ok(&["put", &store, "notes", "n:1", "text", "--create"]);
    let plain = place.file("state");
    assert_eq!(ok(&["buckets", &plain]), "notes\n");
    assert_eq!(ok(&["keys", &plain]), "0x6c6f673a1b\nlog:1\nlog:2\nnotes\n");
    assert_eq!(
        ok(&["scan", &plain, "--prefix", "log:2"]),
        "log:2: CRITICAL: disk\n"
    );
    assert_eq!(ok(&["check", &plain]), "OK\n");
    assert_eq!(json(&["info", &plain])[0]["last_commit_index"], 9);
    assert!(ok(&["info", &plain]).contains("Commit index: 9"));
    assert_eq!(json(&["stats", &plain])[0]["keys"], 4);
    assert!(ok(&["stats", &plain]).contains("last commit index:     9"));
    let tree = &json(&["inspect", &plain])[0];
    assert_eq!(
        (&tree["keyN"], &tree["buckets"][0]["keyN"]),
        (&4.into(), &1.into())
    );

    let (lines, copy) = (place.file("lines"), format!("flat:{}", place.file("copy")));
    ok(&["export", &plain, &lines]);
    ok(&["import", &copy, &lines]);
    assert_eq!(ok(&["digest", &copy]), ok(&["digest", &plain]));
    let compact = place.file("compact");
    ok(&["compact", &plain, &compact]);
    assert_eq!(ok(&["digest", &compact]), ok(&["digest", &plain]));
    assert_eq!(json(&["info", &compact])[0]["last_commit_index"], 9);
    assert_eq!(run(&["compact", &plain, &compact]).code, 1);
    ok(&["del", &plain, "/", "log:1"]);
    assert_eq!(run(&["get", &plain, "/", "log:1"]).code, 5);
}

#[test]
fn verbs_that_make_no_sense_say_so() {
    let place = Place::new();
    let store = store(&place);
    for args in [
        &["pages", &store][..],
        &["page", &store, "0"],
        &["dump", &store, "0"],
        &["check", &store, "--from-page", "3"],
        &["put", &store, "a/b", "k", "v", "--create"],
    ] {
        let refused = run(args);
        assert_eq!(refused.code, 1, "{args:?}: {}", refused.err);
    }
    assert!(run(&["pages", &store]).err.contains("only bolt"));
    let bolt = fixture("plain.db");
    for args in [
        &["query", &bolt, "key = \"x\""][..],
        &["explain", &bolt, "key = \"x\""],
        &["snapshot", &bolt, &place.file("file")],
    ] {
        let refused = run(args);
        assert_eq!(refused.code, 1, "{args:?}");
        assert!(refused.err.contains("only flat"), "{}", refused.err);
    }
}
