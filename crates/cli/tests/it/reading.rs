//! Verbs that read.

use crate::support::{FIXTURES, fixture, json, ok};

#[test]
fn digests_of_real_files_are_those_of_the_go_library() {
    let digests = std::fs::read_to_string(fixture("digests.txt")).unwrap();
    assert_eq!(digests.lines().count(), FIXTURES.len());
    for line in digests.lines() {
        let (name, digest) = line.split_once(' ').unwrap();
        assert_eq!(
            ok(&["digest", &fixture(name)]).trim_end(),
            digest.trim(),
            "{name}"
        );
    }
}

#[test]
fn every_reading_verb_leaves_a_file_as_it_was() {
    for name in FIXTURES {
        let file = fixture(name);
        let before = std::fs::read(&file).unwrap();
        for verb in [
            "info", "buckets", "keys", "scan", "check", "stats", "pages", "inspect",
        ] {
            assert!(
                !json(&[verb, &file]).is_empty() || verb != "info",
                "{verb} {name}"
            );
            ok(&[verb, &file]);
        }
        json(&["page", &file, "0", "1"]);
        json(&["dump", &file, "0", "2"]);
        ok(&["export", &file]);
        assert_eq!(std::fs::read(&file).unwrap(), before, "{name}");
    }
}

#[test]
fn info_tells_what_the_file_is() {
    let [info] = &json(&["info", &fixture("page1k.db")])[..] else {
        panic!("one object")
    };
    assert_eq!(info["page_bytes"], 1024);
    assert_eq!(info["metas"][0]["state"], "valid");
    let [etcd] = &json(&["info", &fixture("etcd-member.db")])[..] else {
        panic!("one object")
    };
    assert!(etcd["freelist_page"].is_null(), "etcd stores no freelist");
}

#[test]
fn etcds_buckets_are_listed() {
    let names = ok(&["buckets", &fixture("etcd-member.db")]);
    for name in ["alarm", "auth", "key", "lease", "meta"] {
        assert!(names.lines().any(|line| line == name), "{name} in {names}");
    }
}

#[test]
fn pages_cover_the_file() {
    let pages = json(&["pages", &fixture("plain.db")]);
    let mut next = 0;
    for page in &pages {
        assert_eq!(page["page"], next);
        next += 1 + page["overflow"].as_u64().unwrap();
    }
    let [info] = &json(&["info", &fixture("plain.db")])[..] else {
        panic!("one object")
    };
    assert_eq!(info["high_water"], next);
}

#[test]
fn a_page_shows_what_stands_on_it() {
    let pages = json(&["pages", &fixture("nested.db")]);
    let leaf = pages.iter().find(|page| page["type"] == "leaf").unwrap();
    let id = leaf["page"].to_string();
    let [page] = &json(&["page", &fixture("nested.db"), &id])[..] else {
        panic!("one object")
    };
    assert_eq!(
        page["items"].as_array().unwrap().len() as u64,
        leaf["items"].as_u64().unwrap()
    );
}

#[test]
fn a_dump_is_the_page_in_hexadecimal() {
    let bytes = std::fs::read(fixture("plain.db")).unwrap();
    let [page] = &json(&["dump", &fixture("plain.db"), "1"])[..] else {
        panic!("one object")
    };
    let hex: String = bytes[4096..8192]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(page["hex"], hex);
    let text = ok(&["dump", &fixture("plain.db"), "1"]);
    assert!(text.starts_with("0001000 0100"), "{text}");
}

#[test]
fn stats_tick_as_json_on_standard_error() {
    let args = [
        "stats",
        &fixture("plain.db"),
        "--every",
        "100ms",
        "--for",
        "350ms",
    ];
    let run = crate::support::run(&args);
    assert_eq!(run.code, 0);
    let ticks: Vec<serde_json::Value> = run
        .err
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    assert!(ticks.len() >= 2, "{}", run.err);
    assert!(
        ticks
            .iter()
            .any(|tick| tick["snapshots_begun"].as_u64().unwrap() > 0)
    );
}
