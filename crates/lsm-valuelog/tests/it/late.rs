//! Commits whose versions come in any order.

use std::collections::BTreeMap;
use std::sync::Arc;

use crash_kit::{Action, Call, CrashDisk, Fault, Rng, Survivors};
use disk::MemoryDisk;
use kv_api::capability::Check;
use kv_api::{Cursor, Durability, ErrorKind, Reader, Result, Space, Transaction};
use lsm_valuelog::{Db, Options, Sequence, Snapshot, Watch};

use crate::conformance::small;

fn any_order() -> Options {
    small().keep_history(true).versions_in_any_order(true)
}

type Change = (Vec<u8>, Option<Vec<u8>>);

fn commit_at(db: &Db, version: u64, changes: &[Change]) -> Result<()> {
    let mut tx = db.begin()?;
    for (key, value) in changes {
        match value {
            Some(value) => tx.put(Space::DEFAULT, key, value)?,
            None => tx.delete(Space::DEFAULT, key)?,
        }
    }
    tx.commit_at(Sequence(version), Durability::Buffered)
}

fn put_at(db: &Db, version: u64, key: &[u8], value: &[u8]) -> Result<()> {
    commit_at(db, version, &[(key.to_vec(), Some(value.to_vec()))])
}

/// Every version of every key.
#[derive(Default)]
struct Model(BTreeMap<Vec<u8>, BTreeMap<u64, Option<Vec<u8>>>>);

impl Model {
    fn holds(&self, version: u64, changes: &[Change]) -> bool {
        let mut keys = changes.iter().filter_map(|(key, _)| self.0.get(key));
        keys.any(|versions| versions.contains_key(&version))
    }

    fn commit(&mut self, version: u64, changes: &[Change]) {
        for (key, value) in changes {
            let versions = self.0.entry(key.clone()).or_default();
            versions.insert(version, value.clone());
        }
    }

    fn pairs_at(&self, version: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
        let newest = self.0.iter().filter_map(|(key, versions)| {
            let (_, value) = versions.range(..=version).next_back()?;
            Some((key.clone(), value.clone()?))
        });
        newest.collect()
    }
}

fn shown(snapshot: &Snapshot) -> Vec<(Vec<u8>, Vec<u8>)> {
    let pairs = snapshot.range(Space::DEFAULT, ..).unwrap();
    pairs
        .map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec())))
        .collect::<Result<_>>()
        .unwrap()
}

/// The snapshot shows these pairs, whichever way it is asked.
fn assert_shows(snapshot: &Snapshot, wanted: &[(Vec<u8>, Vec<u8>)], about: &str) {
    assert_eq!(shown(snapshot), wanted, "{about}");
    let mut cursor = snapshot.cursor(Space::DEFAULT).unwrap();
    let mut moved = cursor.last().unwrap();
    for (key, value) in wanted.iter().rev() {
        let (found, held) = moved.expect(about);
        assert_eq!((&*found, &*held), (&key[..], &value[..]), "{about}");
        moved = cursor.prev().unwrap();
    }
    for key in 0..KEYS {
        let got = snapshot.get(Space::DEFAULT, &[key]).unwrap();
        let value = wanted.iter().find(|pair| pair.0 == [key]);
        let value = value.map(|pair| &*pair.1);
        let versions = || {
            let items = snapshot.versions_of(Space::DEFAULT, &[key]).unwrap();
            items
                .map(|item| item.unwrap().version().0)
                .collect::<Vec<_>>()
        };
        assert_eq!(got.as_deref(), value, "{about}: {key} {:?}", versions());
    }
}

const KEYS: u8 = 24;

fn changes(rng: &mut Rng) -> Vec<Change> {
    let mut changes = BTreeMap::new();
    for _ in 0..=rng.below(3) {
        let key = vec![rng.below(KEYS.into()) as u8];
        let len = if rng.percent(20) { 300 } else { 30 };
        let value = vec![rng.below(256) as u8; len];
        changes.insert(key, (!rng.percent(25)).then_some(value));
    }
    changes.into_iter().collect()
}

fn account(db: &Db, about: &str) {
    let found = db.check(&mut |finding| println!("{about}: {finding:?}"));
    assert_eq!(found.unwrap().findings, 0, "{about}");
}

fn run(seed: u64) {
    let disk = Arc::new(MemoryDisk::default());
    // Where level 0 may hold many tables, levels below it are merged down past late versions.
    let open = |lazy: bool| {
        let options = any_order().read_without_mapping(true);
        let options = match lazy {
            true => options
                .level_zero_tables(50, 60, 80)
                .base_level_bytes(1 << 10),
            false => options,
        };
        options.disk(Arc::<MemoryDisk>::clone(&disk)).open("store")
    };
    let mut rng = Rng::new(seed);
    let mut db = open(false).unwrap();
    let (mut model, mut mark, mut held) = (Model::default(), 0, Vec::new());
    for step in 0..300_u64 {
        let about = format!("seed {seed}, step {step}");
        let version = match rng.below(3) {
            0 => db.newest_version().0 + 1 + rng.below(3) as u64,
            1 => mark + 1 + rng.below(10) as u64,
            _ => mark + 1 + rng.below(200) as u64,
        };
        let changes = changes(&mut rng);
        match commit_at(&db, version, &changes) {
            Ok(()) => {
                assert!(!model.holds(version, &changes), "{about}");
                model.commit(version, &changes);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::AlreadyApplied, "{about}");
                assert!(model.holds(version, &changes), "{about}");
            }
        }
        match rng.below(30) {
            0 => db.flush().unwrap(),
            1 => db.flatten().unwrap(),
            2 => drop(db.collect().unwrap()),
            3 => {
                held.clear();
                if rng.percent(50) {
                    db.close().unwrap();
                }
                drop(db);
                db = open(rng.percent(70)).unwrap();
            }
            4 => {
                mark = mark.max(db.newest_version().0 * 3 / 4);
                db.discard_before(Sequence(mark)).unwrap();
            }
            5..10 => {
                let newest = db.newest_version().0;
                let at = mark + rng.below((newest - mark + 1) as usize) as u64;
                let snapshot = db.snapshot_at(Sequence(at)).unwrap();
                let wanted = model.pairs_at(at);
                assert_shows(&snapshot, &wanted, &about);
                held.push((snapshot, wanted));
            }
            _ => {}
        }
        if let Some((snapshot, wanted)) = held.get(rng.below(held.len() + 5)) {
            assert_shows(snapshot, wanted, &format!("{about}, held"));
        }
    }
    for round in 0..2 {
        for version in mark..=db.newest_version().0 {
            let snapshot = db.snapshot_at(Sequence(version)).unwrap();
            let about = format!("seed {seed}, round {round}, version {version}");
            assert_shows(&snapshot, &model.pairs_at(version), &about);
        }
        account(&db, &format!("seed {seed}"));
        db.flatten().unwrap();
    }
}

#[test]
fn versions_committed_in_any_order_are_seen_in_theirs() {
    for seed in 0..16 {
        run(seed);
    }
}

#[test]
fn a_late_version_is_refused_where_history_was_given_up_and_where_it_was_not_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let db = any_order().open(directory.path().join("any")).unwrap();
    put_at(&db, 10, b"key", b"10").unwrap();
    db.discard_before(Sequence(5)).unwrap();
    let kind = |done: Result<()>| done.map_err(|error| error.kind());
    assert_eq!(kind(put_at(&db, 5, b"key", b"5")), Err(ErrorKind::NotFound));
    assert_eq!(kind(put_at(&db, 6, b"key", b"6")), Ok(()));
    let again = kind(put_at(&db, 6, b"key", b"6 again"));
    assert_eq!(again, Err(ErrorKind::AlreadyApplied));
    assert_eq!(kind(put_at(&db, 6, b"other", b"6")), Ok(()));
    assert_eq!(db.newest_version(), Sequence(10));
    drop(db);
    let db = small()
        .keep_history(true)
        .open(directory.path().join("only up"))
        .unwrap();
    put_at(&db, 10, b"key", b"10").unwrap();
    let refused = kind(put_at(&db, 9, b"key", b"9"));
    assert_eq!(refused, Err(ErrorKind::AlreadyApplied));
    let contradiction = small().versions_in_any_order(true);
    let refused = contradiction.open(directory.path().join("none"));
    assert_eq!(refused.map(drop).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn a_transaction_that_read_what_came_late_meets_a_conflict() {
    let directory = tempfile::tempdir().unwrap();
    let db = any_order().open(directory.path().join("store")).unwrap();
    put_at(&db, 10, b"key", b"10").unwrap();
    put_at(&db, 20, b"other", b"20").unwrap();
    let begun = |at: u64| db.begin_at(Sequence(at)).unwrap();
    let (mut by_key, mut by_range, mut apart) = (begun(20), begun(20), begun(20));
    assert!(by_key.get(Space::DEFAULT, b"key").unwrap().is_some());
    assert_eq!(by_range.range(Space::DEFAULT, "a".."l").unwrap().count(), 1);
    assert!(apart.get(Space::DEFAULT, b"other").unwrap().is_some());
    put_at(&db, 15, b"key", b"15").unwrap();
    // One that begins before the late version and looks only now.
    let mut older = begun(12);
    let read = older.get(Space::DEFAULT, b"key").unwrap();
    assert_eq!(read.as_deref(), Some(&b"10"[..]));
    drop(read);
    for tx in [&mut by_key, &mut by_range, &mut apart, &mut older] {
        tx.put(Space::DEFAULT, b"mine", b"").unwrap();
    }
    let commit = |tx: lsm_valuelog::Transaction| {
        tx.commit(Durability::Buffered)
            .map_err(|error| error.kind())
    };
    assert_eq!(commit(by_key), Err(ErrorKind::Conflict));
    assert_eq!(commit(by_range), Err(ErrorKind::Conflict));
    assert_eq!(commit(apart), Ok(()));
    assert_eq!(commit(older), Err(ErrorKind::Conflict));
    // Whoever began after it has seen it.
    let mut later = begun(20);
    let read = later.get(Space::DEFAULT, b"key").unwrap();
    assert_eq!(read.as_deref(), Some(&b"15"[..]));
    drop(read);
    later.put(Space::DEFAULT, b"mine", b"").unwrap();
    assert_eq!(commit(later), Ok(()));
    // After so many late commits they are no longer told apart.
    let mut long = begun(20);
    assert!(long.get(Space::DEFAULT, b"nobody's").unwrap().is_none());
    long.put(Space::DEFAULT, b"mine", b"").unwrap();
    for number in 0..1_100_u64 {
        put_at(&db, 16, &number.to_be_bytes(), b"").unwrap();
    }
    assert_eq!(commit(long), Err(ErrorKind::Conflict));
}

#[test]
fn a_deletion_stays_as_long_as_an_older_version_that_came_late_lies_above_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let levels = |db: &Db, key: &[u8]| {
        let holds = |table: &lsm_valuelog::TableInfo| {
            let stored = [&[1], key].concat();
            table.stored_keys.0 <= stored && stored <= table.stored_keys.1
        };
        let tables = db.tables().into_iter().filter(holds);
        let levels: Vec<usize> = tables.map(|table| table.level).collect();
        levels
    };
    let db = any_order().open(&path).unwrap();
    for number in 0..600_u64 {
        put_at(
            &db,
            number + 1,
            &[&b"a"[..], &number.to_be_bytes()].concat(),
            &[7; 90],
        )
        .unwrap();
    }
    db.flatten().unwrap();
    // Where the deletion is, nothing of its key lies below.
    for number in 1..20_u8 {
        commit_at(
            &db,
            1_000 + u64::from(number),
            &[(vec![b'k', number], None)],
        )
        .unwrap();
    }
    db.flush().unwrap();
    while levels(&db, b"k\x07").contains(&0) {
        put_at(&db, db.newest_version().0 + 1, b"z", &[1; 90]).unwrap();
        db.flush().unwrap();
    }
    drop(db);
    // What comes late stays in level 0, and then what lies below it goes down.
    let quiet = || any_order().level_zero_tables(50, 60, 80);
    let db = quiet().open(&path).unwrap();
    put_at(&db, 900, b"k\x07", b"late").unwrap();
    let before = levels(&db, b"k\x07");
    drop(db);
    let pushing = quiet().base_level_bytes(1).level_multiplier(10_000);
    let db = pushing.open(&path).unwrap();
    db.discard_before(db.newest_version()).unwrap();
    for _ in 0..3 {
        put_at(&db, db.newest_version().0 + 1, b"z", b"").unwrap();
        db.flush().unwrap();
    }
    let after = levels(&db, b"k\x07");
    assert_ne!(
        after.last(),
        before.last(),
        "the deletion went down: {after:?}"
    );
    assert_eq!(after.first(), Some(&0), "past what came late");
    let snapshot = db.snapshot().unwrap();
    assert!(snapshot.get(Space::DEFAULT, b"k\x07").unwrap().is_none());
}

#[test]
fn a_copy_of_changes_does_not_leave_out_what_came_late() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = any_order().open(&path).unwrap();
    for version in [10, 20] {
        put_at(&db, version, b"key", b"").unwrap();
    }
    let since = |db: &Db, since: u64| {
        let copied = db
            .snapshot()
            .unwrap()
            .backup_since(Sequence(since), &mut Vec::new());
        copied.map(drop).map_err(|error| error.kind())
    };
    assert_eq!(since(&db, 20), Ok(()));
    put_at(&db, 15, b"key", b"").unwrap();
    put_at(&db, 30, b"key", b"").unwrap();
    db.close().unwrap();
    drop(db);
    let db = any_order().open(&path).unwrap();
    assert_eq!(
        since(&db, 20),
        Err(ErrorKind::Invalid),
        "15 is not above 20"
    );
    assert_eq!(since(&db, 0), Ok(()));
    assert_eq!(since(&db, 30), Ok(()), "15 was there before");
}

#[test]
fn subscribers_are_told_of_late_versions_when_they_come() {
    let directory = tempfile::tempdir().unwrap();
    let db = any_order().open(directory.path().join("store")).unwrap();
    let told = db.subscribe(&Watch::new()).unwrap();
    for version in [10, 30, 20, 40] {
        put_at(&db, version, b"key", b"").unwrap();
    }
    let versions = [10, 30, 20, 40].map(|_| {
        let next = told.next_within(std::time::Duration::from_secs(60));
        next.unwrap().unwrap().version.0
    });
    assert_eq!(versions, [10, 30, 20, 40]);
}

/// Commits at 10 and 20, then late at 15, with a value for the value log.
fn late_on(disk: &CrashDisk) -> (Result<()>, Result<()>) {
    let db = match any_order().disk(disk.as_dyn()).open("store") {
        Ok(db) => db,
        Err(error) => return (Err(error.clone()), Err(error)),
    };
    let before = put_at(&db, 10, b"key", b"10").and_then(|()| put_at(&db, 20, b"key", b"20"));
    let pair = |key: &[u8]| (key.to_vec(), Some(vec![15; 300]));
    let late = commit_at(&db, 15, &[pair(b"key"), pair(b"late")]);
    (before, late)
}

#[test]
fn a_late_commit_is_durable_with_all_before_it_and_whole_or_absent() {
    let calls = [
        Call::Write,
        Call::SyncData,
        Call::SyncAll,
        Call::SyncDirectory,
        Call::Open,
    ];
    for call in calls {
        for nth in 0..60 {
            let disk = CrashDisk::new();
            if nth > 0 {
                disk.arm(Fault::once(call, nth, Action::Fail(5)));
            }
            let (before, late) = late_on(&disk);
            disk.disarm();
            for survivors in [Survivors::Synced, Survivors::Everything] {
                let about = format!("{call:?} {nth} {survivors:?}");
                let left = disk.after_crash(survivors);
                let Ok(db) = any_order().disk(left.as_dyn()).open("store") else {
                    assert!(late.is_err(), "{about}");
                    continue;
                };
                let at = |version: u64, key: &[u8]| {
                    let snapshot = db.snapshot_at(Sequence(version)).unwrap();
                    let value = snapshot.get(Space::DEFAULT, key).unwrap();
                    value.map(|value| value.to_vec())
                };
                let came = at(15, b"late").is_some();
                assert_eq!(came, at(15, b"key") == Some(vec![15; 300]), "{about}");
                assert!(came || late.is_err(), "{about}: lost");
                if came {
                    assert!(before.is_ok(), "{about}");
                    assert_eq!(at(14, b"key"), Some(b"10".to_vec()), "{about}");
                    assert_eq!(at(20, b"key"), Some(b"20".to_vec()), "{about}");
                }
                account(&db, &about);
            }
            if nth > 0 && disk.struck() == 0 {
                break;
            }
        }
    }
}
