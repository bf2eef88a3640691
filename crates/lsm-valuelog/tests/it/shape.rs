//! The shape of the tree, and stores that are opened with another one.

use kv_api::capability::Check;
use kv_api::{Durability, Reader, Space, Transaction};
use lsm_valuelog::{Db, Options};

use crate::conformance::small;

fn put(db: &Db, keys: impl Iterator<Item = u32>, value: u8) {
    let mut tx = db.begin().unwrap();
    for key in keys {
        tx.put(Space::DEFAULT, &key.to_be_bytes(), &[value; 90])
            .unwrap();
    }
    tx.commit(Durability::Buffered).unwrap();
}

fn filled(db: &Db) -> Vec<usize> {
    let levels = db.levels();
    let filled = levels.iter().filter(|level| level.tables > 0);
    filled.map(|level| level.level).collect()
}

#[test]
fn new_data_is_never_merged_past_a_level_that_holds_older_whatever_the_shape_is_to_be() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = small().open(&path).unwrap();
    // Several levels, the upper of which hold newer values of some keys.
    for round in 1..=60 {
        put(&db, (0..200).map(|key| key * 61 + u32::from(round)), round);
    }
    put(&db, 0..12_000, 100);
    let levels = filled(&db);
    assert!(levels.len() >= 2, "{levels:?}");
    db.close().unwrap();
    drop(db);
    // Now all of it would fit the last level, if the tree were made anew.
    let wide: Options = small().base_level_bytes(1 << 30);
    let db = wide.open(&path).unwrap();
    assert!(filled(&db).len() >= 2);
    for value in 101..=110 {
        put(&db, (0..12_000).step_by(7), value);
        db.flush().unwrap();
        let snapshot = db.snapshot().unwrap();
        for key in 0..12_000_u32 {
            let found = snapshot.get(Space::DEFAULT, &key.to_be_bytes()).unwrap();
            let wanted = if key % 7 == 0 { value } else { 100 };
            assert_eq!(found.as_deref(), Some(&[wanted; 90][..]), "{key}");
        }
    }
    let mut findings = Vec::new();
    db.check(&mut |finding| findings.push(finding)).unwrap();
    assert_eq!(findings, []);
}
