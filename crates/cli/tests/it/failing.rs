//! What happens when something is wrong: a code, a sentence, and never a panic.

use std::io::Read;
use std::process::Stdio;

use crate::support::{Place, command, fixture, ok, run};

#[test]
fn exit_codes_are_those_of_the_documentation() {
    let place = Place::new();
    let file = place.file("my.db");
    ok(&["put", &file, "x", "k", "v", "--create"]);
    assert_eq!(run(&["nonsense"]).code, 2);
    assert_eq!(run(&["get", &file, "x", "missing"]).code, 5);
    assert_eq!(run(&["get", &file, "missing", "k"]).code, 5);
    std::fs::write(place.path("text"), "hello, this is no database").unwrap();
    assert_eq!(run(&["info", &place.file("text")]).code, 3);
    assert_eq!(run(&["info", &place.file("absent.db")]).code, 1);
    assert_eq!(run(&["info", place.path(".").to_str().unwrap()]).code, 3);
}

#[test]
fn a_locked_store_is_told_at_once_with_what_to_do() {
    let place = Place::new();
    let file = place.file("my.db");
    ok(&["put", &file, "x", "k", "v", "--create"]);
    let holder = txn::Db::open(&file).unwrap();
    let run = run(&["get", &file, "x", "k", "--timeout", "100ms"]);
    assert_eq!(run.code, 4);
    assert!(run.err.contains("--timeout"), "{}", run.err);
    drop(holder);
    assert_eq!(ok(&["get", &file, "x", "k"]), "v\n");
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let place = Place::new();
    let file = place.file("many.db");
    let db = txn::Db::open(&file).unwrap();
    db.update(|tx| {
        let mut bucket = tx.create_bucket("many")?;
        (0..50_000_u32).try_for_each(|n| bucket.put(n.to_be_bytes(), "value"))
    })
    .unwrap();
    db.close().unwrap();
    drop(db);
    for args in [&["keys", &file, "many"][..], &["export", &file]] {
        let mut child = command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 1];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let mut err = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .unwrap();
        assert_eq!(
            (child.wait().unwrap().code(), err.as_str()),
            (Some(0), ""),
            "{args:?}"
        );
    }
}

#[test]
fn damage_is_a_status_and_never_a_panic() {
    let place = Place::new();
    let file = place.file("damaged.db");
    let sound = std::fs::read(fixture("nested.db")).unwrap();
    let mut refused = 0;
    for step in 0..60 {
        let mut bytes = sound.clone();
        let at = (step * 7919) % bytes.len();
        let end = (at + 8).min(bytes.len());
        bytes[at..end].fill(0xFF);
        std::fs::write(&file, &bytes).unwrap();
        for verb in ["check", "inspect", "pages", "export", "stats", "digest"] {
            let run = run(&[verb, &file]);
            assert!(
                run.code < 100,
                "{verb} with byte {at} changed: {}",
                run.code
            );
            refused += usize::from(run.code == 3);
        }
    }
    assert!(refused > 0, "some of it must have been seen");
}

#[test]
fn an_error_names_the_file_it_is_about() {
    let place = Place::new();
    let (absent, text) = (place.file("absent.db"), place.file("text"));
    std::fs::write(&text, "hello, this is no database").unwrap();
    let file = place.file("my.db");
    ok(&["put", &file, "x", "k", "v", "--create"]);
    for (args, name) in [
        (&["info", &absent][..], &absent),
        (&["check", &text], &text),
        (&["backup", &file, &text], &text),
        (&["compact", &file, &text], &text),
        (
            &["backup", &file, "/no/such/directory/x"],
            &"/no/such/directory/x".to_owned(),
        ),
    ] {
        let err = run(args).err;
        assert!(err.contains(name.as_str()), "{args:?}: {err}");
        assert!(!err.contains("lists all damage"), "{args:?}: {err}");
    }
}

#[test]
fn pages_of_a_damaged_file_are_shown_by_their_headers() {
    let place = Place::new();
    let file = place.file("damaged.db");
    let mut bytes = std::fs::read(fixture("etcd-member.db")).unwrap();
    // The flags of the root page: no freelist is stored, so which pages are free is lost, too.
    let root = 7 * 4096;
    bytes[root + 8] = 0x77;
    std::fs::write(&file, bytes).unwrap();
    let table = run(&["pages", &file]);
    assert_eq!(table.code, 0, "{}", table.err);
    assert!(
        table.out.contains("unknown") && table.out.contains("leaf"),
        "{}",
        table.out
    );
    assert!(table.err.contains("page 7"), "{}", table.err);
    assert_eq!(run(&["page", &file, "3"]).code, 0);
    assert_eq!(run(&["stats", &file, "--every", "0s"]).code, 2);
}
