//! What the flat engine has beyond the others, through the facade: commit indexes, search, streams.

use kv_api::ErrorKind;
use strata::{AnySnapshot, AnyStore, CopyOptions, Engine, OpenOptions, copy, transfer};

use crate::place::{Place, entries, fill};

fn fill_at(store: &AnyStore, commit_index: u64, space: &[u8], key: &[u8], value: &[u8]) {
    let mut change = store.begin_write_at(commit_index).unwrap();
    let path: &[&[u8]] = if space.is_empty() { &[] } else { &[space] };
    change.put_at(path, key, value).unwrap();
    change.commit_durably().unwrap();
}

fn index_of(snapshot: &AnySnapshot, space: Option<&[u8]>, key: &[u8]) -> Option<u64> {
    let indexes = snapshot.as_commit_indexes().unwrap();
    indexes.commit_index_in(space, key).unwrap()
}

fn found(snapshot: &AnySnapshot, space: Option<&[u8]>, query: &str) -> Vec<(Vec<u8>, u64)> {
    let mut rows = Vec::new();
    let search = snapshot.as_search().unwrap();
    search
        .search(space, query, &mut |found| {
            rows.push((found.key.to_vec(), found.commit_index));
            Ok(true)
        })
        .unwrap();
    rows
}

#[test]
fn bolt_has_no_commit_indexes_no_search_and_no_streams() {
    let place = Place::new(Engine::Bolt);
    let store = place.open("a");
    let snapshot = store.open_snapshot().unwrap();
    assert!(snapshot.as_commit_indexes().is_none() && snapshot.as_search().is_none());
    assert!(snapshot.as_stream().is_none() && store.as_restore().is_none());
    let refused = store.begin_write_at(1).map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
}

#[test]
fn an_entry_that_was_applied_is_not_applied_again() {
    let place = Place::new(Engine::Flat);
    let store = place.open("a");
    fill_at(&store, 7, b"", b"key", b"value");
    for index in [0, 6, 7] {
        let refused = store.begin_write_at(index).map(drop).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyApplied, "{index}");
    }
    fill_at(&store, 9, b"space", b"key", b"value");
    let snapshot = store.open_snapshot().unwrap();
    let indexes = snapshot.as_commit_indexes().unwrap();
    assert_eq!(indexes.newest_commit_index(), 9);
    assert_eq!(index_of(&snapshot, None, b"key"), Some(7));
    assert_eq!(index_of(&snapshot, Some(b"space"), b"key"), Some(9));
    assert_eq!(index_of(&snapshot, None, b"other"), None);
    let missing = indexes.commit_index_in(Some(b"nowhere"), b"key");
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_search_stops_where_it_is_told_and_finds_the_same_with_an_index() {
    let place = Place::new(Engine::Flat);
    for value_index in [false, true] {
        let options = OpenOptions::new().value_index(value_index);
        let store = options.open_at(&place.location("a")).unwrap();
        if !value_index {
            fill_at(&store, 3, b"", b"log:1", b"an uncritical remark");
            fill_at(&store, 5, b"", b"log:2", b"CRITICAL: disk");
            fill_at(&store, 6, b"notes", b"log:3", b"critical");
        }
        let snapshot = store.open_snapshot().unwrap();
        let inside = "value like '*critical*'";
        assert_eq!(found(&snapshot, None, inside), [(b"log:1".to_vec(), 3)]);
        let notes = found(&snapshot, Some(b"notes"), inside);
        assert_eq!(notes, [(b"log:3".to_vec(), 6)]);
        assert_eq!(found(&snapshot, None, "CommitIndex > 3").len(), 1);
        let search = snapshot.as_search().unwrap();
        let mut seen = 0;
        let once = &mut |_: kv_api::capability::FoundPair<'_>| {
            seen += 1;
            Ok(false)
        };
        search.search(None, "key like 'log:*'", once).unwrap();
        assert_eq!(seen, 1);
        let plan = search.explain_search(None, inside).unwrap();
        assert_eq!(plan.rows, 1);
        assert!(plan.plan.contains("critical"), "{plan:?}");
        let refused = search.explain_search(None, "value like").unwrap_err();
        assert!(
            refused
                .downcast_ref::<strata::flat::query::QueryError>()
                .is_some()
        );
        store.shut_down().unwrap();
    }
}

#[test]
fn a_copy_keeps_commit_indexes_or_is_refused_unless_asked_to_flatten() {
    let place = Place::new(Engine::Flat);
    let store = place.open("a");
    fill_at(&store, 7, b"space", b"a\x00key", b"value");
    fill(&store);
    let source = store.open_snapshot().unwrap();
    let digest = source.digest().unwrap();
    let whole = place.open("whole");
    copy(&source, &whole, CopyOptions::default(), &mut |_| {}).unwrap();
    let copied = whole.open_snapshot().unwrap();
    assert_eq!(copied.digest().unwrap(), digest);
    assert_eq!(index_of(&copied, Some(b"space"), b"a\x00key"), Some(7));
    assert_eq!(copied.as_commit_indexes().unwrap().newest_commit_index(), 8);

    // What has commits of its own, or none at all, cannot hold those of another store.
    let bolt = Place::new(Engine::Bolt);
    let used = place.open("used");
    fill_at(&used, 1, b"", b"mine", b"kept");
    for (target, keys) in [(used, digest.keys + 1), (bolt.open("b"), digest.keys)] {
        let refused = copy(&source, &target, CopyOptions::default(), &mut |_| {});
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
        let flatten = CopyOptions {
            flatten: true,
            ..CopyOptions::default()
        };
        copy(&source, &target, flatten, &mut |_| {}).unwrap();
        let copied = target.open_snapshot().unwrap();
        assert_eq!(copied.digest().unwrap().keys, keys);
        let space = entries(&copied, &[b"space"]);
        assert_eq!(space[0].0, b"a\x00key", "keys stay what they are");
    }
}

#[test]
fn a_bolt_store_goes_to_flat_and_back() {
    let (bolt, flat) = (Place::new(Engine::Bolt), Place::new(Engine::Flat));
    let source = bolt.open("a");
    fill(&source);
    let source = source.open_snapshot().unwrap();
    let between = flat.open("b");
    copy(&source, &between, CopyOptions::default(), &mut |_| {}).unwrap();
    let between = between.open_snapshot().unwrap();
    assert_eq!(between.digest().unwrap(), source.digest().unwrap());
    let flatten = CopyOptions {
        flatten: true,
        ..CopyOptions::default()
    };
    let back = bolt.open("c");
    copy(&between, &back, flatten, &mut |_| {}).unwrap();
    let back = back.open_snapshot().unwrap();
    assert_eq!(back.digest().unwrap(), source.digest().unwrap());
}

#[test]
fn a_transfer_that_is_cancelled_leaves_the_target_as_it_was() {
    let place = Place::new(Engine::Flat);
    let (from, to) = (place.open("a"), place.open("b"));
    fill(&from);
    fill_at(&to, 1, b"", b"mine", b"kept");
    let digest = to.open_snapshot().unwrap().digest().unwrap();
    let source = from.open_snapshot().unwrap();
    let (stream, restore) = (source.as_stream().unwrap(), to.as_restore().unwrap());
    let cancelled = transfer(stream, restore, &mut |_| false).unwrap_err();
    assert_eq!(cancelled.kind(), ErrorKind::Io);
    assert_eq!(to.open_snapshot().unwrap().digest().unwrap(), digest);
    let mut told = 0;
    let mut report = |progress: strata::StreamProgress| {
        told = progress.pairs;
        true
    };
    transfer(stream, restore, &mut report).unwrap();
    assert_eq!(told, 600);
    let after = to.open_snapshot().unwrap();
    assert_eq!(after.digest().unwrap(), source.digest().unwrap());
}
