//! Hostile flat stores: whatever the files hold, the answer is contents or a typed error.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use disk::{Create, Disk, OpenOptions, write_all_at};
use flatlog::{Db, Options, Result};
use kv_api::capability::Check;
use kv_api::{Reader, Space, Transaction};

use crate::flat_damage::damage;
use crate::hostile::choices::Choices;
use crate::hostile::memory::MemoryDisk;

/// Files by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The hostile store that `input` stands for, read and written in every way, and the hostile
/// stream, restored. The first byte chooses a sound store, the second one of its files.
///
/// # Panics
///
/// If the engine breaks its promise.
pub fn hostile_flat(input: &[u8]) {
    let mut choices = Choices::new(input);
    let (files, stream) = &seeds()[choices.below(seeds().len())];
    let names: Vec<&String> = files.keys().filter(|name| *name != "lock").collect();
    let chosen = choices.below(names.len() + 1);
    if let Some(name) = names.get(chosen) {
        let mut files = files.clone();
        if let Some(file) = files.get_mut(*name) {
            let meta = &seeds()[0].0["meta.state"];
            damage(name, file, meta, &mut choices);
        }
        attack(&files);
    } else {
        let mut stream = stream.clone();
        damage("stream", &mut stream, &[], &mut choices);
        restore(&stream);
    }
}

/// Sound stores, closed and not, with and without a checkpoint, each with its stream.
pub fn seeds() -> &'static [(Files, Vec<u8>)] {
    static SEEDS: OnceLock<Vec<(Files, Vec<u8>)>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let kinds = [(true, false), (true, true), (false, false), (false, true)];
        kinds
            .map(|(closed, checkpoint)| seed(closed, checkpoint).expect("a sound store"))
            .into()
    })
}

fn options(disk: Arc<dyn Disk>) -> Options {
    let options = Options::new()
        .disk(disk)
        .store_id([7; 16])
        .background(false);
    // The index over values reads what the others leave alone.
    options
        .segment_bytes(1 << 10)
        .prewrite_bytes(256)
        .value_index(true)
}

fn seed(closed: bool, checkpoint: bool) -> Result<(Files, Vec<u8>)> {
    let disk = MemoryDisk::default();
    let db = options(disk.as_dyn()).read_without_mapping(true).open("")?;
    for number in 0..12_u8 {
        if checkpoint && number == 8 {
            db.checkpoint()?;
        }
        let mut change = db.begin_at(u64::from(number) * 3 + 1)?;
        let space = change.create_space(&[b's', number % 2])?;
        change.put_in(space, [number], "a few words")?;
        change.put([b'k', number], vec![number; 20 * usize::from(number)])?;
        change.delete([b'k', number.wrapping_sub(3)])?;
        change.commit()?;
    }
    let mut stream = Vec::new();
    db.snapshot()?.write_to(&mut stream, |_| true)?;
    if closed {
        db.close()?;
    }
    let names = Disk::list(&disk, "".as_ref()).expect("a list");
    let names = names.into_iter().filter_map(|name| name.into_string().ok());
    let files = names.map(|name| (name.clone(), disk.contents(&name)));
    Ok((files.collect(), stream))
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

fn attack(files: &Files) {
    for without_mapping in [true, false] {
        let options = options(disk_of(files)).read_only(true);
        if let Ok(db) = options.read_without_mapping(without_mapping).open("") {
            // Errors are answers.
            let _ = read(&db);
        }
    }
    let _ = write(disk_of(files));
}

/// Looks at everything.
fn read(db: &Db) -> Result<()> {
    let _ = db.check(&mut |_| {})?;
    let snapshot = db.snapshot()?;
    let mut spaces = vec![Space::DEFAULT];
    for name in snapshot.space_names()? {
        spaces.extend(snapshot.space(&name)?);
    }
    for space in spaces {
        // An error is sticky, not the end of the world.
        for pair in Reader::range(&snapshot, space, ..)?.rev().take(100) {
            if pair.is_err() {
                break;
            }
        }
    }
    let found = snapshot.query("value like '*word*' or CommitIndex > 7 order by CommitIndex desc");
    for row in found? {
        let _ = row?.value();
    }
    snapshot.write_to(&mut std::io::sink(), |_| true).map(drop)
}

/// Opens for writing, which recovers, and changes what is there in every way.
fn write(disk: Arc<dyn Disk>) -> Result<()> {
    let again = || {
        options(Arc::clone(&disk))
            .read_without_mapping(true)
            .open("")
    };
    let db = again()?;
    let mut change = db.begin()?;
    change.put("new", "value")?;
    change.delete_range("k".."l")?;
    let index = change.commit()?;
    db.checkpoint()?;
    let compacted = db.compact();
    assert_eq!(db.snapshot()?.commit_index_of("new"), Some(index));
    db.close()?;
    drop(db);
    let db = again()?;
    compacted?;
    assert_eq!(db.snapshot()?.get("new")?.as_deref(), Some(&b"value"[..]));
    read(&db)
}

/// A stream that is taken makes a sound store; one that is not leaves the old one.
fn restore(stream: &[u8]) {
    let work = || -> Result<()> {
        let disk = MemoryDisk::default().as_dyn();
        let db = options(disk).read_without_mapping(true).open("")?;
        db.update(|tx| tx.put("old", "value"))?;
        let restored = db.restore(&mut &*stream, |_| true);
        if restored.is_err() {
            let old = db.snapshot()?.get("old")?.is_some();
            assert!(old && db.snapshot()?.len() == 1, "the old store is whole");
        }
        let mut findings = Vec::new();
        db.check(&mut |finding| findings.push(finding))?;
        assert_eq!(findings, []);
        read(&db)
    };
    work().expect("a store that only this engine wrote");
}
