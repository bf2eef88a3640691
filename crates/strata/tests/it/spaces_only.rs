//! An engine that has spaces and nothing more: the model in memory, its other powers hidden.

use conformance::{MemoryModel, Writers};
use kv_api::{Result, Store};
use strata::{Adapt, AnyStore};

pub struct SpacesOnly(MemoryModel);

impl SpacesOnly {
    pub fn store() -> AnyStore {
        AnyStore::new(SpacesOnly(MemoryModel::new(Writers::OneAtATime)))
    }
}

impl Store for SpacesOnly {
    type Snapshot = <MemoryModel as Store>::Snapshot;
    type Transaction = <MemoryModel as Store>::Transaction;

    fn snapshot(&self) -> Result<Self::Snapshot> {
        self.0.snapshot()
    }

    fn begin(&self) -> Result<Self::Transaction> {
        self.0.begin()
    }

    fn try_begin(&self) -> Result<Option<Self::Transaction>> {
        self.0.try_begin()
    }

    fn sync(&self) -> Result<()> {
        self.0.sync()
    }

    fn close(&self) -> Result<()> {
        self.0.close()
    }
}

impl Adapt for SpacesOnly {
    fn engine_name(&self) -> &'static str {
        "spaces"
    }
}

#[test]
fn what_an_engine_cannot_do_is_none() {
    let store = SpacesOnly::store();
    assert!(store.as_check().is_none() && store.as_backup().is_none());
    assert!(store.open_snapshot().unwrap().as_nested().is_none());
    assert!(store.begin_write().unwrap().as_nested().is_none());
    assert!(store.engine_as::<SpacesOnly>().is_some());
    assert!(store.engine_as::<txn::Db>().is_none());
}

#[test]
fn a_path_of_two_names_is_unsupported_without_nesting() {
    let store = SpacesOnly::store();
    let mut change = store.begin_write().unwrap();
    let unsupported = [
        change.create_at(&[b"a", b"b"]).unwrap_err(),
        change.put_at(&[b"a", b"b"], b"k", b"v").unwrap_err(),
    ];
    for error in unsupported {
        assert_eq!(error.kind(), kv_api::ErrorKind::Unsupported);
    }
    drop(change);
    let snapshot = store.open_snapshot().unwrap();
    assert!(snapshot.bucket_at(&[b"a", b"b"]).unwrap().is_none());
}

#[test]
fn spaces_show_as_buckets_among_the_default_spaces_pairs() {
    let store = SpacesOnly::store();
    let mut change = store.begin_write().unwrap();
    for name in [b"b", b"d"] {
        change.put_at(&[name], b"inside", b"").unwrap();
    }
    for key in [b"a", b"c", b"e"] {
        change.put_at(&[], key, b"pair").unwrap();
    }
    change.commit_durably().unwrap();
    let snapshot = store.open_snapshot().unwrap();
    let names: Vec<_> = crate::place::entries(&snapshot, &[])
        .into_iter()
        .map(|(key, value)| (key[0], value.is_some()))
        .collect();
    let expected = [
        (b'a', true),
        (b'b', false),
        (b'c', true),
        (b'd', false),
        (b'e', true),
    ];
    assert_eq!(names, expected);
    let digest = snapshot.digest().unwrap();
    assert_eq!((digest.buckets, digest.keys), (2, 5));
}
