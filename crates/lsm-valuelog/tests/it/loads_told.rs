//! Bulk loads, restores and loads of backups, as subscriptions are told of them.

use std::time::Duration;

use kv_api::{Bytes, Error, Space, Store, Transaction};
use lsm_valuelog::{
    BulkMode, BulkWriter, Changed, ChangedTo, Committed, Db, ItemOptions, Lagged, Pattern,
    Sequence, Subscription, Versioned, Watch,
};

use crate::conformance::small;
use crate::support::keys;

const SOON: Duration = Duration::from_secs(20);
const NOT: Duration = Duration::from_millis(20);

fn next(subscription: &Subscription) -> Committed {
    let told = subscription.next_within(SOON).unwrap();
    told.expect("something was loaded")
}

fn record<'a>(key: &'a [u8], value: Option<&'a [u8]>, version: u64) -> Versioned<'a> {
    Versioned {
        key,
        value,
        version: Sequence(version),
        user_meta: 7,
        expires_at: 0,
        discards_earlier: false,
    }
}

fn put(db: &Db, key: &[u8], value: &[u8]) {
    db.update(|tx| tx.put(Space::DEFAULT, key, value)).unwrap();
}

#[test]
fn a_load_is_told_as_one_commit_of_which_only_what_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    put(&db, b"old", b"1");
    let all = db.subscribe(&Watch::new()).unwrap();
    let some = Watch::new()
        .prefix(b"b")
        .prefix(b"b1")
        .pattern(Pattern::new(b"x-z").ignore(0..2));
    let some = db.subscribe(&some).unwrap();
    let in_space = db.subscribe(&Watch::new().space(b"s")).unwrap();
    let none = db.subscribe(&Watch::new().prefix(b"nothing")).unwrap();
    let large = vec![9; 300];
    let mut load = db.bulk_load(BulkMode::Add).unwrap();
    let space = load.space(b"s").unwrap();
    let mut add = |record: Versioned<'_>| load.add(0, BulkWriter::DEFAULT, &record).unwrap();
    add(record(b"a", Some(b"1"), 5));
    add(record(b"b1", Some(&large), 9));
    add(record(b"b1", Some(b"older"), 8));
    add(record(b"b2", None, 6));
    add(record(b"b2", Some(b"gone"), 5));
    add(record(b"c-z", Some(b""), 6));
    load.add(1, space, &record(b"k", Some(b"v"), 7)).unwrap();
    load.finish().unwrap();
    let commit = next(&all);
    assert_eq!(commit.version, Sequence(9));
    assert_eq!(keys(&commit), [&b"a"[..], b"b1", b"b2", b"c-z"]);
    let value = ChangedTo::Value {
        value: Bytes::from(large),
        user_meta: 7,
        expires_at: 0,
    };
    assert_eq!(
        commit.changes[1].to, value,
        "the newest, from the value log"
    );
    assert_eq!(commit.changes[2].to, ChangedTo::Deleted);
    let commit = next(&some);
    assert_eq!(keys(&commit), [&b"b1"[..], b"b2", b"c-z"]);
    assert_eq!(keys(&next(&in_space)), [b"k"]);
    assert!(none.next_within(NOT).unwrap().is_none());
    // Commits go on behind it, in their order.
    put(&db, b"b3", b"");
    assert_eq!(
        (next(&all).version, next(&some).version),
        (Sequence(10), Sequence(10))
    );
}

#[test]
fn what_replaces_everything_is_told_as_dropping_it_and_then_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let from = small().open(directory.path().join("from")).unwrap();
    from.update(|tx| {
        let space = tx.create_space(b"s")?;
        tx.put(space, b"in", b"s")?;
        tx.put(Space::DEFAULT, b"new", b"1")
    })
    .unwrap();
    let mut copy = Vec::new();
    let snapshot = from.snapshot().unwrap();
    snapshot.backup_since(Sequence(0), &mut copy).unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    db.update(|tx| {
        let space = tx.create_space(b"s")?;
        tx.put(space, b"in", b"before")?;
        tx.put(Space::DEFAULT, b"old", b"1")
    })
    .unwrap();
    let all = db.subscribe(&Watch::new()).unwrap();
    let in_space = db.subscribe(&Watch::new().space(b"s")).unwrap();
    db.restore(&mut &*copy, &mut |_, _| true).unwrap();
    for (told, key) in [(&all, &b"new"[..]), (&in_space, b"in")] {
        let commit = next(told);
        assert_eq!(keys(&commit), [b"", key]);
        assert_eq!(commit.changes[0].to, ChangedTo::Dropped);
        assert!(matches!(commit.changes[1].to, ChangedTo::Value { .. }));
        assert!(told.next_within(NOT).unwrap().is_none());
    }
    db.update(|tx| {
        let space = tx.create_space(b"s")?;
        tx.put(space, b"later", b"")
    })
    .unwrap();
    assert_eq!(keys(&next(&in_space)), [b"later"]);
}

#[test]
fn a_replica_that_is_told_of_loads_of_changes_is_what_the_store_is() {
    let directory = tempfile::tempdir().unwrap();
    let options = small().versions_to_keep(usize::MAX);
    let from = options.open(directory.path().join("from")).unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    let told = db.subscribe(&Watch::new()).unwrap();
    let mut replica = std::collections::BTreeMap::new();
    let mut since = Sequence(0);
    for round in 0..6_u32 {
        from.update(|tx| {
            for number in (round..400).step_by(3) {
                let value = vec![round as u8; (number % 250) as usize];
                tx.put(Space::DEFAULT, &number.to_be_bytes(), &value)?;
            }
            (0..round * 20).try_for_each(|n| tx.delete(Space::DEFAULT, &n.to_be_bytes()))
        })
        .unwrap();
        let snapshot = from.snapshot().unwrap();
        let mut copy = Vec::new();
        snapshot.backup_since(since, &mut copy).unwrap();
        since = snapshot.sequence();
        db.load(&mut copy.as_slice()).unwrap();
        for Changed { key, to } in next(&told).changes {
            match to {
                ChangedTo::Value { value, .. } => drop(replica.insert(key, value)),
                ChangedTo::Deleted => drop(replica.remove(&key)),
                ChangedTo::Dropped => panic!("nothing was dropped"),
            }
        }
        for db in [&from, &db] {
            let snapshot = db.snapshot().unwrap();
            let items = snapshot.items(Space::DEFAULT, &ItemOptions::new()).unwrap();
            let pairs = items.map(|item| {
                let item = item.unwrap();
                let value = item.value().unwrap();
                (
                    Bytes::copy_from_slice(item.key()),
                    Bytes::copy_from_slice(&value),
                )
            });
            assert!(pairs.eq(replica.clone()), "{round}");
        }
    }
}

#[test]
fn a_load_larger_than_a_queue_may_be_ends_the_subscription_and_says_from_where_on_to_read() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    put(&db, b"a", b"");
    let limited = |watch: Watch| db.subscribe(&watch.queue_bytes_max(20_000)).unwrap();
    let all = limited(Watch::new());
    let few = limited(Watch::new().prefix(&[0, 0, 0]));
    put(&db, b"before", b"");
    let mut load = db.bulk_load(BulkMode::Add).unwrap();
    for number in 0..1_000_u32 {
        let key = (number << 4).to_be_bytes();
        load.put(0, BulkWriter::DEFAULT, &key, &[1; 90]).unwrap();
    }
    load.finish().unwrap();
    assert_eq!(keys(&next(&all)), [b"before"]);
    let Error::Other(ended) = all.next_within(SOON).unwrap_err() else {
        panic!("it was not told how it ended");
    };
    let missed = ended.downcast_ref::<Lagged>().unwrap().missed;
    assert_eq!(missed, Sequence(3));
    let since = ItemOptions::new().since(Sequence(missed.0 - 1));
    let snapshot = db.snapshot().unwrap();
    assert_eq!(
        snapshot.items(Space::DEFAULT, &since).unwrap().count(),
        1_000
    );
    // Whoever asked for little of it is told of that, however large the load.
    assert_eq!(next(&few).changes.len(), 16);
}
