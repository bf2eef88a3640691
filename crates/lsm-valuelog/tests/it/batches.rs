//! Batches that cut themselves into commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kv_api::{Durability, ErrorKind, Reader, Space, Store, Transaction};
use lsm_valuelog::{Entry, Options, Sequence, Watch};

use crate::conformance::small;

#[test]
fn a_batch_of_any_size_is_cut_into_commits_and_later_changes_win() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = small().open(&path).unwrap();
    let limits = db.batch_limits();
    assert!(
        limits.count_max > 0 && limits.bytes_max <= 8 << 10,
        "{limits:?}"
    );
    let mut batch = db.write_batch();
    for round in 0..2_u8 {
        for number in 0..3_000_u32 {
            let value = [round; 30];
            batch
                .put(Space::DEFAULT, &number.to_be_bytes(), &value)
                .unwrap();
        }
    }
    for number in (0..3_000_u32).step_by(3) {
        batch.delete(Space::DEFAULT, &number.to_be_bytes()).unwrap();
    }
    batch
        .put(Space::DEFAULT, b"large", &vec![9; 100_000])
        .unwrap();
    batch.flush(Durability::Sync).unwrap();
    let commits = db.metrics().commits + db.newest_version().0;
    assert!(commits > 100, "{commits}");
    let check = |db: &lsm_valuelog::Db| {
        let snapshot = db.snapshot().unwrap();
        assert_eq!(snapshot.range(Space::DEFAULT, ..).unwrap().count(), 2_001);
        for number in 0..3_000_u32 {
            let value = snapshot.get(Space::DEFAULT, &number.to_be_bytes()).unwrap();
            let wanted = (number % 3 != 0).then_some([1; 30]);
            assert_eq!(value.as_deref(), wanted.as_ref().map(|value| &value[..]));
        }
    };
    check(&db);
    drop(db);
    check(&small().open(&path).unwrap());
}

#[test]
fn a_batch_that_is_not_flushed_keeps_only_what_it_has_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let db = Options::new()
        .background(false)
        .open(directory.path().join("store"))
        .unwrap();
    let mut batch = db.write_batch();
    batch.put(Space::DEFAULT, b"key", b"").unwrap();
    batch.cancel();
    assert!(
        db.snapshot()
            .unwrap()
            .get(Space::DEFAULT, b"key")
            .unwrap()
            .is_none()
    );
    assert_eq!(db.newest_version(), Sequence(0));
    db.write_batch().flush(Durability::Sync).unwrap();
    assert_eq!(
        db.newest_version(),
        Sequence(0),
        "an empty batch is no commit"
    );
}

#[test]
fn a_batch_takes_times_and_bytes_beside_values_and_spaces() {
    let directory = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicU64::new(1_000));
    let clock = Arc::clone(&now);
    let db = small()
        .clock(Arc::new(move || clock.load(Ordering::Relaxed)))
        .open(directory.path().join("store"))
        .unwrap();
    let mut batch = db.write_batch();
    let space = batch.space(&db, b"space").unwrap();
    assert_eq!(batch.space(&db, b"space").unwrap(), space);
    let entry = Entry::new(b"key", b"value").expires_at(1_010).user_meta(5);
    batch.put_entry(space, &entry).unwrap();
    batch.put(Space::DEFAULT, b"key", b"another").unwrap();
    batch.flush(Durability::Sync).unwrap();
    let snapshot = db.snapshot().unwrap();
    let space = snapshot.space(b"space").unwrap().unwrap();
    let item = snapshot.get_item(space, b"key").unwrap().unwrap();
    assert_eq!((item.user_meta(), item.expires_at()), (5, 1_010));
    assert_eq!(&*item.value().unwrap(), b"value");
    now.store(1_010, Ordering::Relaxed);
    let snapshot = db.snapshot().unwrap();
    let space = snapshot.space(b"space").unwrap().unwrap();
    assert!(snapshot.get(space, b"key").unwrap().is_none());
    assert!(snapshot.get(Space::DEFAULT, b"key").unwrap().is_some());
    let foreign = db.write_batch().put(space, b"key", b"").unwrap_err();
    assert_eq!(foreign.kind(), ErrorKind::Invalid);
}

#[test]
fn a_batch_refuses_a_pair_and_goes_on_but_ends_with_its_first_failure() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    let mut batch = db.write_batch();
    let refused = batch.put(Space::DEFAULT, b"", b"").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    let refused = batch.put(Space::DEFAULT, &[0; 70_000], b"").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
    assert!(batch.error().is_none());
    let space = batch.space(&db, b"space").unwrap();
    batch.put(space, b"key", b"").unwrap();
    db.update(|tx| tx.drop_space(b"space").map(drop)).unwrap();
    db.update(|tx| tx.create_space(b"space").map(drop)).unwrap();
    let mut failed = None;
    for number in 0..10_000_u32 {
        if let Err(error) = batch.put(space, &number.to_be_bytes(), b"") {
            failed = Some(error);
            break;
        }
    }
    assert_eq!(failed.unwrap().kind(), ErrorKind::Conflict);
    let again = batch.put(Space::DEFAULT, b"key", b"").unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict);
    assert_eq!(
        batch.flush(Durability::Sync).unwrap_err().kind(),
        ErrorKind::Conflict
    );
    let snapshot = db.snapshot().unwrap();
    let space = snapshot.space(b"space").unwrap().unwrap();
    assert_eq!(
        snapshot.range(space, ..).unwrap().count(),
        0,
        "nothing strays into a space"
    );
}

#[test]
fn a_batch_with_a_version_is_one_commit_however_large() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = small().open(&path).unwrap();
    let mut batch = db.write_batch_at(Sequence(70));
    for number in 0..2_000_u32 {
        batch
            .put(Space::DEFAULT, &number.to_be_bytes(), &[1; 150])
            .unwrap();
    }
    assert_eq!(
        db.newest_version(),
        Sequence(0),
        "nothing is there before it is flushed"
    );
    batch.flush(Durability::Sync).unwrap();
    assert_eq!(db.newest_version(), Sequence(70));
    let mut old = db.write_batch_at(Sequence(70));
    old.put(Space::DEFAULT, b"key", b"").unwrap();
    assert_eq!(
        old.flush(Durability::Sync).unwrap_err().kind(),
        ErrorKind::AlreadyApplied
    );
    drop(db);
    let db = small().open(&path).unwrap();
    let snapshot = db.snapshot().unwrap();
    assert_eq!(snapshot.range(Space::DEFAULT, ..).unwrap().count(), 2_000);
    let first = snapshot
        .get_item(Space::DEFAULT, &0_u32.to_be_bytes())
        .unwrap()
        .unwrap();
    assert_eq!(first.version(), Sequence(70));
}

#[test]
fn batches_of_eight_threads_all_get_through() {
    let directory = tempfile::tempdir().unwrap();
    let db = small()
        .background(true)
        .open(directory.path().join("store"))
        .unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let db = &db;
            scope.spawn(move || {
                let mut batch = db.write_batch();
                for number in 0..1_000_u32 {
                    let key = [&[thread][..], &number.to_be_bytes()].concat();
                    batch.put(Space::DEFAULT, &key, &[thread; 40]).unwrap();
                    batch.put(Space::DEFAULT, b"contended", &[thread]).unwrap();
                }
                batch.flush(Durability::Buffered).unwrap();
            });
        }
    });
    let snapshot = db.snapshot().unwrap();
    assert_eq!(snapshot.range(Space::DEFAULT, ..).unwrap().count(), 8_001);
}

#[test]
fn a_batch_of_versions_is_a_commit_for_each_from_the_oldest_on() {
    let directory = tempfile::tempdir().unwrap();
    let options = small().keep_history(true).versions_in_any_order(true);
    let db = options.open(directory.path().join("store")).unwrap();
    let told = db.subscribe(&Watch::new()).unwrap();
    db.update(|tx| tx.put(Space::DEFAULT, b"key", b"first"))
        .unwrap();
    let mut batch = db.versioned_batch();
    let space = batch.space(&db, b"space").unwrap();
    let made = db.newest_version().0;
    for version in [70, 40, 50, 60] {
        let version = Sequence(version);
        let value = version.0.to_be_bytes();
        batch
            .put(version, Space::DEFAULT, b"key", b"replaced")
            .unwrap();
        batch.put(version, Space::DEFAULT, b"key", &value).unwrap();
        batch.put(version, space, b"key", &value).unwrap();
    }
    batch.delete(Sequence(60), Space::DEFAULT, b"key").unwrap();
    let entry = Entry::new(b"tagged", b"").user_meta(7);
    batch
        .put_entry(Sequence(60), Space::DEFAULT, &entry)
        .unwrap();
    assert_eq!(db.newest_version().0, made, "nothing before it is flushed");
    batch.flush(Durability::Sync).unwrap();
    let versions: Vec<u64> = (0..5)
        .map(|_| {
            told.next_within(Duration::from_secs(60))
                .unwrap()
                .unwrap()
                .version
                .0
        })
        .collect();
    assert_eq!(versions[1..], [40, 50, 60, 70]);
    let value_at = |version: u64, space: Option<&[u8]>| {
        let snapshot = db.snapshot_at(Sequence(version)).unwrap();
        let space = space.map_or(Space::DEFAULT, |name| {
            snapshot.space(name).unwrap().unwrap()
        });
        let value = snapshot.get(space, b"key").unwrap();
        value.map(|value| value.to_vec())
    };
    for version in [40_u64, 50, 60, 70] {
        let bytes = Some(version.to_be_bytes().to_vec());
        assert_eq!(value_at(version, Some(b"space")), bytes);
        let in_default = bytes.filter(|_| version != 60);
        assert_eq!(value_at(version, None), in_default, "{version}");
    }
    let mut late = db.versioned_batch();
    late.put(Sequence(45), Space::DEFAULT, b"key", b"late")
        .unwrap();
    late.flush(Durability::Sync).unwrap();
    assert_eq!(value_at(49, None), Some(b"late".to_vec()));
    let snapshot = db.snapshot().unwrap();
    let item = snapshot
        .get_item(Space::DEFAULT, b"tagged")
        .unwrap()
        .unwrap();
    assert_eq!((item.user_meta(), item.version()), (7, Sequence(60)));
}

#[test]
fn a_batch_takes_what_a_scan_shows_with_times_bytes_versions_and_deletions() {
    let directory = tempfile::tempdir().unwrap();
    let options = || {
        small()
            .versions_to_keep(usize::MAX)
            .clock(Arc::new(|| 1_000))
    };
    let open = |name: &str| options().open(directory.path().join(name)).unwrap();
    let (from, newest, every) = (open("from"), open("newest"), open("every"));
    for round in 0..3_u8 {
        from.update(|tx| {
            for number in 0..200_u32 {
                let (key, value) = (number.to_be_bytes(), vec![round; (number % 200) as usize]);
                let entry = Entry::new(&key, &value).user_meta(round);
                tx.put_entry(Space::DEFAULT, &entry.expires_at(2_000 + u64::from(number)))?;
            }
            tx.delete(Space::DEFAULT, &[0, 0, 0, round])
        })
        .unwrap();
    }
    let snapshot = from.snapshot().unwrap();
    let scan = || snapshot.stream().versions(usize::MAX).deletions(true);
    let mut batch = newest.write_batch();
    scan()
        .run(|records| batch.add_batch(Space::DEFAULT, records))
        .unwrap();
    batch.flush(Durability::Sync).unwrap();
    let mut batch = every.versioned_batch();
    scan()
        .run(|records| batch.add_batch(Space::DEFAULT, records))
        .unwrap();
    batch.flush(Durability::Sync).unwrap();
    let shown = |db: &lsm_valuelog::Db, versions: usize| {
        let mut shown = Vec::new();
        let snapshot = db.snapshot().unwrap();
        let stream = snapshot.stream().versions(versions).deletions(true);
        stream
            .run(|records| {
                shown.extend(records.iter().map(|r| {
                    let version = if versions > 1 { r.version.0 } else { 0 };
                    let value = r.value.map(<[u8]>::to_vec);
                    (r.key.to_vec(), value, version, r.user_meta, r.expires_at)
                }));
                Ok(())
            })
            .unwrap();
        shown
    };
    assert_eq!(shown(&newest, 1), shown(&from, 1));
    assert_eq!(shown(&every, usize::MAX), shown(&from, usize::MAX));
    assert_eq!(every.newest_version(), from.newest_version());
    assert!(!every.is_closed());
    every.close().unwrap();
    assert!(every.is_closed());
}
