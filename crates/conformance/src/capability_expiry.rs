//! Laws about pairs that are gone once their time has come.

use kv_api::capability::{Expiry, PutExpiring};
use kv_api::{Durability, Reader, Result, Space, Store, Transaction};

use crate::ClockFixture;
use crate::scaffold::{NAMED, commit_one, newest, opened, own, value_of};

/// What the clock shows when a law begins.
const BEGIN: u64 = 1_000;

fn put<S>(store: &S, key: &[u8], value: &[u8], expires_at_secs: u64) -> Result<()>
where
    S: Store<Transaction: PutExpiring>,
{
    store.update(|tx| tx.put_expiring(Space::DEFAULT, key, value, expires_at_secs))
}

fn told(store: &impl Store<Snapshot: Expiry>, key: &[u8]) -> Option<u64> {
    let snapshot = store.snapshot().unwrap();
    snapshot.expires_at_secs(Space::DEFAULT, key).unwrap()
}

/// The keys of the default space, walked both ways.
fn keys(store: &impl Store) -> Vec<Vec<u8>> {
    let snapshot = store.snapshot().unwrap();
    let forward: Vec<_> = snapshot
        .range(Space::DEFAULT, ..)
        .unwrap()
        .map(|pair| own(pair.unwrap()).0)
        .collect();
    let mut backward: Vec<_> = snapshot
        .range(Space::DEFAULT, ..)
        .unwrap()
        .rev()
        .map(|pair| own(pair.unwrap()).0)
        .collect();
    backward.reverse();
    assert_eq!(forward, backward);
    forward
}

macro_rules! expiry_law {
    ($(#[$doc:meta])* $name:ident, |$fixture:ident, $store:ident| $law:block) => {
        $(#[$doc])*
        pub fn $name<F: ClockFixture>()
        where
            <F::Store as Store>::Snapshot: Expiry,
            <F::Store as Store>::Transaction: PutExpiring,
        {
            let ($fixture, $store) = opened::<F>();
            $fixture.set_seconds(BEGIN);
            $law
        }
    };
}

expiry_law! {
    /// A pair is there up to its last second and gone from its time on, to every way of reading.
    a_pair_is_gone_when_its_time_has_come, |fixture, store| {
        put(&store, b"b", b"value", BEGIN + 10).unwrap();
        commit_one(&store, b"a", b"");
        commit_one(&store, b"c", b"");
        fixture.set_seconds(BEGIN + 9);
        assert_eq!(newest(&store, b"b").as_deref(), Some(&b"value"[..]));
        assert_eq!(keys(&store), [b"a", b"b", b"c"]);
        fixture.set_seconds(BEGIN + 10);
        assert_eq!(newest(&store, b"b"), None);
        assert_eq!(keys(&store), [b"a", b"c"]);
        let tx = store.begin().unwrap();
        assert_eq!(value_of(&tx, b"b"), None);
    }
}

expiry_law! {
    /// What a reader shows once, it shows for as long as it lives.
    a_readers_time_stands_still, |fixture, store| {
        put(&store, b"key", b"value", BEGIN + 10).unwrap();
        let snapshot = store.snapshot().unwrap();
        let tx = store.begin().unwrap();
        fixture.set_seconds(BEGIN + 1_000);
        assert_eq!(value_of(&snapshot, b"key").as_deref(), Some(&b"value"[..]));
        assert_eq!(value_of(&tx, b"key").as_deref(), Some(&b"value"[..]));
        assert_eq!(snapshot.expires_at_secs(Space::DEFAULT, b"key").unwrap(), Some(BEGIN + 10));
    }
}

expiry_law! {
    /// A pair without a time, and one put plainly, never goes.
    a_pair_without_a_time_lasts, |fixture, store| {
        put(&store, b"a", b"", 0).unwrap();
        commit_one(&store, b"b", b"");
        fixture.set_seconds(u64::MAX);
        assert_eq!(keys(&store), [b"a", b"b"]);
        assert_eq!((told(&store, b"a"), told(&store, b"b")), (Some(0), Some(0)));
    }
}

expiry_law! {
    /// A later put replaces the time as it does the value.
    a_later_put_replaces_the_time, |fixture, store| {
        for key in [b"a", b"b", b"c"] {
            put(&store, key, b"old", BEGIN + 10).unwrap();
        }
        commit_one(&store, b"a", b"lasts");
        put(&store, b"b", b"longer", BEGIN + 20).unwrap();
        put(&store, b"c", b"shorter", BEGIN + 5).unwrap();
        assert_eq!(told(&store, b"a"), Some(0));
        fixture.set_seconds(BEGIN + 5);
        assert_eq!(keys(&store), [b"a", b"b"]);
        fixture.set_seconds(BEGIN + 20);
        assert_eq!(keys(&store), [b"a"]);
    }
}

expiry_law! {
    /// What a pair replaced does not come back when it goes, nor when time seems to go back.
    an_expired_pair_hides_what_it_replaced, |fixture, store| {
        commit_one(&store, b"key", b"old");
        put(&store, b"key", b"new", BEGIN + 10).unwrap();
        fixture.set_seconds(BEGIN + 10);
        assert_eq!(newest(&store, b"key"), None);
        commit_one(&store, b"other", b"");
        assert_eq!(newest(&store, b"key"), None);
    }
}

expiry_law! {
    /// The time is told in every space; of what is gone or never was, none.
    the_time_of_a_pair_is_told, |fixture, store| {
        let mut tx = store.begin().unwrap();
        let space = tx.create_space(NAMED).unwrap();
        tx.put_expiring(space, b"key", b"", BEGIN + 7).unwrap();
        tx.put_expiring(Space::DEFAULT, b"key", b"", BEGIN + 9).unwrap();
        tx.commit(Durability::Sync).unwrap();
        let in_named = || {
            let snapshot = store.snapshot().unwrap();
            let space = snapshot.space(NAMED).unwrap().unwrap();
            snapshot.expires_at_secs(space, b"key").unwrap()
        };
        assert_eq!((in_named(), told(&store, b"key")), (Some(BEGIN + 7), Some(BEGIN + 9)));
        assert_eq!(told(&store, b"another"), None);
        fixture.set_seconds(BEGIN + 8);
        assert_eq!((in_named(), told(&store, b"key")), (None, Some(BEGIN + 9)));
        store.update(|tx| tx.delete(Space::DEFAULT, b"key")).unwrap();
        assert_eq!(told(&store, b"key"), None);
    }
}

expiry_law! {
    /// To a transaction what has expired is not there, and may be put again.
    an_expired_pair_is_absent_to_a_transaction, |fixture, store| {
        put(&store, b"key", b"old", BEGIN + 10).unwrap();
        assert!(!store.update(|tx| tx.insert_if_absent(Space::DEFAULT, b"key", b"new")).unwrap());
        fixture.set_seconds(BEGIN + 10);
        assert!(store.update(|tx| tx.insert_if_absent(Space::DEFAULT, b"key", b"new")).unwrap());
        assert_eq!((newest(&store, b"key").as_deref(), told(&store, b"key")), (Some(&b"new"[..]), Some(0)));
    }
}

expiry_law! {
    /// A transaction sees its own pair with its time, and not one whose time has passed.
    a_transaction_sees_its_own_times, |fixture, store| {
        fixture.set_seconds(BEGIN + 5);
        let mut tx = store.begin().unwrap();
        tx.put_expiring(Space::DEFAULT, b"a", b"", BEGIN + 6).unwrap();
        tx.put_expiring(Space::DEFAULT, b"b", b"", BEGIN + 5).unwrap();
        assert!(value_of(&tx, b"a").is_some());
        assert!(value_of(&tx, b"b").is_none());
        assert_eq!(tx.range(Space::DEFAULT, ..).unwrap().count(), 1);
        tx.commit(Durability::Sync).unwrap();
        assert_eq!(keys(&store), [b"a"]);
    }
}

expiry_law! {
    /// Times are as durable as values.
    a_time_outlives_the_handle, |fixture, store| {
        put(&store, b"a", b"", BEGIN + 10).unwrap();
        put(&store, b"b", &[7; 5_000], BEGIN + 20).unwrap();
        drop(store);
        let store = fixture.open().unwrap();
        assert_eq!((told(&store, b"a"), told(&store, b"b")), (Some(BEGIN + 10), Some(BEGIN + 20)));
        store.close().unwrap();
        drop(store);
        fixture.set_seconds(BEGIN + 10);
        let store = fixture.open().unwrap();
        assert_eq!(keys(&store), [b"b"]);
        assert_eq!(told(&store, b"b"), Some(BEGIN + 20));
    }
}
