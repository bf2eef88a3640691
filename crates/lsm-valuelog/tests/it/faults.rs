//! Faults that an engine of this kind is known for, and that this one must not have: see
//! `docs/lsm-faults.md`. Here are those that no other test is about.

use std::collections::BTreeSet;
use std::path::Path;

use crash_kit::{Action, Call, CrashDisk, Fault, Survivors};
use kv_api::capability::Backup;
use kv_api::{Cursor, Durability, ErrorKind, Reader, Snapshot as _, Space, Store, Transaction};
use lsm_valuelog::{Db, ItemOptions, Options};

use crate::conformance::small;
use crate::pairs::pairs;
use crate::support::assert_sound;

const EIO: i32 = 5;

fn put(db: &Db, key: &[u8], value: &[u8]) -> kv_api::Result<()> {
    let mut tx = db.begin()?;
    tx.put(Space::DEFAULT, key, value)?;
    tx.commit(Durability::Buffered)
}

fn names(path: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(path).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[test]
fn a_value_that_cannot_be_read_is_an_error_however_it_is_asked_for() {
    let disk = CrashDisk::new();
    let options = small().disk(disk.as_dyn()).read_without_mapping(true);
    let db = options.open("store").unwrap();
    put(&db, b"key", &[7; 3_000]).unwrap();
    db.flush().unwrap();
    let snapshot = db.snapshot().unwrap();
    // What finds the value is in the cache by now, and only the value has to be read.
    assert!(snapshot.get(Space::DEFAULT, b"key").unwrap().is_some());
    let ways: [(&str, &dyn Fn() -> kv_api::Result<()>); 7] = [
        ("get", &|| snapshot.get(Space::DEFAULT, b"key").map(drop)),
        ("get_bytes", &|| {
            snapshot.get_bytes(Space::DEFAULT, b"key").map(drop)
        }),
        ("cursor", &|| {
            let mut cursor = snapshot.cursor(Space::DEFAULT)?;
            cursor.first().map(drop)
        }),
        ("transaction", &|| {
            db.begin()?.get(Space::DEFAULT, b"key").map(drop)
        }),
        ("item", &|| {
            let item = snapshot.get_item(Space::DEFAULT, b"key")?.unwrap();
            item.value().map(drop)
        }),
        ("walk", &|| {
            let mut items = snapshot.items(Space::DEFAULT, &ItemOptions::new())?;
            items.try_for_each(|item| item.and_then(|item| item.value().map(drop)))
        }),
        ("stream", &|| snapshot.stream().run(|_| Ok(())).map(drop)),
    ];
    for (name, way) in ways {
        disk.arm(Fault::from(Call::Read, 1, Action::Fail(EIO)));
        let failed = way();
        disk.disarm();
        assert!(failed.is_err(), "{name} hides that a value was not read");
        assert!(way().is_ok(), "{name} after the disk is well again");
    }
    disk.arm(Fault::from(Call::Read, 1, Action::Fail(EIO)));
    let mut copy = Vec::new();
    assert!(db.backup(&mut copy).is_err());
    disk.disarm();
    // Nobody is in the way of what is done to the file afterwards.
    db.update(|tx| tx.delete(Space::DEFAULT, b"key")).unwrap();
    drop(snapshot);
    db.flatten().unwrap();
    assert!(db.collect().unwrap() > 0);
    assert_eq!(db.value_files(), []);
    let left = disk.as_dyn().list(Path::new("store")).unwrap();
    let is_value_file = |name: &std::ffi::OsString| name.to_string_lossy().ends_with("vlog");
    assert!(!left.iter().any(is_value_file), "{left:?}");
    assert_sound(&db);
}

#[test]
fn no_number_of_a_file_is_given_twice_in_the_life_of_a_store() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let (mut ever, mut there) = (BTreeSet::new(), BTreeSet::new());
    let mut look = |about: &str| {
        let now: BTreeSet<String> = names(&path)
            .into_iter()
            .filter_map(|name| Some(name.split_once('.')?.0.to_owned()))
            .filter(|number| number.parse::<u64>().is_ok())
            .collect();
        for number in now.difference(&there) {
            assert!(ever.insert(number.clone()), "{number} again, {about}");
        }
        there = now;
    };
    for round in 0..12_u8 {
        let db = small().open(&path).unwrap();
        look("opened");
        for number in 0..40_u8 {
            put(&db, &[number], &[round; 150]).unwrap();
        }
        db.flatten().unwrap();
        db.collect().unwrap();
        look("collected");
        if round % 3 == 0 {
            db.drop_all().unwrap();
            look("dropped");
        }
        if round % 2 == 0 {
            db.close().unwrap();
            look("closed");
        }
    }
    assert!(ever.len() > 20, "{ever:?}");
}

#[test]
fn a_table_that_cannot_be_written_whole_takes_nothings_place() {
    for call in [Call::Write, Call::SyncAll, Call::SyncDirectory, Call::Open] {
        for nth in 1.. {
            let disk = CrashDisk::new();
            let options = || small().disk(disk.as_dyn());
            let db = options().open("store").unwrap();
            for number in 0..60_u8 {
                put(&db, &[number], &[7; 90]).unwrap();
            }
            db.sync().unwrap();
            let expected = pairs(&db);
            disk.arm(Fault::once(call, nth, Action::Fail(EIO)));
            let flattened = db.flatten();
            let is_struck = disk.struck() > 0;
            disk.disarm();
            assert!(!is_struck || flattened.is_err(), "{call:?} {nth} is told");
            assert_eq!(pairs(&db), expected, "{call:?} {nth}");
            drop(db);
            for survivors in [Survivors::Synced, Survivors::Everything] {
                let left = disk.after_crash(survivors);
                let db = small().disk(left.as_dyn()).open("store").unwrap();
                assert_eq!(pairs(&db), expected, "{call:?} {nth} {survivors:?}");
                assert_sound(&db);
            }
            if !is_struck {
                break;
            }
        }
    }
}

#[test]
fn a_compaction_that_failed_lets_go_what_it_had_taken() {
    let disk = CrashDisk::new();
    let db = small().disk(disk.as_dyn()).open("store").unwrap();
    for number in 0..200_u8 {
        put(&db, &[number], &[7; 90]).unwrap();
    }
    db.flush().unwrap();
    disk.arm(Fault::from(Call::Open, 1, Action::Fail(EIO)));
    assert!(db.flatten().is_err());
    disk.disarm();
    assert_eq!(db.metrics().compactions_running, 0);
    db.flatten().unwrap();
    let filled = |db: &Db| db.levels().iter().filter(|level| level.tables > 0).count();
    assert_eq!(filled(&db), 1, "{:?}", db.levels());
    // A drop waits for compactions under way, and there are none.
    db.drop_prefix(None, b"").unwrap();
    assert_sound(&db);
}

#[test]
fn the_file_of_which_most_is_dead_is_collected_whatever_a_larger_one_holds() {
    let home = tempfile::tempdir().unwrap();
    let db = small()
        .value_file_bytes(100_000)
        .memtable_bytes(1 << 20)
        .garbage_percent(50)
        .open(home.path().join("store"))
        .unwrap();
    // Less than half of the first file will be dead, and most of the second: fewer bytes.
    for number in 0..98_u8 {
        put(&db, &[b'a', number], &[1; 1_000]).unwrap();
    }
    for number in 0..19_u8 {
        put(&db, &[b'b', number], &[1; 1_000]).unwrap();
    }
    put(&db, b"more", &[1; 30_000]).unwrap();
    db.update(|tx| {
        tx.delete(Space::DEFAULT, b"more")?;
        tx.delete_range(Space::DEFAULT, [b'a', 0]..[b'a', 45])?;
        tx.delete_range(Space::DEFAULT, [b'b', 0]..[b'b', 9])
    })
    .unwrap();
    db.flatten().unwrap();
    put(&db, b"next file", &[1; 90_000]).unwrap();
    let before = db.value_files();
    let dead = |file: &lsm_valuelog::ValueFileInfo| file.value_bytes - file.living_bytes;
    assert!(dead(&before[0]) > dead(&before[1]), "{before:?}");
    assert_eq!(db.collect().unwrap(), 1, "{before:?}");
    let after = db.value_files();
    assert_eq!(after[0], before[0], "it is worth keeping as it is");
    assert_ne!(after[1].physical, before[1].physical);
    assert_sound(&db);
}

#[test]
fn a_collected_file_goes_with_its_last_reader_though_others_read_all_the_time() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let db = small().open(&path).unwrap();
    let fill = |round: u8| {
        for number in 0..50_u8 {
            put(&db, &[number], &[round; 500]).unwrap();
        }
    };
    fill(0);
    let mut reader = db.snapshot().unwrap();
    for round in 1..20 {
        fill(round);
        // There is never a moment at which nobody reads.
        let next = db.snapshot().unwrap();
        reader = next;
        db.flatten().unwrap();
        db.collect().unwrap();
    }
    let files = |path: &Path| {
        let names = names(path).into_iter();
        names.filter(|name| name.ends_with("vlog")).count()
    };
    assert!(files(&path) < 8, "{:?}", names(&path));
    let found = reader.get(Space::DEFAULT, &[7]).unwrap();
    assert_eq!(found.as_deref(), Some(&[19; 500][..]));
    // Files that a reader kept until the power was cut go at the next opening.
    fill(20);
    db.flatten().unwrap();
    db.collect().unwrap();
    let held = files(&path);
    std::mem::forget(reader);
    drop(db);
    let db = small().bypass_lock(true).open(&path);
    let Ok(db) = db else {
        return;
    };
    assert!(files(&path) < held);
    assert_sound(&db);
}

#[test]
fn a_filter_is_sized_by_keys_and_not_by_versions() {
    let bytes = |bits: usize| {
        let home = tempfile::tempdir().unwrap();
        let options = Options::new().background(false).filter_bits_per_key(bits);
        let options = options.versions_to_keep(usize::MAX);
        let db = options.open(home.path().join("store")).unwrap();
        for round in 0..5_000_u32 {
            put(&db, b"one key", &round.to_be_bytes()).unwrap();
        }
        db.flush().unwrap();
        let [table] = db.tables().try_into().unwrap();
        assert_eq!((table.entries, table.keys), (5_000, 1));
        table.bytes
    };
    assert_eq!(bytes(10) - bytes(0), 64);
}

#[test]
fn a_hit_ends_the_search_and_what_lies_below_is_not_asked() {
    let home = tempfile::tempdir().unwrap();
    let options = || {
        let options = Options::new().background(false);
        options.level_zero_tables(50, 60, 80).filter_bits_per_key(0)
    };
    let db = options().open(home.path().join("store")).unwrap();
    put(&db, b"key", b"oldest").unwrap();
    db.flatten().unwrap();
    for round in 0..20_u8 {
        put(&db, b"key", &[round]).unwrap();
        db.flush().unwrap();
    }
    assert_eq!(db.tables().len(), 21);
    let before = db.metrics().tables_searched_by_level;
    for _ in 0..100 {
        let snapshot = db.snapshot().unwrap();
        let found = snapshot.get(Space::DEFAULT, b"key").unwrap();
        assert_eq!(found.as_deref(), Some(&[19][..]));
    }
    let after = db.metrics().tables_searched_by_level;
    let searched: u64 = after.iter().sum::<u64>() - before.iter().sum::<u64>();
    assert_eq!(searched, 100, "{after:?}");
    // A collection puts nothing on top either.
    db.update(|tx| tx.put(Space::DEFAULT, b"large", &[1; 10_000]))
        .unwrap();
    db.flush().unwrap();
    let tables = db.tables();
    db.collect_above(0).unwrap();
    assert_eq!(db.tables(), tables);
}

#[test]
fn whoever_was_refused_leaves_nothing_that_others_conflict_with() {
    let home = tempfile::tempdir().unwrap();
    let db = small().open(home.path().join("store")).unwrap();
    let mut loser = db.begin().unwrap();
    loser.get(Space::DEFAULT, b"contested").unwrap();
    loser.put(Space::DEFAULT, b"other", b"").unwrap();
    put(&db, b"contested", b"").unwrap();
    let mut bystander = db.begin().unwrap();
    bystander.get(Space::DEFAULT, b"other").unwrap();
    bystander.put(Space::DEFAULT, b"mine", b"").unwrap();
    let lost = loser.commit(Durability::Buffered);
    assert_eq!(lost.unwrap_err().kind(), ErrorKind::Conflict);
    bystander.commit(Durability::Buffered).unwrap();
}

#[test]
fn a_transaction_leaves_no_mark_however_it_ends() {
    let home = tempfile::tempdir().unwrap();
    let db = small().open(home.path().join("store")).unwrap();
    let read = || {
        let tx = db.begin().unwrap();
        tx.get(Space::DEFAULT, b"key").unwrap();
        tx
    };
    let ends: [(&str, &dyn Fn()); 6] = [
        ("dropped", &|| drop(read())),
        ("without changes", &|| {
            read().commit(Durability::Sync).unwrap();
        }),
        ("with a callback", &|| {
            let (sender, ended) = std::sync::mpsc::channel();
            read().commit_then(Durability::Buffered, move |outcome| {
                sender.send(outcome.is_ok()).unwrap();
            });
            assert!(ended.recv().unwrap());
        }),
        ("conflict", &|| {
            let mut tx = read();
            tx.put(Space::DEFAULT, b"mine", b"").unwrap();
            put(&db, b"key", b"").unwrap();
            assert!(tx.commit(Durability::Buffered).is_err());
        }),
        ("refused", &|| {
            let mut tx = read();
            assert!(tx.put(Space::DEFAULT, &vec![0; 1 << 20], b"").is_err());
            drop(tx);
        }),
        ("panic", &|| {
            let tx = read();
            let unwound = std::thread::scope(|scope| {
                let thread = scope.spawn(move || {
                    let _tx = tx;
                    panic!("on purpose");
                });
                thread.join()
            });
            assert!(unwound.is_err());
        }),
    ];
    for (name, end) in ends {
        put(&db, b"key", b"").unwrap();
        end();
        db.update(|tx| tx.delete_range(Space::DEFAULT, ..)).unwrap();
        db.flatten().unwrap();
        // As long as somebody reads, deletions stay.
        assert_eq!(db.tables(), [], "{name}");
    }
}

#[test]
fn stores_count_for_themselves() {
    let one = Options::new().open_in_memory().unwrap();
    let other = Options::new().open_in_memory().unwrap();
    let idle = other.metrics();
    put(&one, b"key", b"").unwrap();
    assert!(pairs(&one).len() == 1);
    one.flush().unwrap();
    assert!(one.metrics().table_bytes > 0, "there at once");
    assert_eq!(one.metrics().commits, 1);
    assert_eq!(other.metrics(), idle);
}

#[test]
fn an_empty_store_is_flattened_collected_dropped_and_copied() {
    let home = tempfile::tempdir().unwrap();
    for background in [false, true] {
        let path = home.path().join(format!("store {background}"));
        let db = small().background(background).open(&path).unwrap();
        db.flatten().unwrap();
        assert_eq!(db.collect().unwrap(), 0);
        db.drop_prefix(None, b"x").unwrap();
        db.drop_all().unwrap();
        db.backup(&mut Vec::new()).unwrap();
        assert_eq!(db.estimate_bytes(..), 0);
        assert!(pairs(&db).is_empty());
        db.close().unwrap();
    }
}
