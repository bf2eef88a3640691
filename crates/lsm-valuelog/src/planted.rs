//! Violations of what must hold of an open store, planted in its memory or its files: a check
//! finds each, and nothing before it was planted.

use std::sync::Arc;

use kv_api::capability::Check;
use kv_api::{Error, ErrorKind, Result, Space, Store, Transaction};

use crate::db::Db;
use crate::entry::{Entry, Extra, Kind};
use crate::error::locked;
use crate::id::Sequence;
use crate::manifest::edit::{Edit, Part};
use crate::options::Options;
use crate::state::State;
use crate::version::Version;

fn options() -> Options {
    Options::new()
        .background(false)
        .value_threshold_bytes(100)
        .value_file_bytes(4 << 10)
        .level_zero_tables(50, 60, 80)
}

fn put(db: &Db, key: &[u8], value: &[u8]) -> Result<()> {
    db.update(|tx| tx.put(Space::DEFAULT, key, value))
}

/// Two tables in level 0 that both hold `key`, and values in a sealed file and an open one.
fn made(directory: &tempfile::TempDir) -> Result<Db> {
    let db = options().open(directory.path().join("store"))?;
    for round in 0..2_u8 {
        put(&db, b"key", &[round; 10])?;
        for number in 0..30_u8 {
            put(&db, &[b'v', number], &[round; 200])?;
        }
        db.flush()?;
    }
    assert_eq!(db.tables().len(), 2);
    assert_eq!(found(&db)?, "");
    Ok(db)
}

/// What a check finds, told in one line.
fn found(db: &Db) -> Result<String> {
    let mut told = Vec::new();
    db.check(&mut |finding| told.push(format!("{finding:?}")))?;
    Ok(told.join("; "))
}

fn plant(db: &Db, change: impl Fn(&mut Version)) {
    db.shared.state.rcu(|state| {
        let mut state = State::clone(state);
        let mut version = Version::clone(&state.version);
        change(&mut version);
        state.version = Arc::new(version);
        state
    });
}

/// A store with a violation planted in its version: what the check tells contains `wanted`.
fn assert_found(wanted: &str, change: impl Fn(&mut Version)) -> Result<()> {
    let directory = tempfile::tempdir().map_err(|error| Error::io("a directory", error))?;
    let db = made(&directory)?;
    plant(&db, change);
    let told = found(&db)?;
    assert!(told.contains(wanted), "{wanted}: {told}");
    Ok(())
}

fn home() -> Result<tempfile::TempDir> {
    tempfile::tempdir().map_err(|error| Error::io("a directory", error))
}

fn move_newest_to(level: usize) -> impl Fn(&mut Version) {
    move |version| {
        let newest = version.level(0).first().cloned();
        if let Some(table) = newest {
            version.remove(0, table.meta.id);
            version.add(level, table);
        }
    }
}

#[test]
fn a_check_finds_tables_of_one_level_that_overlap() -> Result<()> {
    assert_found("overlap", |version| {
        move_newest_to(3)(version);
        move_newest_to(3)(version);
    })
}

#[test]
fn an_edit_after_which_tables_of_one_level_overlap_is_refused_in_any_build() -> Result<()> {
    let home = home()?;
    let db = made(&home)?;
    let tables: Vec<_> = db.shared.state.load().version.level(0).to_vec();
    let edit: Edit = tables
        .iter()
        .flat_map(|table| {
            let removed = Part::RemoveTable(0, table.meta.id);
            [removed, Part::AddTable(3, table.meta.clone())]
        })
        .collect();
    let mut files = locked(&db.shared.files);
    let installed = db.shared.install(&mut files, edit, |_, version| {
        for table in &tables {
            version.remove(0, table.meta.id);
            version.add(3, Arc::clone(table));
        }
    });
    drop(files);
    let kind = installed.map_err(|error| error.kind());
    assert_eq!(kind, Err(ErrorKind::Corrupt));
    assert_eq!(db.shared.state.load().version.level(0).len(), 2);
    assert_eq!(found(&db)?, "", "and nothing was changed");
    drop(db);
    let db = options().open(home.path().join("store"))?;
    assert_eq!(found(&db)?, "", "on the disk neither");
    Ok(())
}

#[test]
fn a_check_finds_an_older_record_above_a_newer_one() -> Result<()> {
    assert_found("lies above a newer one", move_newest_to(3))
}

#[test]
fn a_check_finds_two_records_of_one_version_of_a_key() -> Result<()> {
    let home = home()?;
    let db = options().open(home.path().join("store"))?;
    put(&db, b"key", b"small")?;
    db.flush()?;
    plant(&db, |version| {
        if let Some(table) = version.level(0).first().cloned() {
            version.add(2, table);
        }
    });
    let told = found(&db)?;
    assert!(told.contains("two records of one version"), "{told}");
    Ok(())
}

#[test]
fn a_compaction_in_a_debug_build_refuses_records_that_lie_in_the_wrong_order() -> Result<()> {
    let home = home()?;
    let db = made(&home)?;
    plant(&db, move_newest_to(6));
    let kind = db.flatten().map_err(|error| error.kind());
    let wanted = if cfg!(debug_assertions) {
        Err(ErrorKind::Corrupt)
    } else {
        Ok(())
    };
    assert_eq!(kind, wanted);
    Ok(())
}

#[test]
fn a_check_finds_a_value_that_is_pointed_at_in_a_file_that_is_none_of_the_stores() -> Result<()> {
    assert_found("is not part of the store", |version| {
        version.values.pop_first();
    })?;
    assert_found("is pointed at but unknown", |version| {
        version.value_states.pop_first();
    })
}

/// Changes the last byte of a file in its place, under whoever has mapped it.
fn damage(path: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options().write(true).read(true).open(path)?;
    let mut byte = [0];
    // The last value of the file ends a few bytes before it, at most.
    let at = file.metadata()?.len() - 40;
    file.read_exact_at(&mut byte, at)?;
    file.write_all_at(&[byte[0] ^ 1], at)
}

#[test]
fn a_check_finds_a_damaged_value_that_was_found_right_before_and_where_nobody_verifies()
-> Result<()> {
    for mode in [crate::ChecksumMode::OnRead, crate::ChecksumMode::Never] {
        let home = home()?;
        let path = home.path().join("store");
        let db = options().checksums(mode).open(&path)?;
        put(&db, b"key", &[7; 2_000])?;
        db.flush()?;
        let snapshot = db.snapshot()?;
        assert!(kv_api::Reader::get(&snapshot, Space::DEFAULT, b"key")?.is_some());
        assert_eq!(found(&db)?, "");
        for file in db.value_files() {
            let path = path.join(format!("{}.vlog", file.physical));
            damage(&path).map_err(|error| Error::io("damaging a file", error))?;
        }
        let told = found(&db)?;
        assert!(told.contains("checksum"), "{mode:?}: {told}");
    }
    Ok(())
}

#[test]
fn a_check_finds_a_file_whose_bytes_of_values_were_miscounted() -> Result<()> {
    let first = |change: fn(u64) -> u64| {
        move |version: &mut Version| {
            let mut sealed = version.value_states.values_mut();
            if let Some(state) = sealed.find(|state| state.is_sealed) {
                state.value_bytes = change(state.value_bytes);
            }
        }
    };
    assert_found("of which the manifest says", first(|bytes| bytes + 1))?;
    assert_found("of which the manifest says", first(|bytes| bytes - 1))?;
    assert_found("more living bytes than bytes", |version| {
        for state in version.value_states.values_mut() {
            (state.value_bytes, state.is_sealed) = (1, true);
        }
    })?;
    // The same of a file that collection has made.
    let home = home()?;
    let db = made(&home)?;
    db.flatten()?;
    db.update(|tx| tx.delete_range(Space::DEFAULT, [b'v', 0]..[b'v', 29]))?;
    db.flatten()?;
    assert!(db.collect()? > 0);
    let moved = |file: &crate::ValueFileInfo| file.id != file.physical;
    assert!(db.value_files().iter().any(moved), "{:?}", db.value_files());
    assert_eq!(found(&db)?, "");
    plant(&db, |version| {
        let states = version.value_states.iter_mut();
        for (_, state) in states.filter(|(id, state)| **id != state.physical) {
            state.value_bytes += 1;
        }
    });
    let told = found(&db)?;
    assert!(told.contains("of which the manifest says"), "{told}");
    Ok(())
}

#[test]
fn a_check_counts_the_values_of_files_that_several_openings_appended_to() -> Result<()> {
    let home = home()?;
    for round in 0..5_u8 {
        let db = options()
            .value_file_bytes(1 << 20)
            .open(home.path().join("store"))?;
        for number in 0..10_u8 {
            put(&db, &[number], &[round; 300])?;
        }
        db.close()?;
    }
    let db = options().open(home.path().join("store"))?;
    db.flatten()?;
    assert!(db.shared.seal_wasteful()?, "{:?}", db.value_files());
    assert_eq!(db.value_files().len(), 1);
    let counted: Vec<u64> = db
        .value_files()
        .iter()
        .map(|file| file.value_bytes)
        .collect();
    assert_eq!(counted, [5 * 10 * 300]);
    assert_eq!(found(&db)?, "");
    Ok(())
}

#[test]
fn a_check_finds_a_file_that_nothing_accounts_for() -> Result<()> {
    for name in ["000999.sst", "000999.vlog", "000999.wal", "note.txt"] {
        let home = home()?;
        let db = made(&home)?;
        let path = home.path().join("store").join(name);
        std::fs::write(path, b"x").map_err(|error| Error::io("a stranger", error))?;
        let told = found(&db)?;
        assert!(told.contains("nothing accounts for"), "{name}: {told}");
    }
    Ok(())
}

#[test]
fn a_check_finds_versions_above_the_newest_commit() -> Result<()> {
    let home = home()?;
    let db = made(&home)?;
    let last = db.newest_version();
    locked(&db.shared.core).last = Sequence(last.0 - 1);
    let told = found(&db)?;
    assert!(told.contains("readers see"), "{told}");
    db.shared.publish(Sequence(last.0 - 1));
    let told = found(&db)?;
    assert!(told.contains("holds version"), "{told}");
    assert!(told.contains("called durable"), "{told}");
    Ok(())
}

#[test]
fn a_debug_build_refuses_to_drop_a_deletion_above_an_older_record() -> Result<()> {
    let home = home()?;
    let db = made(&home)?;
    let entry = Entry {
        key: b"\x01key",
        sequence: Sequence(1_000),
        kind: Kind::Delete,
        extra: Extra::default(),
        value: b"",
    };
    let ids: Vec<_> = db.tables().iter().map(|table| table.id).collect();
    let shared = &db.shared;
    let all = shared.assert_hides_nothing(&entry, ids.iter().copied());
    assert!(all.is_ok());
    let some = shared.assert_hides_nothing(&entry, ids.iter().copied().take(1));
    assert_eq!(some.is_err(), cfg!(debug_assertions));
    let other = Entry {
        key: b"\x01nobody's",
        ..entry
    };
    assert!(
        shared
            .assert_hides_nothing(&other, std::iter::empty())
            .is_ok()
    );
    Ok(())
}
