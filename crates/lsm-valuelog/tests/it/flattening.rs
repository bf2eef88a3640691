//! What flattening leaves out of the last level.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kv_api::{Space, Store, Transaction};
use lsm_valuelog::Options;

use crate::conformance::small;
use crate::support::{assert_sound, tombstones};

#[test]
fn flattening_drops_what_has_expired_in_the_last_level() {
    let directory = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicU64::new(100));
    let clock = Arc::clone(&now);
    let db = Options::new()
        .background(false)
        .clock(Arc::new(move || clock.load(Ordering::Relaxed)))
        .open(directory.path().join("store"))
        .unwrap();
    db.update(|tx| {
        tx.put_entry(
            Space::DEFAULT,
            &lsm_valuelog::Entry::new(b"a", b"").expires_at(200),
        )?;
        tx.put(Space::DEFAULT, b"b", b"")
    })
    .unwrap();
    db.flatten().unwrap();
    assert_eq!(db.tables()[0].entries, 2);
    now.store(200, Ordering::Relaxed);
    db.flatten().unwrap();
    assert_eq!(db.tables()[0].entries, 1);
}

#[test]
fn flattening_drops_deletions_from_the_last_level_once_nobody_needs_them() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    for number in 0..20_u8 {
        db.update(|tx| tx.put(Space::DEFAULT, &[b'a', number], &[7; 200]))
            .unwrap();
    }
    db.update(|tx| tx.put(Space::DEFAULT, b"b", b"")).unwrap();
    db.flatten().unwrap();
    let reader = db.begin().unwrap();
    db.update(|tx| tx.delete_range(Space::DEFAULT, "a".."b"))
        .unwrap();
    db.flatten().unwrap();
    assert!(
        tombstones(&db) > 0,
        "an open transaction may have to be told"
    );
    drop(reader);
    db.flatten().unwrap();
    assert_eq!(tombstones(&db), 0);
    assert_sound(&db);
}
