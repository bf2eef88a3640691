//! What the crash disk keeps, loses and refuses.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crash_kit::{Action, Call, CrashDisk, Fault, Survivors};
use disk::{
    Claim, Create, Disk, File, LockKind, MapOptions, OpenOptions, View, read_up_to_at, write_all_at,
};

fn make(disk: &CrashDisk, path: &str) -> Arc<dyn File> {
    disk.open(Path::new(path), &OpenOptions::NEW).unwrap()
}

fn after_power_cut(disk: &CrashDisk, path: &str) -> io::Result<Vec<u8>> {
    let left = disk.after_crash(Survivors::Synced);
    let file = left.open(Path::new(path), &OpenOptions::READ)?;
    let mut bytes = vec![0; file.len()? as usize];
    read_up_to_at(&*file, &mut bytes, 0)?;
    Ok(bytes)
}

fn map(file: &Arc<dyn File>, len: u64) -> Arc<dyn View> {
    let options = MapOptions {
        len,
        ..MapOptions::default()
    };
    #[allow(unsafe_code)]
    // SAFETY: the file is memory, and a broken promise is what these tests are about.
    unsafe { file.map(&options) }.unwrap()
}

#[test]
fn a_name_is_durable_only_after_its_directorys_sync() {
    let disk = CrashDisk::new();
    let file = make(&disk, "a");
    write_all_at(&*file, b"bytes", 0).unwrap();
    file.sync_all().unwrap();
    assert!(after_power_cut(&disk, "a").is_err());
    disk.sync_directory(Path::new("")).unwrap();
    assert_eq!(after_power_cut(&disk, "a").unwrap(), b"bytes");
}

#[test]
fn a_data_sync_keeps_the_length_its_bytes_need_and_no_more() {
    let disk = CrashDisk::new();
    let file = make(&disk, "/a");
    disk.sync_directory(Path::new("/")).unwrap();
    file.set_len(10).unwrap();
    write_all_at(&*file, b"xy", 2).unwrap();
    file.sync_data().unwrap();
    assert_eq!(after_power_cut(&disk, "a").unwrap(), b"\0\0xy");
    file.sync_all().unwrap();
    assert_eq!(after_power_cut(&disk, "a").unwrap(), b"\0\0xy\0\0\0\0\0\0");
    file.set_len(3).unwrap();
    assert_eq!(after_power_cut(&disk, "a").unwrap().len(), 10);
    file.sync_data().unwrap();
    assert_eq!(after_power_cut(&disk, "a").unwrap(), b"\0\0x");
}

#[test]
fn a_killed_process_loses_nothing() {
    let disk = CrashDisk::new();
    write_all_at(&*make(&disk, "a"), b"bytes", 0).unwrap();
    let left = disk.after_crash(Survivors::Everything);
    assert_eq!(left.list(Path::new("")).unwrap(), ["a"]);
}

#[test]
fn a_failed_sync_is_not_mended_by_the_next() {
    let disk = CrashDisk::new();
    let file = make(&disk, "a");
    disk.sync_directory(Path::new("")).unwrap();
    disk.arm(Fault::once(Call::SyncAll, 1, Action::Fail(5)));
    write_all_at(&*file, b"first", 0).unwrap();
    assert_eq!(file.sync_all().unwrap_err().raw_os_error(), Some(5));
    file.sync_all().unwrap();
    assert_eq!(file.len().unwrap(), 5, "the cache still shows it");
    assert_eq!(after_power_cut(&disk, "a").unwrap(), b"");
    write_all_at(&*file, b"again", 0).unwrap();
    file.sync_all().unwrap();
    assert_eq!(after_power_cut(&disk, "a").unwrap(), b"again");
}

#[test]
fn a_failed_sync_that_reverts_shows_the_durable_bytes_again() {
    let disk = CrashDisk::new();
    let file = make(&disk, "a");
    write_all_at(&*file, b"old", 0).unwrap();
    file.sync_all().unwrap();
    write_all_at(&*file, b"newer", 0).unwrap();
    disk.arm(Fault::once(Call::AnySync, 1, Action::FailAndRevert(5)));
    assert!(file.sync_data().is_err());
    let mut bytes = [0; 8];
    assert_eq!(read_up_to_at(&*file, &mut bytes, 0).unwrap(), 3);
    assert_eq!(&bytes[..3], b"old");
}

#[test]
fn calls_fail_when_told_and_writes_fall_short() {
    let disk = CrashDisk::new();
    let file = make(&disk, "a");
    disk.arm(Fault::once(Call::Write, 2, Action::Short(3)));
    disk.arm(Fault::from(Call::SetLen, 1, Action::Fail(28)));
    assert_eq!(file.write_at(b"12345", 0).unwrap(), 5);
    assert_eq!(file.write_at(b"abcde", 0).unwrap(), 3);
    assert_eq!(file.write_at(b"x", 5).unwrap(), 1);
    for _ in 0..2 {
        assert_eq!(file.set_len(9).unwrap_err().raw_os_error(), Some(28));
    }
    assert_eq!(disk.struck(), 3);
    disk.disarm();
    file.set_len(9).unwrap();
    assert_eq!(file.len().unwrap(), 9);
}

#[test]
fn a_write_to_lent_bytes_is_a_violation_if_it_changes_them() {
    let disk = CrashDisk::new();
    let file = make(&disk, "a");
    write_all_at(&*file, &[1; 4096], 0).unwrap();
    let view = map(&file, 4096);
    assert!(!view.follows_writes());
    assert_eq!(view.bytes(1024, 16).unwrap(), [1; 16]);
    assert_eq!(view.bytes(1024, 1024).unwrap(), [1; 1024]);
    write_all_at(&*file, &[2; 1024], 0).unwrap();
    write_all_at(&*file, &[1; 1024], 1024).unwrap();
    assert!(disk.violations().is_empty(), "{:?}", disk.violations());
    assert_eq!(
        view.bytes(512, 4).unwrap(),
        [2; 4],
        "read at the first asking"
    );
    write_all_at(&*file, &[2; 10], 2040).unwrap();
    assert_eq!(disk.violations().len(), 1);
    assert_eq!(
        view.bytes(1024, 1024).unwrap(),
        [1; 1024],
        "what is lent stays"
    );
    drop(view);
    write_all_at(&*file, &[3; 4096], 0).unwrap();
    assert_eq!(disk.violations().len(), 1, "no view lives");
}

#[test]
fn a_view_asked_past_the_files_end_is_a_violation() {
    let disk = CrashDisk::new();
    let file = make(&disk, "a");
    file.set_len(1000).unwrap();
    let view = map(&file, 1 << 30);
    assert!(view.bytes(0, 1000).is_ok());
    assert!(view.bytes(512, 512).is_err());
    assert_eq!(disk.violations().len(), 1);
    file.set_len(500).unwrap();
    assert_eq!(disk.violations().len(), 2, "cut below what is lent");
}

#[test]
fn locks_exclude_other_handles_until_they_are_dropped() {
    let disk = CrashDisk::new();
    let first = make(&disk, "a");
    let open = || disk.open(Path::new("a"), &OpenOptions::READ).unwrap();
    assert!(first.try_lock(LockKind::Exclusive).unwrap());
    let second = open();
    assert!(!second.try_lock(LockKind::Shared).unwrap());
    assert!(first.try_lock(LockKind::Shared).unwrap());
    assert!(second.try_lock(LockKind::Shared).unwrap());
    assert!(!first.try_lock(LockKind::Exclusive).unwrap());
    drop(second);
    assert!(first.try_lock(LockKind::Exclusive).unwrap());
}

#[test]
fn disks_do_not_share_identities() {
    let claims: Vec<_> = (0..3)
        .map(|_| Claim::take(make(&CrashDisk::new(), "a").identity().unwrap()))
        .collect();
    assert!(claims.iter().all(Option::is_some));
}

#[test]
fn names_follow_the_rules_of_a_file_system() {
    let disk = CrashDisk::new();
    let path = Path::new;
    let kind = |result: io::Result<()>| result.unwrap_err().kind();
    disk.create_directory(path("d")).unwrap();
    make(&disk, "d/a");
    make(&disk, "d/b");
    assert_eq!(
        kind(disk.rename_new(path("d/a"), path("d/b"))),
        io::ErrorKind::AlreadyExists
    );
    disk.rename(path("d/a"), path("d/b")).unwrap();
    disk.rename_new(path("d/b"), path("c")).unwrap();
    assert_eq!(disk.list(path("")).unwrap(), ["c", "d"]);
    assert!(disk.list(path("d")).unwrap().is_empty());
    assert_eq!(kind(disk.remove(path("d"))), io::ErrorKind::IsADirectory);
    assert_eq!(kind(disk.remove(path("d/a"))), io::ErrorKind::NotFound);
    assert_eq!(
        kind(disk.create_directory(path("x/y"))),
        io::ErrorKind::NotFound
    );
    assert_eq!(
        kind(disk.open(path("../c"), &OpenOptions::READ).map(drop)),
        io::ErrorKind::InvalidInput
    );
    let read_only = disk.open(path("c"), &OpenOptions::READ).unwrap();
    assert!(read_only.write_at(b"x", 0).is_err());
    let missing = OpenOptions {
        create: Create::IfMissing,
        ..OpenOptions::READ_WRITE
    };
    assert!(
        disk.open(path("d/new"), &missing)
            .unwrap()
            .is_empty()
            .unwrap()
    );
}
