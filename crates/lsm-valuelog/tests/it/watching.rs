//! Being told of commits.

use std::collections::BTreeMap;
use std::time::Duration;

use kv_api::{Bytes, Durability, Error, ErrorKind, Reader, Space, Store, Transaction};
use lsm_valuelog::{
    ChangedTo, Committed, Db, Entry, Lagged, Pattern, Sequence, Subscription, Watch,
};

use crate::conformance::small;
use crate::support::keys;

const SOON: Duration = Duration::from_secs(20);
const NOT: Duration = Duration::from_millis(20);

fn put(db: &Db, key: &[u8], value: &[u8]) {
    db.update(|tx| tx.put(Space::DEFAULT, key, value)).unwrap();
}

fn next(subscription: &Subscription) -> Committed {
    subscription
        .next_within(SOON)
        .unwrap()
        .expect("something was committed")
}

#[test]
fn commits_are_told_whole_in_their_order_and_only_what_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    put(&db, b"a0", b"before");
    let watch = Watch::new()
        .prefix(b"a")
        .pattern(Pattern::new(b"b-c").ignore(1..2));
    let told = db.subscribe(&watch).unwrap();
    assert_eq!(told.since(), Sequence(1));
    let large = vec![1; 500];
    db.update(|tx| {
        tx.put_entry(
            Space::DEFAULT,
            &Entry::new(b"a2", &large).user_meta(7).expires_at(u64::MAX),
        )?;
        tx.delete(Space::DEFAULT, b"a1")?;
        tx.put(Space::DEFAULT, b"bxc!", b"")?;
        tx.put(Space::DEFAULT, b"bxd", b"")?;
        tx.create_space(b"a space").map(drop)
    })
    .unwrap();
    put(&db, b"c", b"nobody asked");
    put(&db, b"a3", b"later");
    let commit = next(&told);
    assert_eq!(commit.version, Sequence(2));
    assert_eq!(keys(&commit), [&b"a1"[..], b"a2", b"bxc!"]);
    assert_eq!(commit.changes[0].to, ChangedTo::Deleted);
    let value = ChangedTo::Value {
        value: Bytes::from(large),
        user_meta: 7,
        expires_at: u64::MAX,
    };
    assert_eq!(commit.changes[1].to, value);
    let commit = next(&told);
    assert_eq!(
        (commit.version, keys(&commit)),
        (Sequence(4), vec![&b"a3"[..]])
    );
    assert!(told.next_within(NOT).unwrap().is_none());
}

#[test]
fn a_space_is_watched_by_its_name_whenever_it_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    let told = db.subscribe(&Watch::new().space(b"s")).unwrap();
    let put_in = |name: &[u8], key: &[u8]| {
        db.update(|tx| {
            let space = tx.create_space(name)?;
            tx.put(space, key, b"")
        })
        .unwrap();
    };
    put(&db, b"default", b"");
    put_in(b"other", b"1");
    put_in(b"s", b"2");
    assert_eq!(keys(&next(&told)), [b"2"]);
    db.update(|tx| tx.drop_space(b"s").map(drop)).unwrap();
    assert_eq!(next(&told).changes[0].to, ChangedTo::Deleted);
    put_in(b"s", b"3");
    assert_eq!(keys(&next(&told)), [b"3"]);
    let late = db.subscribe(&Watch::new().space(b"s")).unwrap();
    put_in(b"s", b"4");
    assert_eq!(keys(&next(&told)), [b"4"]);
    assert_eq!(keys(&next(&late)), [b"4"]);
    // Dropped and made again in one commit: what is not there again is gone.
    db.update(|tx| {
        tx.drop_space(b"s")?;
        let space = tx.create_space(b"s")?;
        tx.put(space, b"4", b"new")?;
        tx.put(space, b"5", b"")
    })
    .unwrap();
    let commit = next(&told);
    assert_eq!(keys(&commit), [b"3", b"4", b"5"]);
    assert_eq!(commit.changes[0].to, ChangedTo::Deleted);
    assert!(matches!(commit.changes[1].to, ChangedTo::Value { .. }));
    put_in(b"s", b"6");
    assert_eq!(keys(&next(&told)), [b"6"]);
}

#[test]
fn commits_of_every_size_and_drops_are_told_and_the_engines_own_records_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    let told = db.subscribe(&Watch::new()).unwrap();
    db.update(|tx| {
        for number in 0..2_000_u32 {
            tx.put(Space::DEFAULT, &number.to_be_bytes(), &[1; 100])?;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(next(&told).changes.len(), 2_000);
    let counter = db
        .merge_operator(b"sum", |old, new| [old, new].concat(), None)
        .unwrap();
    counter.add(b"x").unwrap();
    assert!(told.next_within(NOT).unwrap().is_none());
    counter.fold().unwrap();
    assert_eq!(keys(&next(&told)), [b"sum"]);
    let some = db.subscribe(&Watch::new().prefix(b"su")).unwrap();
    db.drop_prefixes(None, &[b"x", b"s", b"sum and more"])
        .unwrap();
    let commit = next(&told);
    assert_eq!(keys(&commit), [&b"x"[..], b"s", b"sum and more"]);
    assert!(
        commit
            .changes
            .iter()
            .all(|change| change.to == ChangedTo::Dropped)
    );
    assert_eq!(keys(&next(&some)), [&b"s"[..], b"sum and more"]);
    db.drop_all().unwrap();
    assert_eq!(keys(&next(&some)), [b""]);
}

#[test]
fn a_reader_that_falls_behind_is_ended_and_told_where_and_nobody_waits_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    let slow = db.subscribe(&Watch::new().queue_bytes_max(10_000)).unwrap();
    let quick = db.subscribe(&Watch::new()).unwrap();
    for number in 0..100_u32 {
        put(&db, &number.to_be_bytes(), &[0; 1_000]);
    }
    let mut last = 0;
    let error = loop {
        match slow.next_within(SOON) {
            Ok(commit) => last = commit.unwrap().version.0,
            Err(error) => break error,
        }
    };
    assert!((5..50).contains(&last), "{last}");
    let Error::Other(inner) = &error else {
        panic!("{error}");
    };
    let lagged = inner.downcast_ref::<Lagged>().unwrap();
    assert_eq!(
        lagged.missed,
        Sequence(last + 1),
        "nothing is skipped in silence"
    );
    assert_eq!(slow.next_within(SOON).unwrap_err().kind(), ErrorKind::Other);
    for version in 1..=100 {
        assert_eq!(next(&quick).version, Sequence(version));
    }
    // A single commit above the limit is told to one who has kept up.
    let small_queue = db.subscribe(&Watch::new().queue_bytes_max(10)).unwrap();
    put(&db, b"key", &[0; 1_000]);
    assert_eq!(keys(&next(&small_queue)), [b"key"]);
}

#[test]
fn a_closed_store_ends_subscriptions_behind_what_they_have_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    let told = db.subscribe(&Watch::new()).unwrap();
    put(&db, b"key", b"");
    db.close().unwrap();
    assert_eq!(keys(&next(&told)), [b"key"]);
    assert_eq!(told.next().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(
        db.subscribe(&Watch::new()).map(drop).unwrap_err().kind(),
        ErrorKind::Closed
    );
}

#[test]
fn a_commit_is_visible_when_it_is_told_and_a_refused_one_is_not_told() {
    let directory = tempfile::tempdir().unwrap();
    let db = small()
        .background(true)
        .open(directory.path().join("store"))
        .unwrap();
    let told = db.subscribe(&Watch::new()).unwrap();
    let watcher = |told: &Subscription| {
        let mut replica: BTreeMap<Bytes, Bytes> = BTreeMap::new();
        let mut last = Sequence(0);
        loop {
            let commit = next(told);
            assert!(commit.version > last, "{} behind {last}", commit.version);
            last = commit.version;
            assert!(db.snapshot().unwrap().sequence() >= last);
            let mut sum = 0;
            for change in &commit.changes {
                let ChangedTo::Value { value, .. } = &change.to else {
                    panic!("nothing is deleted");
                };
                sum += u64::from(value[0]);
                replica.insert(change.key.clone(), value.clone());
            }
            if commit.changes[0].key == "end" {
                return replica;
            }
            assert_eq!(
                (commit.changes.len(), sum),
                (2, 200),
                "each commit is told whole"
            );
        }
    };
    let replica = std::thread::scope(|scope| {
        let replica = scope.spawn(|| watcher(&told));
        let writers: Vec<_> = (0..8_u64)
            .map(|thread| {
                let db = &db;
                scope.spawn(move || {
                    for round in 0..80_u64 {
                        let key = |side: u64| {
                            [b"k", &((thread + round + side) % 10).to_be_bytes()[..]].concat()
                        };
                        // Conflicts are the rule here; who loses one is not told of.
                        let mut tx = db.begin().unwrap();
                        tx.get(Space::DEFAULT, &key(0)).unwrap();
                        let share = (round % 200) as u8;
                        tx.put(Space::DEFAULT, &key(0), &[share]).unwrap();
                        tx.put(Space::DEFAULT, &key(1), &[200 - share]).unwrap();
                        match tx.commit(Durability::Buffered) {
                            Ok(()) | Err(Error::Conflict) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        put(&db, b"end", b"\0");
        replica.join().unwrap()
    });
    let snapshot = db.snapshot().unwrap();
    let held: BTreeMap<Bytes, Bytes> = snapshot
        .range(Space::DEFAULT, ..)
        .unwrap()
        .map(|pair| {
            let (key, value) = pair.unwrap();
            (Bytes::copy_from_slice(&key), Bytes::copy_from_slice(&value))
        })
        .collect();
    assert_eq!(replica, held);
}

#[test]
fn what_was_missed_can_be_read_from_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let db = small()
        .keep_history(true)
        .open(directory.path().join("store"))
        .unwrap();
    for number in 0..10_u8 {
        put(&db, &[number], &[number]);
    }
    let since = lsm_valuelog::ItemOptions::new()
        .since(Sequence(6))
        .all_versions(true);
    let snapshot = db.snapshot().unwrap();
    let items = snapshot.items(Space::DEFAULT, &since).unwrap();
    let keys: Vec<u8> = items.map(|item| item.unwrap().key()[0]).collect();
    assert_eq!(keys, [6, 7, 8, 9]);
}
