//! The tour, on a part of its input.

use crate::support::{Place, json, ok};

#[test]
fn the_tour_runs_and_shows_a_table() {
    let text = ok(&["tour", "--limit", "3000"]);
    assert!(
        text.contains("3000 characters have an official name"),
        "{text}"
    );
    assert!(text.contains("random look-ups by name"), "{text}");
    assert!(text.contains("hot backup"), "{text}");
}

#[test]
fn the_tour_searches_the_flat_engine_and_restores_its_snapshot() {
    let place = Place::new();
    let directory = place.file("kept");
    let steps = json(&["tour", "--limit", "12000", "--keep", &directory]);
    let amount = |name: &str| {
        let step = |step: &&serde_json::Value| step["engine"] == "flat" && step["step"] == name;
        steps
            .iter()
            .find(step)
            .map(|step| step["amount"].as_u64().unwrap())
    };
    assert_eq!(amount("search for a word"), Some(3));
    assert!(amount("search for a part of a word") > Some(0));
    assert_eq!(amount("restore of the snapshot"), Some(24_000));
    let flat = format!("{directory}/tour.flat");
    let restored = format!("{directory}/tour-restored.flat");
    for store in [&flat, &restored] {
        assert_eq!(ok(&["check", store]), "OK\n");
    }
    let found = ok(&["get", &restored, "names", "LATIN SMALL LETTER B"]);
    assert_eq!(found, "b\n");
}

#[test]
fn the_tour_speaks_json() {
    let steps = json(&["tour", "--limit", "1000"]);
    assert!(
        steps
            .iter()
            .any(|step| step["step"] == "full scan of the index" && step["amount"] == 1000)
    );
}

#[test]
fn what_the_tour_keeps_is_a_store() {
    let place = Place::new();
    let directory = place.file("kept");
    ok(&["tour", "--limit", "1000", "--keep", &directory]);
    assert_eq!(ok(&["check", &format!("{directory}/tour.bolt")]), "OK\n");
    assert_eq!(
        ok(&[
            "get",
            &format!("{directory}/tour.bolt"),
            "names",
            "LATIN SMALL LETTER B"
        ]),
        "b\n"
    );
    assert_ne!(
        crate::support::run(&["tour", "--limit", "10", "--keep", &directory]).code,
        0
    );
}

#[test]
fn the_tour_merges_and_collects_the_lsm_engine_and_restores_its_snapshot() {
    let place = Place::new();
    let directory = place.file("kept");
    let steps = json(&["tour", "--limit", "2000", "--keep", &directory]);
    let amount = |name: &str| {
        let step = |step: &&serde_json::Value| step["engine"] == "lsm" && step["step"] == name;
        steps
            .iter()
            .find(step)
            .map(|step| step["amount"].as_u64().unwrap())
    };
    assert_eq!(
        amount("large values, each written three times"),
        Some(1_500)
    );
    assert!(amount("merge of all levels, collection of dead values") > Some(0));
    assert_eq!(amount("restore of the snapshot"), Some(4_000));
    for store in ["tour.lsm", "tour-restored.lsm"] {
        assert_eq!(ok(&["check", &format!("{directory}/{store}")]), "OK\n");
    }
}
