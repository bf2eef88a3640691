//! Files that come into being: databases, and copies of them.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crash_kit::{Action, Call, CrashDisk, Fault, Survivors};
use disk::{Create, Disk, File, OpenOptions};
use txn::ErrorKind;

use super::stage::{EIO, ENOSPC, Stage, after_power_cut, keys, open, options, put};
use super::subject::PATH;

const CALLS: [Call; 10] = [
    Call::Open,
    Call::Write,
    Call::SetLen,
    Call::SyncAll,
    Call::Rename,
    Call::SyncDirectory,
    Call::Lock,
    Call::Map,
    Call::Read,
    Call::Len,
];

fn touch(disk: &CrashDisk, path: &str) {
    let how = OpenOptions {
        create: Create::IfMissing,
        ..OpenOptions::READ_WRITE
    };
    drop(disk.open(Path::new(path), &how).unwrap());
}

fn names(disk: &CrashDisk) -> Vec<String> {
    let names = disk.list(Path::new("/")).unwrap();
    names
        .iter()
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

/// Fails each call of an opening in turn, then opens without a fault.
fn every_failed_opening(before: impl Fn(&CrashDisk)) {
    let mut failed = 0;
    for (call, errno) in CALLS
        .into_iter()
        .flat_map(|call| [(call, EIO), (call, ENOSPC)])
    {
        for nth in 1.. {
            let disk = CrashDisk::new();
            before(&disk);
            disk.arm(Fault::once(call, nth, Action::Fail(errno)));
            let opened = options(&disk).open(PATH);
            let struck = disk.struck() > 0;
            disk.disarm();
            assert_eq!(opened.is_err(), struck, "{call:?} {nth}");
            let Err(error) = opened else { break };
            assert!(
                matches!(error.kind(), ErrorKind::Io | ErrorKind::NoSpace),
                "{error}"
            );
            failed += 1;
            let db = options(&disk)
                .initialize_interrupted(true)
                .open(PATH)
                .unwrap();
            put(&db, "key").unwrap();
            assert_eq!(keys(&after_power_cut(&disk)), ["key"], "{call:?} {nth}");
        }
    }
    assert!(failed > 10, "{failed} failures");
}

#[test]
fn a_creation_that_fails_at_any_call_says_so_and_the_next_one_succeeds() {
    every_failed_opening(|_| ());
}

#[test]
fn an_initialisation_in_place_that_fails_at_any_call_says_so_and_the_next_one_succeeds() {
    every_failed_opening(|disk| touch(disk, PATH));
}

#[test]
fn a_created_file_is_there_after_a_power_cut_and_nothing_beside_it() {
    for exists in [false, true] {
        let disk = CrashDisk::new();
        if exists {
            touch(&disk, PATH);
        }
        drop(open(&disk));
        assert_eq!(names(&disk.after_crash(Survivors::Synced)), ["bolt.db"]);
        assert!(keys(&after_power_cut(&disk)).is_empty());
    }
}

#[test]
fn what_dead_processes_left_behind_does_not_stand_in_the_way_of_a_creation_or_a_copy() {
    // A process of a container has the number of the one that died there, and counts from 0.
    let disk = CrashDisk::new();
    let process = std::process::id();
    for count in 0..20_000 {
        touch(&disk, &format!("/.bolt.db.tmp-{process}-{count}"));
        touch(&disk, &format!("/.copy.db.tmp-{process}-{count}"));
    }
    let db = open(&disk);
    put(&db, "key").unwrap();
    db.snapshot().unwrap().copy_file("/copy.db").unwrap();
    assert!(names(&disk).contains(&"copy.db".to_string()));
}

#[test]
fn a_file_of_four_pages_without_a_meta_is_refused_until_it_is_initialised_again() {
    let disk = CrashDisk::new();
    touch(&disk, PATH);
    let file = disk
        .open(Path::new(PATH), &OpenOptions::READ_WRITE)
        .unwrap();
    file.set_len(4096).unwrap();
    drop(file);
    assert_eq!(
        options(&disk).open(PATH).unwrap_err().kind(),
        ErrorKind::InterruptedInit
    );
    let db = options(&disk)
        .initialize_interrupted(true)
        .open(PATH)
        .unwrap();
    put(&db, "key").unwrap();
    assert_eq!(keys(&after_power_cut(&disk)), ["key"]);
}

#[test]
fn a_meta_that_another_process_left_in_the_cache_while_this_one_created_is_made_durable() {
    let disk = CrashDisk::new();
    let db = options(&disk)
        .disk(Arc::new(Interloper(disk.clone())))
        .open(PATH)
        .unwrap();
    assert_eq!(keys(&db), ["doubtful"]);
    assert!(keys(&after_power_cut(&disk)).is_empty());
    db.sync().unwrap();
    assert_eq!(keys(&after_power_cut(&disk)), ["doubtful"]);
}

/// A disk on which another process opens what was just created, and fails in its first commit.
#[derive(Debug)]
struct Interloper(CrashDisk);

impl Disk for Interloper {
    fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<Arc<dyn File>> {
        self.0.open(path, options)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename_new(from, to)?;
        let db = open(&self.0);
        self.0
            .arm(Fault::once(Call::SyncData, 2, Action::Fail(EIO)));
        assert_eq!(put(&db, "doubtful").unwrap_err().kind(), ErrorKind::InDoubt);
        self.0.disarm();
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.0.create_directory(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        self.0.list(directory)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.0.sync_directory(directory)
    }
}

#[test]
fn a_copy_that_fails_at_any_change_leaves_what_was_there() {
    for (errno, nth) in (1..).flat_map(|nth| [(EIO, nth), (ENOSPC, nth)]) {
        let Stage { disk, db } = Stage::new();
        let snapshot = db.snapshot().unwrap();
        snapshot.copy_file("/copy.db").unwrap();
        put(&db, "newer").unwrap();
        disk.arm(Fault::once(Call::AnyChange, nth, Action::Fail(errno)));
        let copied = db.snapshot().unwrap().copy_file("/copy.db");
        let struck = disk.struck() > 0;
        disk.disarm();
        // Only the sync of the directory fails after the copy has its name.
        let shown = copy_on(&disk);
        assert!(shown == ["acked"] || (shown == ["acked", "newer"] && names(&disk).len() == 2));
        assert_eq!(copied.is_err(), struck);
        if !struck {
            assert_eq!(shown, ["acked", "newer"]);
            assert_eq!(copy_on(&disk.after_crash(Survivors::Synced)), shown);
            return;
        }
    }
}

fn copy_on(disk: &CrashDisk) -> Vec<String> {
    let copy = options(disk).read_only(true).open("/copy.db").unwrap();
    keys(&copy)
}
