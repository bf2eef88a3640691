//! Laws about copying a store while it is in use.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use kv_api::capability::{Backup, Check};
use kv_api::{Durability, ErrorKind, Space, Store, Transaction};

use crate::BackupFixture;
use crate::capability_check::assert_sound;
use crate::scaffold::{
    assert_kind, commit_one, commit_pairs, contents, newest, numbered, opened, put_pairs, value_of,
    without_blocking,
};

fn backup_of(store: &impl Backup) -> Vec<u8> {
    let mut bytes = Vec::new();
    let written = store.backup(&mut bytes).unwrap();
    assert_eq!(written, bytes.len() as u64, "the number of bytes is told");
    bytes
}

fn fill(store: &impl Store) {
    commit_pairs(store, &numbered(2_000));
    store
        .update(|tx| {
            for name in [&b"a"[..], b"b"] {
                let space = tx.create_space(name)?;
                put_pairs(tx, space, &numbered(300))?;
                tx.put(space, b"large", &vec![3; 200_000])?;
            }
            tx.create_space(b"empty")?;
            tx.delete_range(Space::DEFAULT, "key 000300".."key 001500")
        })
        .unwrap();
}

/// A backup opened as a store holds what the store held, passes its check and takes writes.
pub fn a_backup_holds_the_newest_version<F: BackupFixture>()
where
    F::Store: Backup + Check,
{
    let (fixture, store) = opened::<F>();
    fill(&store);
    let bytes = backup_of(&store);
    let copy = fixture.open_backup(&bytes).unwrap();
    assert!(contents(&copy.snapshot().unwrap()) == contents(&store.snapshot().unwrap()));
    assert_sound(&copy);
    commit_one(&copy, b"only in the copy", b"");
    assert_eq!(newest(&store, b"only in the copy"), None);
    assert_sound(&copy);
}

/// An empty store has a backup too.
pub fn an_empty_store_has_a_backup<F: BackupFixture>()
where
    F::Store: Backup + Check,
{
    let (fixture, store) = opened::<F>();
    let copy = fixture.open_backup(&backup_of(&store)).unwrap();
    assert!(contents(&copy.snapshot().unwrap()) == contents(&store.snapshot().unwrap()));
    assert_sound(&copy);
}

/// A backup beside an open transaction comes at once and holds nothing of it; commits of every
/// durability before it are in it.
pub fn a_backup_holds_commits_and_nothing_open<F: BackupFixture>()
where
    F::Store: Backup + Check,
{
    without_blocking(|| {
        let (fixture, store) = opened::<F>();
        for (key, durability) in [
            (b"a", Durability::Sync),
            (b"b", Durability::Buffered),
            (b"c", Durability::Deferred),
        ] {
            let mut tx = store.begin().unwrap();
            tx.put(Space::DEFAULT, key, b"committed").unwrap();
            tx.commit(durability).unwrap();
        }
        let before = contents(&store.snapshot().unwrap());
        let mut tx = store.begin().unwrap();
        tx.put(Space::DEFAULT, b"a", b"open").unwrap();
        let bytes = backup_of(&store);
        tx.commit(Durability::Sync).unwrap();
        let copy = fixture.open_backup(&bytes).unwrap();
        assert!(contents(&copy.snapshot().unwrap()) == before);
    });
}

/// Hands each write on, after a commit to the store being backed up.
struct CommitsMeanwhile<'a, S: Store> {
    store: &'a S,
    bytes: Vec<u8>,
}

impl<S: Store> Write for CommitsMeanwhile<'_, S> {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        let key = format!("meanwhile {}", self.bytes.len());
        commit_one(self.store, key.as_bytes(), &[9; 2_000]);
        self.store
            .update(|tx| tx.delete_range(Space::DEFAULT, .."key 001800"))?;
        // In small parts, so that there are many.
        let part = &part[..part.len().min(20_000)];
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A backup holds the version that was newest when it was called, though commits come between
/// its writes.
pub fn a_backup_is_of_the_version_when_it_was_called<F: BackupFixture>()
where
    F::Store: Backup + Check,
{
    without_blocking(|| {
        let (fixture, store) = opened::<F>();
        fill(&store);
        let before = contents(&store.snapshot().unwrap());
        let mut sink = CommitsMeanwhile {
            store: &store,
            bytes: Vec::new(),
        };
        let written = store.backup(&mut sink).unwrap();
        assert_eq!(written, sink.bytes.len() as u64);
        let copy = fixture.open_backup(&sink.bytes).unwrap();
        assert!(contents(&copy.snapshot().unwrap()) == before);
        assert_sound(&copy);
    });
}

/// Backups taken while another thread commits each hold whole commits.
pub fn a_backup_never_holds_part_of_a_commit<F: BackupFixture>()
where
    F::Store: Backup + Check,
{
    let (fixture, store) = opened::<F>();
    let finished = AtomicBool::new(false);
    let mut backups = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0_u32.. {
                if finished.load(Ordering::Acquire) {
                    break;
                }
                let value = round.to_string().into_bytes();
                let mut tx = store.begin().unwrap();
                tx.put(Space::DEFAULT, b"a", &value).unwrap();
                tx.put(Space::DEFAULT, b"z", &value).unwrap();
                tx.commit(Durability::Buffered).unwrap();
            }
        });
        backups.extend((0..10).map(|_| backup_of(&store)));
        finished.store(true, Ordering::Release);
    });
    for bytes in backups {
        let copy = fixture.open_backup(&bytes).unwrap();
        let snapshot = copy.snapshot().unwrap();
        assert_eq!(value_of(&snapshot, b"a"), value_of(&snapshot, b"z"));
    }
}

/// Takes some bytes, then fails.
struct Fails {
    bytes_left: usize,
}

impl Write for Fails {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if self.bytes_left == 0 {
            return Err(io::Error::other("the other side went away"));
        }
        let taken = part.len().min(self.bytes_left);
        self.bytes_left -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A backup whose target fails answers the failure, and the store lives on.
pub fn a_failed_backup_leaves_the_store_alone<F: BackupFixture>()
where
    F::Store: Backup + Check,
{
    let (_fixture, store) = opened::<F>();
    fill(&store);
    for bytes_left in [0, 1, 5_000] {
        let failed = store.backup(&mut Fails { bytes_left });
        assert_kind(failed, ErrorKind::Io, "a target that fails");
    }
    commit_one(&store, b"after", b"");
    assert_eq!(newest(&store, b"after"), Some(vec![]));
    assert_sound(&store);
}
