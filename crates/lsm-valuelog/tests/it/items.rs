//! Walks over items with all their options, against a plain model of versions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kv_api::{Cursor, Durability, ErrorKind, Reader, Space, Store, Transaction};
use lsm_valuelog::{Db, Entry, ItemOptions, Items, Sequence};

use crate::conformance::small;

/// What a walk gave: key, version, value; no value for deletions and what has expired.
type Shown = Vec<(Vec<u8>, u64, Option<Vec<u8>>)>;

fn shown(items: Items<'_>) -> Shown {
    let show = |item: lsm_valuelog::Result<lsm_valuelog::Item<'_>>| {
        let item = item.unwrap();
        let value = item.value().unwrap().to_vec();
        assert_eq!(item.value_bytes(), value.len() as u64);
        assert_eq!(
            item.estimated_bytes(),
            (item.key().len() + value.len()) as u64
        );
        let is_there = !item.is_deleted_or_expired();
        (
            item.key().to_vec(),
            item.version().0,
            is_there.then_some(value),
        )
    };
    items.map(show).collect()
}

#[derive(Clone, Debug)]
struct Version {
    sequence: u64,
    value: Option<Vec<u8>>,
    discards: bool,
}

/// All versions of all keys, newest first.
#[derive(Clone, Default)]
struct Model(BTreeMap<Vec<u8>, Vec<Version>>);

impl Model {
    fn show(&self, options: &Asked, at: u64) -> Shown {
        let mut shown = Vec::new();
        for (key, versions) in &self.0 {
            if !key.starts_with(&options.prefix) {
                continue;
            }
            let mut seen: Vec<&Version> = Vec::new();
            for version in versions.iter().filter(|version| version.sequence <= at) {
                seen.push(version);
                if !options.all || version.discards {
                    break;
                }
            }
            seen.retain(|version| {
                version.sequence > options.since
                    && (options.all || options.deleted || version.value.is_some())
            });
            if options.reverse {
                seen.reverse();
            }
            let of_key: Shown = seen
                .iter()
                .map(|version| (key.clone(), version.sequence, version.value.clone()))
                .collect();
            shown.push(of_key);
        }
        if options.reverse {
            shown.reverse();
        }
        shown.concat()
    }
}

#[derive(Clone, Debug)]
struct Asked {
    prefix: Vec<u8>,
    reverse: bool,
    all: bool,
    deleted: bool,
    since: u64,
    prefetch: usize,
    values: bool,
}

impl Asked {
    fn options(&self) -> ItemOptions {
        ItemOptions::new()
            .prefix(&self.prefix)
            .reverse(self.reverse)
            .all_versions(self.all)
            .deleted(self.deleted)
            .since(Sequence(self.since))
            .prefetch_items(self.prefetch)
            .prefetch_values(self.values)
    }
}

fn every_way(newest: u64) -> Vec<Asked> {
    let mut ways = Vec::new();
    for bits in 0..16_usize {
        for prefix in [&b""[..], b"k", b"k1", b"x", b"k\xFF"] {
            for since in [0, newest / 2, newest] {
                ways.push(Asked {
                    prefix: prefix.to_vec(),
                    reverse: bits & 1 != 0,
                    all: bits & 2 != 0,
                    deleted: bits & 4 != 0,
                    since,
                    prefetch: if bits & 8 != 0 { 1 } else { 7 },
                    values: bits & 8 == 0,
                });
            }
        }
    }
    ways
}

/// A store that keeps everything, and what is in it. Records lie in memory, in level 0 and below,
/// and values in the value log too.
fn filled(path: &std::path::Path, rounds: u64) -> (Db, Model) {
    let db = small()
        .keep_history(true)
        .memtable_bytes(4 << 10)
        .open(path)
        .unwrap();
    let mut model = Model::default();
    let mut random = 7_u64;
    let mut below = |limit: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % limit
    };
    for round in 1..=rounds {
        let mut tx = db.begin().unwrap();
        for _ in 0..1 + below(4) {
            let key = match below(10) {
                0 => b"k\xFF\xFF".to_vec(),
                1 => b"l".to_vec(),
                _ => format!("k{}", below(20)).into_bytes(),
            };
            let len = [5, 30, 200][below(3) as usize];
            let value = vec![b'a' + (round % 26) as u8; len];
            let (is_deleted, discards) = (below(5) == 0, below(6) == 0);
            let mut change = Version {
                sequence: round,
                value: None,
                discards: false,
            };
            if is_deleted {
                tx.delete(Space::DEFAULT, &key).unwrap();
            } else {
                let mut entry = Entry::new(&key, &value);
                if discards {
                    entry = entry.discard_earlier_versions();
                    change.discards = true;
                }
                tx.put_entry(Space::DEFAULT, &entry).unwrap();
                change.value = Some(value.clone());
            }
            let versions = model.0.entry(key).or_default();
            versions.retain(|version| version.sequence != round);
            versions.insert(0, change);
        }
        tx.commit(Durability::Buffered).unwrap();
        if round == rounds / 2 {
            db.flatten().unwrap();
        } else if round == rounds * 3 / 4 {
            db.flush().unwrap();
        }
    }
    (db, model)
}

#[test]
fn a_walk_shows_what_its_options_ask_for_as_of_every_version() {
    let directory = tempfile::tempdir().unwrap();
    let (db, model) = filled(&directory.path().join("store"), 120);
    let levels: Vec<usize> = db.levels().iter().map(|level| level.tables).collect();
    assert!(
        levels.iter().filter(|tables| **tables > 0).count() > 1,
        "{levels:?}"
    );
    for at in [1, 30, 60, 61, 119, 120] {
        let snapshot = db.snapshot_at(Sequence(at)).unwrap();
        for asked in every_way(at) {
            let items = snapshot.items(Space::DEFAULT, &asked.options()).unwrap();
            assert_eq!(shown(items), model.show(&asked, at), "{asked:?} at {at}");
        }
        for (key, versions) in &model.0 {
            let seen: Vec<u64> = shown(snapshot.versions_of(Space::DEFAULT, key).unwrap())
                .into_iter()
                .map(|(_, version, _)| version)
                .collect();
            let mut wanted = Vec::new();
            for version in versions.iter().filter(|version| version.sequence <= at) {
                wanted.push(version.sequence);
                if version.discards {
                    break;
                }
            }
            assert_eq!(seen, wanted, "{key:?} at {at}");
        }
    }
}

#[test]
fn several_walks_are_under_way_at_once_and_each_may_be_placed_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (db, model) = filled(&directory.path().join("store"), 60);
    let snapshot = db.snapshot().unwrap();
    let newest = Asked {
        prefix: b"k".to_vec(),
        reverse: false,
        all: false,
        deleted: false,
        since: 0,
        prefetch: 3,
        values: true,
    };
    let back = Asked {
        reverse: true,
        ..newest.clone()
    };
    let (up, down) = (model.show(&newest, 60), model.show(&back, 60));
    let mut one = snapshot.items(Space::DEFAULT, &newest.options()).unwrap();
    let mut other = snapshot.items(Space::DEFAULT, &back.options()).unwrap();
    for (a, b) in up.iter().zip(&down) {
        assert_eq!(one.next().unwrap().unwrap().key(), a.0);
        assert_eq!(other.next().unwrap().unwrap().key(), b.0);
    }
    assert!(one.next().is_none() && other.next().is_none());
    for (at, (key, ..)) in up.iter().enumerate() {
        one.seek(key);
        assert_eq!(one.next().unwrap().unwrap().key(), key);
        assert_eq!(
            one.next().map(|item| item.unwrap().key().to_vec()),
            up.get(at + 1).map(|(key, ..)| key.clone())
        );
        other.seek(key);
        assert_eq!(other.next().unwrap().unwrap().key(), key);
        let below = at.checked_sub(1).map(|at| up[at].0.clone());
        assert_eq!(other.next().map(|item| item.unwrap().key().to_vec()), below);
        // Between two keys, and out of the prefix on both sides.
        let between = [key, &b"\0"[..]].concat();
        other.seek(&between);
        assert_eq!(other.next().unwrap().unwrap().key(), key);
        one.seek(b"a");
        assert_eq!(one.next().unwrap().unwrap().key(), up[0].0);
        other.seek(b"z");
        assert_eq!(other.next().unwrap().unwrap().key(), down[0].0);
        one.seek(b"z");
        assert!(one.next().is_none());
    }
    one.rewind();
    assert_eq!(one.next().unwrap().unwrap().key(), up[0].0);
}

#[test]
fn a_walk_in_a_transaction_shows_its_own_changes_over_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let (db, mut model) = filled(&directory.path().join("store"), 60);
    let mut tx = db.begin().unwrap();
    tx.put(Space::DEFAULT, b"k1", b"own").unwrap();
    tx.put(Space::DEFAULT, b"k00", b"new").unwrap();
    tx.delete(Space::DEFAULT, b"k2").unwrap();
    for (key, value) in [
        (&b"k1"[..], Some(&b"own"[..])),
        (b"k00", Some(b"new")),
        (b"k2", None),
    ] {
        let versions = model.0.entry(key.to_vec()).or_default();
        let own = Version {
            sequence: 60,
            value: value.map(<[u8]>::to_vec),
            discards: false,
        };
        versions.insert(0, own);
    }
    for asked in every_way(60).into_iter().filter(|asked| asked.since < 60) {
        let items = tx.items(Space::DEFAULT, &asked.options()).unwrap();
        assert_eq!(shown(items), model.show(&asked, 60), "{asked:?}");
    }
    // A change of one's own is newer than everything.
    let since = ItemOptions::new().since(Sequence(60)).deleted(true);
    let own: Vec<Vec<u8>> = shown(tx.items(Space::DEFAULT, &since).unwrap())
        .into_iter()
        .map(|(key, ..)| key)
        .collect();
    assert_eq!(own, [&b"k00"[..], b"k1", b"k2"]);
    let item = tx.get_item(Space::DEFAULT, b"k1").unwrap().unwrap();
    assert_eq!(&*item.value().unwrap(), b"own");
    assert!(tx.get_item(Space::DEFAULT, b"k2").unwrap().is_none());
}

#[test]
fn an_item_tells_all_that_was_written_beside_its_value() {
    let directory = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicU64::new(1_000));
    let clock = Arc::clone(&now);
    let db = small()
        .keep_history(true)
        .clock(Arc::new(move || clock.load(Ordering::Relaxed)))
        .open(directory.path().join("store"))
        .unwrap();
    let large = vec![7; 500];
    db.update(|tx| {
        let entry = Entry::new(b"large", &large).user_meta(3).expires_at(1_100);
        tx.put_entry(Space::DEFAULT, &entry.discard_earlier_versions())?;
        tx.put(Space::DEFAULT, b"small", b"tiny")
    })
    .unwrap();
    let before = db.snapshot().unwrap();
    let item = before.get_item(Space::DEFAULT, b"large").unwrap().unwrap();
    assert!(item.is_separated() && item.discards_earlier_versions());
    assert_eq!(
        (item.key(), item.user_meta(), item.expires_at()),
        (&b"large"[..], 3, 1_100)
    );
    assert_eq!((item.value_bytes(), item.estimated_bytes()), (500, 505));
    let mut copy = b"x".to_vec();
    item.copy_value(&mut copy).unwrap();
    assert_eq!(copy[1..], large[..]);
    let item = before.get_item(Space::DEFAULT, b"small").unwrap().unwrap();
    assert!(!item.is_separated() && !item.discards_earlier_versions());
    assert_eq!(
        (item.user_meta(), item.expires_at(), item.version().0),
        (0, 0, 1)
    );
    now.store(1_100, Ordering::Relaxed);
    assert!(before.get_item(Space::DEFAULT, b"large").unwrap().is_some());
    let after = db.snapshot().unwrap();
    assert!(after.get_item(Space::DEFAULT, b"large").unwrap().is_none());
    let expired = shown(
        after
            .items(Space::DEFAULT, &ItemOptions::new().deleted(true))
            .unwrap(),
    );
    assert_eq!(expired[0], (b"large".to_vec(), 1, None));
    assert_eq!(
        shown(after.items(Space::DEFAULT, &ItemOptions::new()).unwrap()).len(),
        1
    );
}

#[test]
fn an_error_of_a_walk_is_given_again_until_it_is_placed_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = small().read_without_mapping(true).open(&path).unwrap();
    for number in 0..20 {
        let key = format!("key {number:02}");
        db.update(|tx| tx.put(Space::DEFAULT, key.as_bytes(), &[number; 300]))
            .unwrap();
    }
    db.flatten().unwrap();
    db.close().unwrap();
    drop(db);
    for file in std::fs::read_dir(&path).unwrap() {
        let file = file.unwrap().path();
        if file.extension().is_some_and(|kind| kind == "vlog") {
            let mut bytes = std::fs::read(&file).unwrap();
            let at = bytes
                .windows(300)
                .position(|part| *part == [7; 300])
                .unwrap();
            bytes[at + 150] ^= 1;
            std::fs::write(&file, bytes).unwrap();
        }
    }
    let db = small().read_without_mapping(true).open(&path).unwrap();
    let snapshot = db.snapshot().unwrap();
    let mut items = snapshot.items(Space::DEFAULT, &ItemOptions::new()).unwrap();
    for number in 0..7_u8 {
        assert_eq!(
            *items.next().unwrap().unwrap().value().unwrap(),
            [number; 300]
        );
    }
    for _ in 0..3 {
        let error = items.next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
    }
    items.seek(b"key 08");
    assert_eq!(items.count(), 12);
    let lazy = ItemOptions::new().prefetch_values(false);
    let mut values = snapshot.items(Space::DEFAULT, &lazy).unwrap();
    let item = values.nth(7).unwrap().unwrap();
    assert_eq!(item.value_bytes(), 300);
    assert_eq!(
        item.value().map(drop).unwrap_err().kind(),
        ErrorKind::Corrupt
    );
    assert_eq!(values.count(), 12, "the walk itself goes on");
}

#[test]
fn cursors_and_walks_agree() {
    let directory = tempfile::tempdir().unwrap();
    let (db, _) = filled(&directory.path().join("store"), 80);
    let snapshot = db.snapshot().unwrap();
    let walked = shown(snapshot.items(Space::DEFAULT, &ItemOptions::new()).unwrap());
    let mut cursor = snapshot.cursor(Space::DEFAULT).unwrap();
    let mut moved = cursor.first().unwrap();
    for (key, version, value) in walked {
        let (at, held) = moved.unwrap();
        assert_eq!((&at[..], Some(held.to_vec())), (&key[..], value));
        let item = snapshot.get_item(Space::DEFAULT, &key).unwrap().unwrap();
        assert_eq!(item.version().0, version);
        moved = cursor.next().unwrap();
    }
    assert!(moved.is_none());
}

#[test]
fn a_range_that_ends_before_it_begins_shows_nothing_either_way() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    db.update(|tx| (0..9_u8).try_for_each(|key| tx.put(Space::DEFAULT, &[key], b"value")))
        .unwrap();
    let (snapshot, tx) = (db.snapshot().unwrap(), db.begin().unwrap());
    for is_reverse in [false, true] {
        let backwards = std::ops::Range {
            start: &[7_u8][..],
            end: &[3_u8][..],
        };
        let options = ItemOptions::new().keys(backwards).reverse(is_reverse);
        assert_eq!(snapshot.items(Space::DEFAULT, &options).unwrap().count(), 0);
        let mut items = tx.items(Space::DEFAULT, &options).unwrap();
        items.seek(&[5]);
        assert_eq!(items.count(), 0);
    }
}
