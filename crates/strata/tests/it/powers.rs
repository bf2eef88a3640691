//! What only some engines can do, asked of any store.

use std::time::Duration;

use kv_api::capability::{KeyVersion, WatchedChange};
use kv_api::{Bytes, Space};
use strata::AnyStore;

fn opened(engine: &str) -> (tempfile::TempDir, AnyStore) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = AnyStore::open(format!("{engine}:{}", path.display())).unwrap();
    (directory, store)
}

#[test]
fn each_engine_answers_for_the_powers_it_has_and_none_for_the_others() {
    for (engine, of_lsm, takes_sorted) in [
        ("lsm", true, true),
        ("bolt", false, true),
        ("flat", false, false),
    ] {
        let (_directory, store) = opened(engine);
        assert_eq!(store.as_history().is_some(), of_lsm, "{engine}");
        assert_eq!(store.as_watch().is_some(), of_lsm, "{engine}");
        assert_eq!(store.as_compact().is_some(), of_lsm, "{engine}");
        assert_eq!(store.as_sorted_load().is_some(), takes_sorted, "{engine}");
        let snapshot = store.open_snapshot().unwrap();
        assert_eq!(snapshot.as_expiry().is_some(), of_lsm, "{engine}");
        assert_eq!(snapshot.as_versions().is_some(), of_lsm, "{engine}");
        let mut change = store.begin_write().unwrap();
        assert_eq!(change.as_put_expiring().is_some(), of_lsm, "{engine}");
    }
}

#[test]
fn what_is_loaded_in_order_is_watched_for_expires_and_is_compacted_as_anything_else() {
    let (_directory, store) = opened("lsm");
    let watcher = store.as_watch().unwrap().watch(Some(b"space"), &[]);
    let mut watcher = watcher.unwrap();
    let mut change = store.begin_write().unwrap();
    change.create_at(&[b"space"]).unwrap();
    let space = change.space_named(b"space").unwrap().unwrap();
    let expiring = change.as_put_expiring().unwrap();
    expiring
        .put_expiring(space, b"key", b"1", 99_999_999_999)
        .unwrap();
    change.commit_durably().unwrap();
    let commit = watcher
        .next_within(Duration::from_secs(60))
        .unwrap()
        .unwrap();
    let put = WatchedChange::Put {
        key: Bytes::from_static(b"key"),
        value: Bytes::from_static(b"1"),
    };
    assert_eq!(commit.changes, [put]);
    let mut letters = (b'a'..=b'z').map(|letter| (Bytes::from(vec![letter]), Bytes::new()));
    let load = store.as_sorted_load().unwrap();
    assert_eq!(
        load.load_sorted(None, &mut || Ok(letters.next())).unwrap(),
        26
    );
    store.as_compact().unwrap().compact().unwrap();
    let snapshot = store.open_snapshot().unwrap();
    let space = snapshot.space_named(b"space").unwrap().unwrap();
    let expiry = snapshot.as_expiry().unwrap();
    assert_eq!(
        expiry.expires_at_secs(space, b"key").unwrap(),
        Some(99_999_999_999)
    );
    let mut seen = Vec::new();
    let mut visit = |version: KeyVersion<'_>| {
        seen.push(version.version);
        Ok(true)
    };
    let versions = snapshot.as_versions().unwrap();
    versions
        .versions_of(Space::DEFAULT, b"q", &mut visit)
        .unwrap();
    assert_eq!(seen, [store.as_history().unwrap().newest_version()]);
}
