//! Verbs that write.

use crate::support::{Place, json, ok, run};

#[test]
fn what_is_put_is_got_and_what_is_removed_is_gone() {
    let place = Place::new();
    let file = place.file("my.db");
    ok(&["put", &file, "users/eu", "ann", "admin", "--create"]);
    assert_eq!(ok(&["get", &file, "users/eu", "ann"]), "admin\n");
    ok(&["put", &file, "users/eu", "0x00ff", "0x1b5b33316d"]);
    assert_eq!(ok(&["get", &file, "users/eu", "0x00ff"]), "0x1b5b33316d\n");
    assert_eq!(ok(&["keys", &file, "users/eu"]), "0x00ff\nann\n");
    ok(&["del", &file, "users/eu", "ann"]);
    assert_eq!(run(&["get", &file, "users/eu", "ann"]).code, 5);
    ok(&["del", &file, "users", "--bucket"]);
    assert_eq!(ok(&["buckets", &file]), "");
    assert_eq!(ok(&["check", &file]), "OK\n");
}

#[test]
fn nothing_is_made_without_create() {
    let place = Place::new();
    let file = place.file("my.db");
    assert_ne!(run(&["put", &file, "users", "ann", "admin"]).code, 0);
    assert!(!place.path("my.db").exists());
    ok(&["put", &file, "users", "ann", "admin", "--create"]);
    assert_eq!(run(&["put", &file, "other", "ann", "admin"]).code, 5);
}

#[test]
fn scans_go_both_ways_and_stop_where_told() {
    let place = Place::new();
    let file = place.file("my.db");
    for key in ["a", "b1", "b2", "c"] {
        ok(&["put", &file, "x", key, key, "--create"]);
    }
    assert_eq!(
        ok(&["scan", &file, "x", "--prefix", "b"]),
        "b1: b1\nb2: b2\n"
    );
    assert_eq!(
        ok(&["scan", &file, "x", "--from", "b1", "--to", "c", "--reverse"]),
        "b2: b2\nb1: b1\n"
    );
    assert_eq!(json(&["scan", &file, "x", "--limit", "1"])[0]["key"], "a");
    assert_eq!(
        run(&["scan", &file, "x", "--from", "c", "--to", "a"]).code,
        2
    );
}
