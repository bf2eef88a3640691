//! What is taken for a store, and what is not.

use kv_api::ErrorKind;
use strata::{AnyStore, Engine, OpenOptions, recognise};

use crate::place::{Place, fill};

#[test]
fn what_is_no_store_is_damage_with_a_reason() {
    let place = Place::new(Engine::Bolt);
    let text = place.path("text");
    std::fs::write(&text, "just some text\n".repeat(1000)).unwrap();
    for open in [
        recognise(&text).map(drop),
        AnyStore::open(&text).map(drop),
        OpenOptions::new().untrusted(true).open(&text).map(drop),
    ] {
        let refused = open.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Corrupt);
        assert!(refused.to_string().contains("not a store"), "{refused}");
    }
    // Told that it is one, the engine itself refuses it.
    let told = AnyStore::open(format!("bolt:{}", text.display())).map(drop);
    assert_eq!(told.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(
        std::fs::read(&text).unwrap().len(),
        15_000,
        "and left alone"
    );
}

#[test]
fn directories_of_others_are_no_stores() {
    let place = Place::new(Engine::Bolt);
    std::fs::write(place.path("notes"), b"mine").unwrap();
    let refused = AnyStore::open(place.path(".")).map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused}");
    assert!(refused.to_string().contains("not a store"), "{refused}");
    // Told that it is one, the engine is asked for nothing that is not there.
    for engine in [Engine::Flat, Engine::Lsm] {
        let told = format!("{engine}:{}", place.path(".").display());
        let refused = OpenOptions::new().create(false).open(told).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Io, "{refused}");
        assert_eq!(std::fs::read_dir(place.path(".")).unwrap().count(), 1);
    }
    // One of Badger's is told from ours, which has files of the same names.
    std::fs::write(place.path("MANIFEST"), b"Bdgr\0\0\0\x08").unwrap();
    std::fs::write(place.path("000001.vlog"), [0; 20]).unwrap();
    let refused = AnyStore::open(place.path(".")).map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused}");
    assert!(refused.to_string().contains("Badger"), "{refused}");
}

#[test]
fn an_lsm_store_is_recognised_by_what_is_left_of_it() {
    let place = Place::new(Engine::Lsm);
    let store = place.open("a");
    fill(&store);
    drop(store);
    let manifest = place.path("a").join("MANIFEST");
    std::fs::write(&manifest, b"damaged and long enough").unwrap();
    assert_eq!(recognise(place.path("a")).unwrap(), Engine::Lsm);
    let refused = AnyStore::open(place.path("a")).map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused}");
    std::fs::remove_file(&manifest).unwrap();
    assert_eq!(recognise(place.path("a")).unwrap(), Engine::Lsm);
    let refused = AnyStore::open(place.path("a")).map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused}");
}

#[test]
fn a_flat_store_is_recognised_by_what_is_left_of_it() {
    let place = Place::new(Engine::Flat);
    fill(&place.open("a"));
    let state = place.path("a").join("meta.state");
    std::fs::write(&state, b"damaged").unwrap();
    assert_eq!(recognise(place.path("a")).unwrap(), Engine::Flat);
    let refused = AnyStore::open(place.path("a")).map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused}");
    std::fs::remove_file(&state).unwrap();
    assert_eq!(recognise(place.path("a")).unwrap(), Engine::Flat);
    let refused = AnyStore::open(place.path("a")).map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused}");
}

#[test]
fn a_snapshot_or_backup_of_a_store_is_told_from_a_store() {
    for engine in [Engine::Flat, Engine::Lsm] {
        snapshot_is_told(&Place::new(engine));
    }
}

fn snapshot_is_told(place: &Place) {
    let store = place.open("a");
    fill(&store);
    let mut bytes = Vec::new();
    store.as_backup().unwrap().backup(&mut bytes).unwrap();
    std::fs::write(place.path("snapshot"), bytes).unwrap();
    let refused = AnyStore::open(place.path("snapshot"))
        .map(drop)
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt);
    assert!(refused.to_string().contains("restored"), "{refused}");
}

#[test]
fn a_file_with_one_meta_left_is_still_recognised_and_opens() {
    let place = Place::new(Engine::Bolt);
    let store = place.open("a");
    fill(&store);
    fill(&store);
    store.shut_down().unwrap();
    drop(store);
    let bytes = std::fs::read(place.path("a")).unwrap();
    for page in [0, 1] {
        let mut damaged = bytes.clone();
        damaged[page * 4096..page * 4096 + 80].fill(0xFF);
        std::fs::write(place.path("damaged"), damaged).unwrap();
        assert_eq!(recognise(place.path("damaged")).unwrap(), Engine::Bolt);
        let store = AnyStore::open(place.path("damaged")).unwrap();
        assert_eq!(store.open_snapshot().unwrap().digest().unwrap().keys, 600);
    }
}

#[test]
fn an_empty_file_becomes_a_store_and_a_cut_creation_is_told() {
    let place = Place::new(Engine::Bolt);
    std::fs::write(place.path("empty"), b"").unwrap();
    fill(&AnyStore::open(place.path("empty")).unwrap());
    assert_eq!(recognise(place.path("empty")).unwrap(), Engine::Bolt);
    std::fs::write(place.path("cut"), vec![0; 16_384]).unwrap();
    let refused = AnyStore::open(place.path("cut")).map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InterruptedInit);
}
