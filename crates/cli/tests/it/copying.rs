//! Verbs that copy.

use crate::support::{FIXTURES, Place, fixture, ok, run};

#[test]
fn compaction_and_backup_keep_the_digest() {
    for name in FIXTURES {
        let (place, source) = (Place::new(), fixture(name));
        let digest = ok(&["digest", &source]);
        let (compact, backup) = (place.file("compact.db"), place.file("backup.db"));
        ok(&["compact", &source, &compact]);
        ok(&["backup", &source, &backup]);
        for copy in [&compact, &backup] {
            assert_eq!(ok(&["digest", copy]), digest, "{name}");
            assert_eq!(ok(&["check", copy]), "OK\n", "{name}");
            assert_eq!(
                run(&["compact", &source, copy]).code,
                1,
                "an existing target is refused"
            );
        }
        let left: Vec<_> = std::fs::read_dir(place.path(".")).unwrap().collect();
        assert_eq!(left.len(), 2, "nothing unfinished is left behind");
    }
}

#[test]
fn a_backup_goes_to_standard_output_whole() {
    let place = Place::new();
    let output = crate::support::command(&["backup", &fixture("plain.db"), "-"])
        .output()
        .unwrap();
    std::fs::write(place.path("copy.db"), &output.stdout).unwrap();
    assert_eq!(
        ok(&["digest", &place.file("copy.db")]),
        ok(&["digest", &fixture("plain.db")])
    );
}

#[test]
fn export_and_import_are_without_loss() {
    for name in FIXTURES {
        let place = Place::new();
        let (lines, copy) = (place.file("lines.jsonl"), place.file("copy.db"));
        ok(&["export", &fixture(name), &lines]);
        ok(&["import", &copy, &lines]);
        assert_eq!(
            ok(&["digest", &copy]),
            ok(&["digest", &fixture(name)]),
            "{name}"
        );
    }
}

#[test]
fn an_import_of_something_else_names_the_line() {
    let place = Place::new();
    let lines = place.file("lines.jsonl");
    std::fs::write(&lines, "{\"bucket\":[\"a\"],\"sequence\":0}\nhello\n").unwrap();
    let run = run(&["import", &place.file("copy.db"), &lines]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("line 2"), "{}", run.err);
}

#[test]
fn an_import_of_something_else_leaves_no_store_behind() {
    let place = Place::new();
    let garbage = place.file("garbage");
    std::fs::write(&garbage, "{\"bucket\":[],\"sequence\":0}\nhello\n").unwrap();
    for from in [garbage, place.file("there is no such file")] {
        for store in [
            place.file("copy.db"),
            format!("flat:{}", place.file("copy")),
        ] {
            let run = run(&["import", &store, &from]);
            assert_ne!(run.code, 0, "{store}");
            let left = std::fs::read_dir(place.path(".")).unwrap();
            let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(left, ["garbage"], "after an import to {store}");
        }
    }
}

#[test]
fn compaction_takes_an_engine_before_its_target_as_every_store_does() {
    let place = Place::new();
    for engine in ["bolt", "flat", "lsm"] {
        let source = format!("{engine}:{}", place.file(&format!("{engine}-source")));
        ok(&["put", &source, "/side", "key", "value", "--create"]);
        let path = place.file(&format!("{engine}-packed"));
        let target = format!("{engine}:{path}");
        ok(&["compact", &source, &target]);
        assert_eq!(ok(&["digest", &path]), ok(&["digest", &source]), "{engine}");
        assert_eq!(run(&["compact", &source, &target]).code, 1, "it is there");
        let other = if engine == "flat" { "lsm" } else { "flat" };
        let other = format!("{other}:{}", place.file("other"));
        assert_eq!(run(&["compact", &source, &other]).code, 1, "{engine}");
        assert!(!place.path("other").exists());
    }
}
