//! Verbs on lsm stores.

use kv_api::{Space, Store, Transaction};
use strata::lsm::{Db, Entry, Options};

use crate::support::{Place, fixture, json, ok, run};

/// A store with a space, a large value written twice, and a pair with all there is beside it.
fn store(place: &Place) -> String {
    let path = place.path("store");
    let db = Options::new()
        .value_threshold_bytes(100)
        .open(&path)
        .unwrap();
    for round in [b'1', b'2'] {
        db.update(|tx| {
            let space = tx.create_space(b"notes")?;
            tx.put(space, b"n:1", b"text")?;
            tx.put(Space::DEFAULT, b"large", &[round; 50_000])?;
            let entry = Entry::new(b"session", b"ann")
                .expires_at(4_000_000_000)
                .user_meta(7);
            tx.put_entry(Space::DEFAULT, &entry)
        })
        .unwrap();
        db.flush().unwrap();
    }
    db.close().unwrap();
    place.file("store")
}

#[test]
fn verbs_of_every_engine_take_lsm_stores() {
    let place = Place::new();
    let store = store(&place);
    let bytes = || {
        let mut files: Vec<_> = std::fs::read_dir(place.path("store"))
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name(), entry.metadata().unwrap().len()))
            .collect();
        files.sort();
        files
    };
    let before = bytes();
    assert_eq!(ok(&["buckets", &store]), "notes\n");
    assert_eq!(ok(&["keys", &store]), "large\nnotes\nsession\n");
    assert_eq!(ok(&["get", &store, "notes", "n:1"]), "text\n");
    assert_eq!(ok(&["scan", &store, "--prefix", "s"]), "session: ann\n");
    assert_eq!(ok(&["check", &store]), "OK\n");
    let info = &json(&["info", &store])[0];
    assert_eq!(
        (&info["engine"], &info["version"]),
        (&"lsm".into(), &2.into())
    );
    assert!(ok(&["info", &store]).contains("Version:      2"));
    assert!(json(&["stats", &store])[0]["records"].as_u64().unwrap() >= 4);
    assert!(ok(&["stats", &store]).contains("deletions:"));
    let tree = &json(&["inspect", &store])[0];
    assert_eq!(
        (&tree["keyN"], &tree["buckets"][0]["keyN"]),
        (&3.into(), &1.into())
    );
    let digest = ok(&["digest", &store]);
    assert!(digest.starts_with("buckets=1 keys=3"), "{digest}");
    assert_eq!(bytes(), before, "reading changes nothing");

    let (lines, copy) = (place.file("lines"), format!("lsm:{}", place.file("copy")));
    ok(&["export", &store, &lines]);
    ok(&["import", &copy, &lines]);
    assert_eq!(ok(&["digest", &copy]), digest);
    for verb in ["compact", "snapshot", "backup"] {
        let target = place.file(verb);
        ok(&[verb, &store, &target]);
        assert_eq!(run(&[verb, &store, &target]).code, 1, "it exists");
        let whole = match verb {
            "compact" => target,
            _ => {
                let restored = place.file(&format!("restored {verb}"));
                assert!(ok(&["restore", &target, &restored]).ends_with("pairs\n"));
                restored
            }
        };
        assert_eq!(ok(&["digest", &whole]), digest, "{verb}");
        let versions = json(&["scan", &whole, "--versions", "--prefix", "session"]);
        assert_eq!(versions[0]["expires_at"], 4_000_000_000_u64, "{verb}");
    }
    ok(&["put", &store, "/", "new", "value"]);
    ok(&["del", &store, "/", "session"]);
    ok(&["del", &store, "notes", "--bucket"]);
    assert_eq!(ok(&["keys", &store]), "large\nnew\n");
    assert_eq!(run(&["get", &store, "/", "session"]).code, 5);
}

#[test]
fn levels_and_tables_tell_what_the_store_is_made_of() {
    let place = Place::new();
    let store = store(&place);
    let levels = json(&["levels", &store]);
    assert_eq!(levels.len(), 7);
    let tables: u64 = levels
        .iter()
        .map(|level| level["tables"].as_u64().unwrap())
        .sum();
    assert_eq!(
        levels
            .iter()
            .filter(|level| level["is_base"] == true)
            .count(),
        1
    );
    let listed = json(&["tables", &store]);
    let is_table = |file: &&serde_json::Value| file["file"].as_str().unwrap().ends_with(".sst");
    assert_eq!(listed.iter().filter(is_table).count() as u64, tables);
    for file in &listed {
        assert!(
            place
                .path("store")
                .join(file["file"].as_str().unwrap())
                .is_file()
        );
    }
    let value_bytes: u64 = listed
        .iter()
        .filter_map(|file| file["living_bytes"].as_u64())
        .sum();
    assert!(value_bytes >= 50_000);
    assert!(ok(&["levels", &store]).lines().count() == 8);
    assert!(ok(&["tables", &store]).contains(".vlog"));
}

#[test]
fn flattening_and_collecting_give_space_back() {
    let place = Place::new();
    let store = store(&place);
    let digest = ok(&["digest", &store]);
    let flat = &json(&["flatten", &store])[0];
    assert_eq!(flat["tables"], 1);
    // The threads behind the scenes may have done it before.
    let collected = &json(&["gc", &store])[0];
    let (before, after) = (flat["from_bytes"].as_u64(), collected["to_bytes"].as_u64());
    assert!(
        after.unwrap() + 40_000 < before.unwrap(),
        "{flat} {collected}"
    );
    let again = ok(&["gc", &store]);
    assert!(
        again.contains("nothing to collect") && again.contains("flatten"),
        "{again}"
    );
    assert!(ok(&["flatten", &store]).contains("1 tables in level"));
    assert_eq!(ok(&["digest", &store]), digest);
    assert_eq!(ok(&["check", &store]), "OK\n");
}

#[test]
fn badgers_backups_are_written_and_read() {
    let place = Place::new();
    let store = store(&place);
    let (whole, changes) = (place.file("whole"), place.file("changes"));
    let written = &json(&["backup", &store, &whole, "--format", "badger"])[0];
    assert_eq!(written["version"], 2);
    let copy = place.file("copy");
    assert_eq!(
        ok(&["restore", &whole, &copy, "--format", "badger"]),
        "4 versions\n"
    );
    let versions = |store: &str| json(&["scan", store, "--versions"]);
    assert_eq!(versions(&copy), versions(&store));
    ok(&["put", &store, "/", "later", "value"]);
    ok(&[
        "backup", &store, &changes, "--format", "badger", "--since", "2",
    ]);
    ok(&["restore", &changes, &copy, "--format", "badger"]);
    assert_eq!(versions(&copy), versions(&store));
    let notes = place.file("notes");
    ok(&[
        "backup", &store, &notes, "--format", "badger", "--space", "notes",
    ]);
    ok(&[
        "restore",
        &notes,
        &place.file("n"),
        "--format",
        "badger",
        "--space",
        "words",
    ]);
    assert_eq!(ok(&["get", &place.file("n"), "words", "n:1"]), "text\n");

    let bolt = fixture("plain.db");
    let refused = run(&["backup", &bolt, &place.file("x"), "--format", "badger"]);
    assert!(
        refused.code == 1 && refused.err.contains("only lsm"),
        "{}",
        refused.err
    );
    std::fs::write(place.path("text"), "just some text, and no backup").unwrap();
    let refused = run(&[
        "restore",
        &place.file("text"),
        &place.file("y"),
        "--format",
        "badger",
    ]);
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(!place.path("y").exists());
}

#[test]
fn copies_hold_the_newest_versions_and_say_so_and_badgers_format_holds_them_all() {
    let place = Place::new();
    let path = place.path("history");
    let db = Options::new()
        .versions_to_keep(usize::MAX)
        .open(&path)
        .unwrap();
    for value in [b"1", b"2", b"3"] {
        db.update(|tx| tx.put(Space::DEFAULT, b"key", value))
            .unwrap();
    }
    db.close().unwrap();
    let store = place.file("history");
    let count = |store: &str| json(&["scan", store, "--versions"]).len();
    assert_eq!(count(&store), 3);
    let file = |name: &str| place.file(name);
    ok(&["compact", &store, &file("packed")]);
    for verb in ["backup", "snapshot"] {
        ok(&[verb, &store, &file(verb)]);
        ok(&["restore", &file(verb), &file(&format!("{verb} restored"))]);
    }
    ok(&["export", &store, &file("lines")]);
    ok(&[
        "import",
        &format!("lsm:{}", file("imported")),
        &file("lines"),
    ]);
    for copy in ["packed", "backup restored", "snapshot restored", "imported"] {
        assert_eq!(count(&file(copy)), 1, "{copy}");
        assert_eq!(ok(&["get", &file(copy), "/", "key"]), "3\n");
    }
    ok(&["backup", &store, &file("badger"), "--format", "badger"]);
    ok(&[
        "restore",
        &file("badger"),
        &file("all"),
        "--format",
        "badger",
    ]);
    let versions = |store: &str| json(&["scan", store, "--versions"]);
    assert_eq!(versions(&file("all")), versions(&store));
    for verb in ["backup", "snapshot", "compact", "export"] {
        let help = ok(&[verb, "--help"]).replace(['\n', ' '], "");
        assert!(help.contains("newestversionsonly"), "{verb}: {help}");
    }
}

#[test]
fn backups_of_changes_come_on_top_of_each_other() {
    let place = Place::new();
    let store = store(&place);
    let (whole, changes, copy) = (
        place.file("whole"),
        place.file("changes"),
        place.file("copy"),
    );
    ok(&["backup", &store, &whole]);
    ok(&["restore", &whole, &copy]);
    ok(&["put", &store, "/", "later", "value"]);
    let told = &json(&["backup", &store, &changes, "--since", "2"])[0];
    assert_eq!(told["version"], 3);
    assert_eq!(
        run(&["restore", &changes, &copy]).code,
        1,
        "not a whole one"
    );
    assert_eq!(ok(&["restore", &changes, &copy, "--changes"]), "4 pairs\n");
    assert_eq!(ok(&["digest", &copy]), ok(&["digest", &store]));
}

#[test]
fn the_bank_runs_on_every_engine() {
    let place = Place::new();
    for store in [
        None,
        Some(format!("lsm:{}", place.file("lsm"))),
        Some(format!("flat:{}", place.file("flat"))),
        Some(format!("bolt:{}", place.file("bolt"))),
    ] {
        let mut args = vec![
            "bank",
            "--for",
            "300ms",
            "--accounts",
            "50",
            "--threads",
            "3",
        ];
        args.extend(store.as_deref());
        let report = &json(&args)[0];
        assert!(report["transfers"].as_u64().unwrap() > 0, "{report}");
        if let Some(store) = &store {
            assert!(ok(&args).starts_with("OK: "), "again on the same store");
            assert_eq!(ok(&["check", store]), "OK\n");
        }
    }
}

#[test]
fn what_only_lsm_stores_have_is_refused_elsewhere() {
    let bolt = fixture("plain.db");
    for verb in ["levels", "tables"] {
        let refused = run(&[verb, &bolt]);
        assert!(
            refused.code == 1 && refused.err.contains("only lsm"),
            "{}",
            refused.err
        );
    }
    let refused = run(&["scan", &bolt, "--versions"]);
    assert!(
        refused.code == 1 && refused.err.contains("only lsm"),
        "{}",
        refused.err
    );
    let place = Place::new();
    for verb in ["gc", "flatten", "levels"] {
        assert_eq!(
            run(&[verb, &format!("lsm:{}", place.file("missing"))]).code,
            1,
            "{verb}"
        );
        assert!(!place.path("missing").exists());
    }
    let store = store(&place);
    let _held = Db::open(&store).unwrap();
    for verb in ["gc", "flatten", "levels", "check"] {
        assert_eq!(run(&[verb, &store, "--timeout", "100ms"]).code, 4, "{verb}");
    }
}
