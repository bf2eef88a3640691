//! What holds for every engine behind the facade.

use std::ops::Bound::{Excluded, Unbounded};

use kv_api::{Durability, ErrorKind};
use strata::{AnyStore, CopyOptions, Engine, OpenOptions, Order, copy, recognise};

use crate::place::{Place, entries, fill, fill_nested};

fn a_store_opens_by_url_and_by_path(place: &Place) {
    let by_url = place.open("a");
    assert_eq!(by_url.engine_name(), place.engine.name());
    fill(&by_url);
    let digest = by_url.open_snapshot().unwrap().digest().unwrap();
    assert_eq!((digest.buckets, digest.keys), (2, 600));
    by_url.shut_down().unwrap();
    drop(by_url);
    let by_path = OpenOptions::new()
        .create(false)
        .open(place.path("a"))
        .unwrap();
    assert_eq!(by_path.engine_name(), place.engine.name());
    assert_eq!(by_path.open_snapshot().unwrap().digest().unwrap(), digest);
}

fn a_store_is_recognised_without_being_told(place: &Place) {
    fill(&place.open("a"));
    assert_eq!(recognise(place.path("a")).unwrap(), place.engine);
    // A store in use is recognised too.
    let _held = place.open("a");
    assert_eq!(recognise(place.path("a")).unwrap(), place.engine);
}

fn nothing_is_made_unless_asked_for(place: &Place) {
    let location = place.location("missing");
    for options in [
        OpenOptions::new().create(false),
        OpenOptions::new().read_only(true),
        OpenOptions::new().untrusted(true),
    ] {
        for text in [location.to_string(), location.path().display().to_string()] {
            let refused = options.clone().open(&text).map(drop).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Io, "{text}: {refused}");
            assert!(!location.path().exists());
        }
    }
}

fn a_copy_has_the_digest_of_its_source(place: &Place) {
    let from = place.open("from");
    fill(&from);
    fill_nested(&from);
    let source = from.open_snapshot().unwrap();
    let digest = source.digest().unwrap();
    let has_indexes = source.as_commit_indexes().is_some();
    for (transaction_bytes_max, flatten) in
        [(0, false), (2_000, false), (2_000, true), (1 << 30, true)]
    {
        let to = place.open(&format!("to {transaction_bytes_max} {flatten}"));
        let options = CopyOptions {
            transaction_bytes_max,
            flatten,
        };
        let mut told = Vec::new();
        let copied = copy(&source, &to, options, &mut |copied| told.push(copied)).unwrap();
        let figures = (copied.buckets, copied.keys, copied.bytes);
        assert_eq!(figures, (digest.buckets, digest.keys, digest.bytes));
        assert_eq!(told.last(), Some(&copied));
        assert!(told.is_sorted_by_key(|copied| copied.bytes));
        let many = (1..digest.bytes).contains(&transaction_bytes_max);
        // With its commit indexes, a store is copied by one commit.
        let many = many && (flatten || !has_indexes);
        assert_eq!(told.len() > 1, many, "{} commits", told.len());
        assert_eq!(to.open_snapshot().unwrap().digest().unwrap(), digest);
    }
}

fn a_copy_keeps_what_else_the_target_holds(place: &Place) {
    let (from, to) = (place.open("from"), place.open("to"));
    fill(&from);
    let mut change = to.begin_write().unwrap();
    change.put_at(&[b"numbers"], b"mine", b"kept").unwrap();
    change.commit_durably().unwrap();
    let source = from.open_snapshot().unwrap();
    let options = CopyOptions {
        flatten: source.as_commit_indexes().is_some(),
        ..CopyOptions::default()
    };
    copy(&source, &to, options, &mut |_| {}).unwrap();
    let after = to.open_snapshot().unwrap();
    let numbers = after.bucket_at(&[b"numbers"]).unwrap().unwrap();
    assert_eq!(
        numbers.value_of(b"mine").unwrap().as_deref(),
        Some(&b"kept"[..])
    );
    assert_eq!(entries(&after, &[b"numbers"]).len(), 301);
}

fn a_check_finds_nothing_wrong(place: &Place) {
    let store = place.open("a");
    fill(&store);
    fill_nested(&store);
    let check = store.as_check().expect("every engine can be checked");
    let summary = check.check(&mut |finding| panic!("{finding:?}")).unwrap();
    assert!(summary.units > 0);
}

fn a_backup_opens_with_the_same_digest(place: &Place) {
    let store = place.open("a");
    fill(&store);
    fill_nested(&store);
    let digest = store.open_snapshot().unwrap().digest().unwrap();
    let backup = store.as_backup().expect("every engine can be backed up");
    let mut bytes = Vec::new();
    assert_eq!(backup.backup(&mut bytes).unwrap(), bytes.len() as u64);
    let mut copy = place.open("copy");
    if let Some(restore) = copy.as_restore() {
        restore.restore_stream(&mut &*bytes, &mut |_| true).unwrap();
    } else {
        std::fs::write(place.path("as it is"), bytes).unwrap();
        copy = AnyStore::open(place.path("as it is")).unwrap();
    }
    assert_eq!(copy.open_snapshot().unwrap().digest().unwrap(), digest);
}

fn a_reader_refuses_to_write(place: &Place) {
    fill(&place.open("a"));
    for options in [
        OpenOptions::new().read_only(true),
        OpenOptions::new().untrusted(true),
    ] {
        let store = options.open(place.path("a")).unwrap();
        let refused = store.begin_write().map(drop).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ReadOnly);
        assert_eq!(store.open_snapshot().unwrap().digest().unwrap().keys, 600);
    }
}

fn a_second_handle_in_one_process_is_refused_at_once(place: &Place) {
    let _held = place.open("a");
    let refused = AnyStore::open(place.path("a")).map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyOpen);
}

fn a_snapshot_stays_while_writes_go_on(place: &Place) {
    let store = place.open("a");
    fill(&store);
    let before = store.open_snapshot().unwrap();
    let digest = before.digest().unwrap();
    let mut change = store.begin_write().unwrap();
    change.drop_at(&[b"numbers"]).unwrap();
    change.put_at(&[], b"key 000", b"changed").unwrap();
    change.commit_with(Durability::Deferred).unwrap();
    assert_eq!(before.digest().unwrap(), digest);
    let now = store.open_snapshot().unwrap();
    assert_ne!(now.digest().unwrap(), digest);
    assert!(now.bucket_at(&[b"numbers"]).unwrap().is_none());
    store.make_durable().unwrap();
}

fn entries_come_both_ways_within_their_bounds(place: &Place) {
    let store = place.open("a");
    fill(&store);
    let snapshot = store.open_snapshot().unwrap();
    let root = snapshot.bucket_at(&[]).unwrap().unwrap();
    let all = entries(&snapshot, &[]);
    assert_eq!(all.len(), 302, "pairs and the two buckets among them");
    assert!(all.is_sorted_by(|a, b| a.0 < b.0));
    let buckets: Vec<_> = all.iter().filter(|entry| entry.1.is_none()).collect();
    assert_eq!(buckets.len(), 2);
    let keys_of = |keys: kv_api::KeyRange, order| {
        let entries = root.entries(keys, order).unwrap();
        let names = entries.map(|entry| String::from_utf8(entry.unwrap().key.to_vec()).unwrap());
        names.collect::<Vec<_>>()
    };
    for range in [
        kv_api::KeyRange::from(..),
        ("key 010".."key 020").into(),
        ("key 010"..="key 020").into(),
        (Excluded("key 298"), Unbounded::<&str>).into(),
        ("absent".."f").into(),
        kv_api::KeyRange::prefix(b"key 29"),
        kv_api::KeyRange::prefix(b"nothing"),
    ] {
        let ascending = keys_of(range.clone(), Order::Ascending);
        let expected = all.iter().filter(|entry| range.contains(&entry.0));
        let expected = expected.map(|entry| String::from_utf8(entry.0.clone()).unwrap());
        assert_eq!(ascending, expected.collect::<Vec<_>>(), "{range:?}");
        let mut descending = keys_of(range.clone(), Order::Descending);
        descending.reverse();
        assert_eq!(descending, ascending, "{range:?}");
    }
}

fn pairs_and_buckets_are_removed(place: &Place) {
    let store = place.open("a");
    fill(&store);
    let mut change = store.begin_write().unwrap();
    assert!(change.delete_at(&[], b"key 007").unwrap());
    assert!(!change.delete_at(&[], b"key 007").unwrap());
    assert!(
        change
            .delete_at(&[b"numbers"], &7_u32.to_be_bytes())
            .unwrap()
    );
    let missing = change.delete_at(&[b"nowhere"], b"key").unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(change.drop_at(&[b"empty"]).unwrap());
    assert!(!change.drop_at(&[b"empty"]).unwrap());
    change.commit_durably().unwrap();
    let digest = store.open_snapshot().unwrap().digest().unwrap();
    assert_eq!((digest.buckets, digest.keys), (1, 598));
}

macro_rules! scenarios {
    ($engine:ident: $($scenario:ident)*) => {
        $(#[test]
        fn $scenario() {
            super::$scenario(&super::Place::new(super::Engine::$engine));
        })*
    };
}

/// Every scenario for every engine; an engine to come adds a line at the end.
macro_rules! over_every_engine {
    ($($module:ident $engine:ident)*) => {
        $(mod $module {
            scenarios! { $engine:
                a_store_opens_by_url_and_by_path
                a_store_is_recognised_without_being_told
                nothing_is_made_unless_asked_for
                a_copy_has_the_digest_of_its_source
                a_copy_keeps_what_else_the_target_holds
                a_check_finds_nothing_wrong
                a_backup_opens_with_the_same_digest
                a_reader_refuses_to_write
                a_second_handle_in_one_process_is_refused_at_once
                a_snapshot_stays_while_writes_go_on
                entries_come_both_ways_within_their_bounds
                pairs_and_buckets_are_removed
            }
        })*

        #[test]
        fn no_built_in_engine_is_left_out() {
            let tested = [$(Engine::$engine),*];
            assert_eq!(Engine::built_in().collect::<Vec<_>>(), tested);
        }
    };
}

over_every_engine! {
    bolt Bolt
    lsm Lsm
    flat Flat
}
