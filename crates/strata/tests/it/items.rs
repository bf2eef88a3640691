//! What the lsm engine keeps beside pairs, through the facade and between engines.

use kv_api::{ErrorKind, Space, Store};
use strata::lsm::{Db, Entry};
use strata::{AnySnapshot, AnyStore, CopyOptions, Engine, Item, copy};

use crate::place::{Place, fill};

const EXPIRES: u64 = 4_000_000_000;

fn items(snapshot: &AnySnapshot, space: Option<&[u8]>) -> Vec<(Vec<u8>, u64, u8)> {
    let mut items = Vec::new();
    let mut visit = |item: Item<'_>| {
        items.push((item.key.to_vec(), item.expires_at, item.user_meta));
        Ok(())
    };
    snapshot
        .as_items()
        .unwrap()
        .visit_items(space, &mut visit)
        .unwrap();
    items
}

fn flatten() -> CopyOptions {
    CopyOptions {
        flatten: true,
        ..CopyOptions::default()
    }
}

#[test]
fn a_copy_keeps_times_to_live_or_is_refused_unless_asked_to_flatten() {
    let (lsm, bolt, flat) = (
        Place::new(Engine::Lsm),
        Place::new(Engine::Bolt),
        Place::new(Engine::Flat),
    );
    let store = lsm.open("a");
    fill(&store);
    let mut change = store.begin_write().unwrap();
    let item = Item {
        key: b"session",
        value: b"ann",
        expires_at: EXPIRES,
        user_meta: 7,
    };
    change.put_item_at(&[b"sessions"], &item).unwrap();
    change.commit_durably().unwrap();
    let source = store.open_snapshot().unwrap();
    let digest = source.digest().unwrap();
    let kept = lsm.open("b");
    copy(&source, &kept, CopyOptions::default(), &mut |_| {}).unwrap();
    let copied = kept.open_snapshot().unwrap();
    assert_eq!(copied.digest().unwrap(), digest);
    let expected = [(b"session".to_vec(), EXPIRES, 7)];
    assert_eq!(items(&copied, Some(b"sessions")), expected);
    for target in [bolt.open("c"), flat.open("c")] {
        assert!(!target.holds_items() && target.open_snapshot().unwrap().as_items().is_none());
        let refused = copy(&source, &target, CopyOptions::default(), &mut |_| {}).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported, "{refused}");
        assert_eq!(target.open_snapshot().unwrap().digest().unwrap().keys, 0);
        let refused = target
            .begin_write()
            .unwrap()
            .put_item_at(&[], &item)
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        copy(&source, &target, flatten(), &mut |_| {}).unwrap();
        assert_eq!(target.open_snapshot().unwrap().digest().unwrap(), digest);
    }
}

#[test]
fn a_user_byte_alone_is_refused_too_and_plain_pairs_are_not() {
    let (lsm, bolt) = (Place::new(Engine::Lsm), Place::new(Engine::Bolt));
    let store = lsm.open("a");
    fill(&store);
    let plain = store.open_snapshot().unwrap();
    copy(&plain, &bolt.open("a"), CopyOptions::default(), &mut |_| {}).unwrap();
    let db: &Db = store.engine_as().unwrap();
    let entry = Entry::new(b"key", b"value").user_meta(1);
    db.update(|tx| tx.put_entry(Space::DEFAULT, &entry))
        .unwrap();
    let source = store.open_snapshot().unwrap();
    let refused = copy(
        &source,
        &bolt.open("b"),
        CopyOptions::default(),
        &mut |_| {},
    );
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn a_bolt_store_goes_to_lsm_and_back() {
    let (bolt, lsm) = (Place::new(Engine::Bolt), Place::new(Engine::Lsm));
    let source = bolt.open("a");
    fill(&source);
    let source = source.open_snapshot().unwrap();
    let between = lsm.open("b");
    copy(&source, &between, CopyOptions::default(), &mut |_| {}).unwrap();
    let back = bolt.open("c");
    let between = between.open_snapshot().unwrap();
    copy(&between, &back, CopyOptions::default(), &mut |_| {}).unwrap();
    let digest = source.digest().unwrap();
    assert_eq!(between.digest().unwrap(), digest);
    assert_eq!(back.open_snapshot().unwrap().digest().unwrap(), digest);
}

#[test]
fn an_lsm_stream_restores_in_one_step_or_not_at_all() {
    let place = Place::new(Engine::Lsm);
    let (from, to) = (place.open("a"), place.open("b"));
    fill(&from);
    let mut change = to.begin_write().unwrap();
    change.put_at(&[b"mine"], b"key", b"kept").unwrap();
    change.commit_durably().unwrap();
    let digest = |store: &AnyStore| store.open_snapshot().unwrap().digest().unwrap();
    let before = digest(&to);
    let source = from.open_snapshot().unwrap();
    let (stream, restore) = (source.as_stream().unwrap(), to.as_restore().unwrap());
    let cancelled = strata::transfer(stream, restore, &mut |_| false).unwrap_err();
    assert_eq!(cancelled.kind(), ErrorKind::Io);
    assert_eq!(digest(&to), before);
    strata::transfer(stream, restore, &mut |_| true).unwrap();
    assert_eq!(digest(&to), source.digest().unwrap());
}
