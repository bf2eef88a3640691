//! Three transactions on a file that may be damaged: each is refused with a typed error, or
//! leaves a file that opens, reads and takes another.

use std::sync::Arc;

use disk::Disk;
use txn::{CompactOptions, Db, Error, ErrorKind, FreelistStorage, Options, Result, Transaction};

use super::choices::Choices;
use super::memory::MemoryDisk;
use super::seeds::PATH;

/// Writes to the file and looks at what came of it. `sound` says that it was sound before, and
/// then it must be so after.
///
/// # Panics
///
/// On damage to a sound file, and on a commit that answers `Ok` and leaves a file that does not
/// open for writing.
pub fn write_three_times(disk: &Arc<dyn Disk>, sound: bool, choices: &mut Choices<'_>) {
    let freelist = [
        FreelistStorage::Always,
        FreelistStorage::Deferred,
        FreelistStorage::WhileSmall,
        FreelistStorage::Never,
    ];
    let freelist = choices.pick(&freelist);
    let options = || {
        let strict = sound;
        let options = Options::new()
            .no_sync(true)
            .strict(strict)
            .freelist(freelist);
        options.disk(Arc::clone(disk)).growth_step_bytes(64 << 10)
    };
    let Ok(db) = options().open(PATH) else {
        return;
    };
    if db.info().unwrap().txid > u64::MAX - 16 {
        // The numbers end on the way, which is right and has a test of its own.
        return drop(db.update(put_here_and_there));
    }
    let steps: [fn(&mut Transaction) -> Result<()>; 3] = [put_here_and_there, take_out, rearrange];
    let mut committed = 0;
    for step in steps {
        match db.update(step) {
            Ok(()) => committed += 1,
            Err(error) => refused(sound, &error),
        }
    }
    let compacted = compact(&db);
    if let Err(error) = compacted {
        refused(sound, &error);
    }
    if let Err(error) = db.close() {
        refused(sound, &error);
    }
    drop(db);
    let again = options().open(PATH).unwrap();
    match again.begin() {
        Ok(transaction) => drop(transaction),
        Err(error) => {
            refused(sound, &error);
            let stored = freelist == FreelistStorage::Always && committed > 0;
            assert!(!stored, "committed what cannot be written on: {error}");
        }
    }
    if sound {
        let mut findings = Vec::new();
        let snapshot = again.snapshot().unwrap();
        txn::check(&snapshot, &mut |finding| findings.push(finding)).unwrap();
        assert_eq!(findings, [], "a sound file was damaged");
    }
}

fn refused(sound: bool, error: &Error) {
    use ErrorKind::{Corrupt, Exists, Incompatible, Invalid, NotFound, Poisoned, TooLarge};
    // The last few are what damage looks like to a caller who puts back what was read: a name
    // that stands twice, an empty or an endless key.
    let kinds = [
        Corrupt,
        Poisoned,
        Incompatible,
        NotFound,
        Exists,
        Invalid,
        TooLarge,
    ];
    assert!(kinds.contains(&error.kind()), "{error:?}");
    assert!(
        !sound || error.kind() == Incompatible,
        "a sound file: {error:?}"
    );
}

/// The names of the first top-level buckets and keys of the first of them.
fn names(transaction: &mut Transaction) -> Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    let mut root = transaction.root();
    let mut cursor = root.cursor_mut();
    let mut entry = cursor.first()?;
    for _ in 0..200 {
        let Some((key, value)) = entry else { break };
        if value.is_none() {
            names.push(key.to_vec());
        }
        entry = cursor.next()?;
    }
    Ok(names)
}

fn put_here_and_there(tx: &mut Transaction) -> Result<()> {
    let names = names(tx)?;
    let mut fresh = tx.create_bucket_if_missing("zz-new")?;
    for key in 0..10_u8 {
        fresh.put([b'n', key], vec![key; 100 * usize::from(key)])?;
    }
    fresh.create_bucket_if_missing("inside")?.next_sequence()?;
    for name in names.iter().take(4) {
        let mut bucket = tx.create_bucket_if_missing(name)?;
        bucket.next_sequence()?;
        for key in [b"a".to_vec(), b"k\x05".to_vec(), vec![b'z'; 60]] {
            bucket.put(&key, "written")?;
            assert_eq!(bucket.get(&key)?, Some(&b"written"[..]), "just put");
        }
    }
    tx.root().put("zz-pair", "top")
}

fn take_out(tx: &mut Transaction) -> Result<()> {
    for name in names(tx)?.iter().take(4) {
        let mut bucket = tx.create_bucket_if_missing(name)?;
        let mut cursor = bucket.cursor_mut();
        let mut entry = cursor.first()?.map(|(_, value)| value.is_some());
        let mut steps = 0;
        while let Some(is_pair) = entry {
            if is_pair && steps % 3 == 0 {
                cursor.delete()?;
            }
            steps += 1;
            assert!(steps < 10_000, "a cursor that never ends");
            entry = cursor.next()?.map(|(_, value)| value.is_some());
        }
        let mut last = cursor.last()?.map(|(key, _)| key.to_vec());
        for _ in 0..20 {
            let before = cursor.prev()?.map(|(key, _)| key.to_vec());
            assert!(before.is_none() || before < last, "backwards is not down");
            last = before;
        }
        bucket.delete_range(vec![b'k', 3]..vec![b'k', 9])?;
    }
    Ok(())
}

fn rearrange(tx: &mut Transaction) -> Result<()> {
    let names = names(tx)?;
    let target = tx.create_bucket_if_missing("zz-new")?.id();
    if let Some(first) = names.first() {
        tx.delete_bucket(first)?;
    }
    let top = tx.root().id();
    for name in names
        .iter()
        .skip(1)
        .take(2)
        .filter(|name| *name != b"zz-new")
    {
        tx.move_bucket(name, top, target)?;
        tx.at(target).bucket(name)?.put("moved", "here")?;
    }
    tx.root().delete_range("m"..)?;
    Ok(())
}

/// Copies what can be read to a new file.
fn compact(db: &Db) -> Result<()> {
    let options = Options::new().no_sync(true).page_bytes(1024);
    let to = options
        .disk(MemoryDisk::default().as_dyn())
        .open(PATH)
        .unwrap();
    let snapshot = db.snapshot()?;
    txn::compact(&snapshot, &to, CompactOptions::default(), &mut |_| {})
}
