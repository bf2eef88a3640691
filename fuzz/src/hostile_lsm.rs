//! Hostile lsm stores: whatever the files hold, the answer is contents or a typed error.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use disk::{Create, Disk, OpenOptions, write_all_at};
use kv_api::capability::{Backup, Check};
use kv_api::{Cursor, Durability, Error, Reader, Result, Space, Transaction};
use lsm_valuelog::{Compression, Db, Options};

use crate::hostile::choices::Choices;
use crate::hostile::memory::MemoryDisk;
use crate::lsm_damage::damage;

/// Files by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The hostile store that `input` stands for, read and written in every way. The first byte
/// chooses a sound store, the second one of its files.
///
/// # Panics
///
/// If the engine breaks its promise.
pub fn hostile_lsm(input: &[u8]) {
    let mut choices = Choices::new(input);
    let kind = choices.below(seeds().len());
    let mut files = seeds()[kind].clone();
    let names: Vec<String> = files
        .keys()
        .filter(|name| *name != "LOCK")
        .cloned()
        .collect();
    for _ in 0..=choices.below(2) {
        let name = &names[choices.below(names.len())];
        if let Some(file) = files.get_mut(name) {
            damage(name, file, &mut choices);
        }
    }
    attack(kind, &files);
}

/// How the store of a kind is opened.
fn options(kind: usize, disk: Arc<dyn Disk>) -> Options {
    let drawn = AtomicU64::new(0);
    let entropy = move |bytes: &mut [u8]| {
        for byte in bytes {
            let mixed = drawn.fetch_add(1, Ordering::Relaxed) + 1;
            *byte = (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8;
        }
        Ok(())
    };
    let options = Options::new()
        .disk(disk)
        .background(false)
        .clock(Arc::new(|| 1_000))
        .entropy(Arc::new(entropy))
        .memtable_bytes(8 << 10)
        .value_threshold_bytes(100)
        .value_file_bytes(8 << 10)
        .table_bytes(4 << 10)
        .base_level_bytes(8 << 10)
        .level_zero_tables(2, 4, 8)
        .block_bytes(256)
        .block_cache_bytes(64 << 10);
    match kind {
        2 => options.compression(Compression::Lz4),
        3 => options.compression(Compression::Snappy),
        4 => options.compression(Compression::Zstd(1)),
        5 => options.encryption_key(&[7; 16]),
        _ => options,
    }
}

/// Sound stores: closed and not, packed in every way, and an encrypted one.
pub fn seeds() -> &'static [Files] {
    static SEEDS: OnceLock<Vec<Files>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        (0..6)
            .map(|kind| seed(kind).expect("a sound store"))
            .collect()
    })
}

fn seed(kind: usize) -> Result<Files> {
    let disk = MemoryDisk::default();
    let db = options(kind, disk.as_dyn())
        .read_without_mapping(true)
        .open("")?;
    for number in 0..14_u8 {
        let mut tx = db.begin()?;
        let space = tx.create_space(&[b's', number % 2])?;
        tx.put(space, &[number], b"a few words")?;
        tx.put(
            Space::DEFAULT,
            &[b'k', number % 8],
            &vec![number; 20 * usize::from(number)],
        )?;
        tx.delete(Space::DEFAULT, &[b'k', number.wrapping_sub(3) % 8])?;
        tx.commit(Durability::Sync)?;
        if number % 5 == 2 {
            db.flush()?;
        }
    }
    // Values are moved, so that there is a file that says where to.
    db.collect()?;
    db.update_one(b"last", &[9; 150])?;
    if kind != 1 {
        db.close()?;
    }
    let names = Disk::list(&disk, "".as_ref()).expect("a list");
    let names = names.into_iter().filter_map(|name| name.into_string().ok());
    let files = names.map(|name| (name.clone(), disk.contents(&name)));
    Ok(files.collect())
}

/// One change in a transaction of its own.
trait UpdateOne {
    fn update_one(&self, key: &[u8], value: &[u8]) -> Result<()>;
}

impl UpdateOne for Db {
    fn update_one(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let mut tx = self.begin()?;
        tx.put(Space::DEFAULT, key, value)?;
        tx.commit(Durability::Sync)
    }
}

fn disk_of(files: &Files) -> Arc<dyn Disk> {
    let disk = MemoryDisk::default();
    let how = OpenOptions {
        create: Create::IfMissing,
        ..OpenOptions::READ_WRITE
    };
    for (name, bytes) in files {
        let file = disk.open(name.as_ref(), &how).expect("a file in memory");
        write_all_at(&*file, bytes, 0).expect("memory to write to");
    }
    disk.as_dyn()
}

/// Reads the store with and without mapping, and then writes to it.
pub fn attack(kind: usize, files: &Files) {
    for without_mapping in [true, false] {
        let options = options(kind, disk_of(files)).read_only(true);
        if let Ok(db) = options.read_without_mapping(without_mapping).open("") {
            // Errors are answers.
            let _ = read(&db);
        }
    }
    let _ = write(kind, disk_of(files));
}

/// Looks at everything.
fn read(db: &Db) -> Result<()> {
    let _ = db.check(&mut |_| {});
    let _ = (db.levels(), db.tables(), db.value_files(), db.metrics());
    let _ = db.estimate_bytes(..);
    let _ = db.backup(&mut std::io::sink());
    let snapshot = db.snapshot()?;
    let mut spaces = vec![Space::DEFAULT];
    for name in snapshot.space_names()? {
        spaces.extend(snapshot.space(&name)?);
    }
    for space in spaces {
        // An error is sticky, not the end of the world.
        let mut cursor = snapshot.cursor(space)?;
        let mut moved = cursor.first();
        for _ in 0..100 {
            let Ok(Some((key, _))) = moved else { break };
            let _ = snapshot.get(space, &key);
            moved = cursor.next();
        }
        let mut moved = cursor.last();
        for _ in 0..100 {
            let Ok(Some(_)) = moved else { break };
            moved = cursor.prev();
        }
        let _ = cursor.seek(b"k\x04");
        for key in [&b"k\x01"[..], b"last", b"none"] {
            let _ = snapshot.get(space, key);
        }
    }
    Ok(())
}

/// Opens for writing, which recovers, and changes what is there in every way.
fn write(kind: usize, disk: Arc<dyn Disk>) -> Result<()> {
    let again = || {
        let options = options(kind, Arc::clone(&disk));
        options.read_without_mapping(true).open("")
    };
    let db = again()?;
    db.update_one(b"new", &[5; 150])?;
    let mut tx = db.begin()?;
    let deleted = tx.delete_range(Space::DEFAULT, b"k".to_vec()..b"l".to_vec());
    let committed = deleted.and_then(|()| tx.commit(Durability::Buffered));
    let tidied = db.flatten().and_then(|()| db.collect());
    let closed = db.close();
    drop(db);
    let db = match again() {
        Err(Error::Corrupt { .. }) if closed.is_err() || tidied.is_err() => return Ok(()),
        other => other?,
    };
    // What lies so well that every sum holds may hide what comes after it, but not from a check.
    let is_sound = db.check(&mut |_| {})?.findings == 0;
    let snapshot = db.snapshot()?;
    let found = snapshot.get(Space::DEFAULT, b"new")?;
    let is_there = found.as_deref() == Some(&[5; 150][..]);
    assert!(is_there || !is_sound, "{committed:?} {tidied:?} {closed:?}");
    read(&db)
}
