//! Copies: backups while writers go on, and compaction.

use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::atomic::{AtomicBool, Ordering};

use txn::{BackupOptions, CompactOptions, Db, ErrorKind, Options};

use crate::support::{Random, Scratch, assert_clean, assert_kind, contents, fill, newest, quick};

fn planted(scratch: &Scratch) -> Db {
    let db = scratch.open();
    db.update(|tx| {
        let mut outer = tx.create_bucket("outer")?;
        fill(&mut outer, 0..3000, 100);
        outer.set_sequence(11)?;
        let mut inner = outer.create_bucket("inner")?;
        fill(&mut inner, 0..500, 300);
        inner.set_sequence(12)?;
        inner.create_bucket("inline")?.set_sequence(u64::MAX)?;
        inner.create_bucket("inline too")?.put("key", "value")?;
        outer.put("run", vec![3; 70_000])?;
        tx.create_bucket("empty")?;
        tx.root().put("plain", "pair")
    })
    .unwrap();
    db.update(|tx| tx.bucket("outer")?.delete_range("000100".."000200"))
        .unwrap();
    db
}

#[test]
fn a_copy_has_exactly_the_told_size_and_is_the_same_database() {
    let scratch = Scratch::new();
    let db = planted(&scratch);
    // Odd and even numbers: the copy's newest meta stands on page 0 either way.
    for round in 0..3 {
        let snapshot = db.snapshot().unwrap();
        let mut bytes = Vec::new();
        assert_eq!(
            snapshot.write_to(&mut bytes).unwrap(),
            snapshot.size_bytes()
        );
        assert_eq!(bytes.len() as u64, snapshot.size_bytes());
        let path = scratch.beside("copy.db");
        std::fs::write(&path, &bytes).unwrap();
        // As bbolt writes them: page 0 is the version copied, page 1 counts one less.
        let records = [0, 4096].map(|at| pager::Meta::decode(&bytes[at + 16..]).unwrap());
        let txids = records.map(|record| record.txid.0);
        assert_eq!(txids, [snapshot.id(), snapshot.id() - 1]);
        let copy = quick().strict(true).open(&path).unwrap();
        assert_clean(&copy);
        assert_eq!(newest(&copy), contents(&snapshot));
        assert_eq!(copy.info().unwrap().txid, snapshot.id());
        for _ in 0..3 {
            copy.update(|tx| tx.bucket("outer")?.put("written on", "the copy"))
                .unwrap();
            assert_clean(&copy);
        }
        db.update(|tx| tx.bucket("empty")?.put(format!("{round}"), ""))
            .unwrap();
    }
}

#[test]
fn a_copy_read_around_the_cache_has_the_same_bytes() {
    let scratch = Scratch::new();
    let db = planted(&scratch);
    let around = BackupOptions { bypass_cache: true };
    for page_bytes in [1024, 4096, 5000] {
        let odd = Scratch::new();
        let db = if page_bytes == 4096 {
            db.clone()
        } else {
            let db = quick().page_bytes(page_bytes).open(&odd.path).unwrap();
            db.update(|tx| tx.create_bucket("b")?.put("key", vec![1; 3_000_000]))
                .unwrap();
            db
        };
        let snapshot = db.snapshot().unwrap();
        let (mut usual, mut direct) = (Vec::new(), Vec::new());
        snapshot.write_to(&mut usual).unwrap();
        snapshot.write_to_with(&mut direct, around).unwrap();
        assert!(usual == direct, "{page_bytes}");
    }
    // Another file under that name is not the database: the open one is read.
    let snapshot = db.snapshot().unwrap();
    std::fs::rename(&scratch.path, scratch.beside("moved.db")).unwrap();
    std::fs::write(&scratch.path, vec![9; 1 << 20]).unwrap();
    let (mut usual, mut direct) = (Vec::new(), Vec::new());
    snapshot.write_to(&mut usual).unwrap();
    snapshot.write_to_with(&mut direct, around).unwrap();
    assert!(usual == direct);
}

/// Fails after so many bytes.
struct Failing(usize);

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::other("the pipe is gone"));
        }
        let taken = bytes.len().min(self.0).min(777);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_writers_error_is_passed_on_wherever_it_comes() {
    let scratch = Scratch::new();
    let db = planted(&scratch);
    let snapshot = db.snapshot().unwrap();
    let size = snapshot.size_bytes() as usize;
    for bytes in [0, 80, 4096, 5000, 8192, 3 * 4096, size - 1] {
        let refused = snapshot.write_to(&mut Failing(bytes));
        assert!(
            assert_kind(refused, ErrorKind::Io).contains("the pipe is gone"),
            "{bytes}"
        );
    }
    assert_eq!(
        snapshot.write_to(&mut Failing(size)).unwrap() as usize,
        size
    );
    drop(snapshot);
    scratch.close_clean(db);
}

#[test]
fn a_copied_file_keeps_the_mode_and_replaces_another_whole() {
    let scratch = Scratch::new();
    let db = planted(&scratch);
    std::fs::set_permissions(&scratch.path, PermissionsExt::from_mode(0o640)).unwrap();
    let path = scratch.beside("copy.db");
    std::fs::write(&path, "something else").unwrap();
    let old = std::fs::File::open(&path).unwrap();
    let snapshot = db.snapshot().unwrap();
    assert_eq!(snapshot.copy_file(&path).unwrap(), snapshot.size_bytes());
    let metadata = std::fs::metadata(&path).unwrap();
    assert_eq!(
        (metadata.len(), metadata.mode() & 0o777),
        (snapshot.size_bytes(), 0o640)
    );
    assert_eq!(
        io::read_to_string(old).unwrap(),
        "something else",
        "another file"
    );
    let copy = Db::open(&path).unwrap();
    assert_eq!(newest(&copy), contents(&snapshot));
    assert_clean(&copy);
    let names = std::fs::read_dir(scratch.directory.path()).unwrap().count();
    assert_eq!(names, 2, "no temporary file stays");
    let missing = scratch.beside("missing/copy.db");
    assert_kind(snapshot.copy_file(missing), ErrorKind::Io);
}

#[test]
fn a_database_that_is_open_is_never_replaced_by_a_copy() {
    let scratch = Scratch::new();
    let db = planted(&scratch);
    let other = quick().open(scratch.beside("other.db")).unwrap();
    let snapshot = db.snapshot().unwrap();
    let link = scratch.beside("link.db");
    std::fs::hard_link(&scratch.path, &link).unwrap();
    for path in [scratch.path.clone(), link, scratch.beside("other.db")] {
        assert_kind(snapshot.copy_file(path), ErrorKind::AlreadyOpen);
    }
    drop(snapshot);
    other.update(|tx| tx.create_bucket("b").map(drop)).unwrap();
    db.update(|tx| tx.create_bucket("b").map(drop)).unwrap();
    other.close().unwrap();
    scratch.close_clean(db);
    let other = quick().open(scratch.beside("other.db")).unwrap();
    assert!(other.snapshot().unwrap().bucket("b").is_ok());
}

#[test]
fn copies_made_while_writers_commit_are_whole() {
    let scratch = Scratch::new();
    let db = planted(&scratch);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random::new(2);
            while !done.load(Ordering::Relaxed) {
                db.update(|tx| {
                    let mut bucket = tx.bucket("outer")?;
                    let start = random.below(3000) as usize;
                    fill(&mut bucket, start..start + 50, random.below(500) as usize);
                    bucket.delete_range(format!("{:06}", random.below(3000))..)
                })
                .unwrap();
            }
        });
        let copiers: Vec<_> = (0..3)
            .map(|index| {
                let (db, scratch) = (&db, &scratch);
                scope.spawn(move || {
                    for _ in 0..10 {
                        let path = scratch.beside(&format!("copy-{index}.db"));
                        let snapshot = db.snapshot().unwrap();
                        snapshot.copy_file(&path).unwrap();
                        let copy = quick().open(&path).unwrap();
                        assert_clean(&copy);
                        assert_eq!(newest(&copy), contents(&snapshot));
                    }
                })
            })
            .collect();
        let joined: Vec<_> = copiers.into_iter().map(|copier| copier.join()).collect();
        done.store(true, Ordering::Relaxed);
        joined.into_iter().for_each(|copier| copier.unwrap());
    });
    scratch.close_clean(db);
}

fn compacted(from: &Db, to: &Scratch, transaction_bytes_max: u64) -> Db {
    let db = quick().open(&to.path).unwrap();
    let options = CompactOptions {
        transaction_bytes_max,
    };
    let mut told = vec![0];
    txn::compact(&from.snapshot().unwrap(), &db, options, &mut |bytes| {
        told.push(bytes)
    })
    .unwrap();
    assert!(told.len() > 1 && told.is_sorted(), "progress goes on");
    db
}

#[test]
fn a_compacted_database_holds_the_same_whatever_the_transactions_size() {
    let scratch = Scratch::new();
    let db = planted(&scratch);
    for bytes_max in [0, 1, 1000, 65_536, 1 << 30] {
        let target = Scratch::new();
        let copy = compacted(&db, &target, bytes_max);
        assert_eq!(newest(&copy), newest(&db), "{bytes_max}");
        let commits = copy.info().unwrap().txid - 1;
        assert_eq!(
            commits == 1,
            bytes_max == 0 || bytes_max == 1 << 30,
            "{bytes_max}: {commits}"
        );
        target.close_clean(copy);
    }
}

#[test]
fn a_compaction_packs_well() {
    let scratch = Scratch::new();
    let db = scratch.open();
    let mut random = Random::new(4);
    db.update(|tx| {
        let mut bucket = tx.create_bucket("b")?;
        (0..100_000).try_for_each(|_| bucket.put(random.bytes(24), [7; 150]))
    })
    .unwrap();
    db.update(|tx| {
        let keys: Vec<Vec<u8>> = tx
            .bucket("b")?
            .range(..)?
            .step_by(2)
            .map(|pair| pair.unwrap().0.to_vec())
            .collect();
        let mut bucket = tx.bucket("b")?;
        keys.iter().try_for_each(|key| bucket.delete(key))
    })
    .unwrap();
    // 43 pairs to two pages, where a single one has room for 21 and nearly another.
    let leaf_pages = 2 * 50_000_u64.div_ceil(43);
    let target = Scratch::new();
    let copy = compacted(&db, &target, 16 << 20);
    let size = copy.info().unwrap().size_bytes;
    assert!(
        size < (leaf_pages + leaf_pages / 100) * 4096,
        "{size} bytes"
    );
    assert_eq!(newest(&copy), newest(&db));
    target.close_clean(copy);
}

#[test]
fn a_compaction_makes_longer_leaves_only_where_they_save_room() {
    // One page has room for 4,080 bytes of pairs, two for 8,176: 21 pairs of 190 and 43 of them,
    // but 20 of 204 and 40 of them.
    for (value_bytes, saves) in [(166, true), (180, false)] {
        let scratch = Scratch::new();
        let db = scratch.open();
        db.update(|tx| {
            let mut bucket = tx.create_bucket("b")?;
            (0..8600_u64)
                .try_for_each(|index| bucket.put(index.to_be_bytes(), vec![7; value_bytes]))
        })
        .unwrap();
        let target = Scratch::new();
        let copy = quick().no_grow_sync(true).open(&target.path).unwrap();
        let options = CompactOptions::default();
        txn::compact(&db.snapshot().unwrap(), &copy, options, &mut |_| {}).unwrap();
        let statistics = |db: &Db| {
            let snapshot = db.snapshot().unwrap();
            snapshot.bucket("b").unwrap().statistics().unwrap()
        };
        let leaves = statistics(&copy);
        let (pages, longer) = (leaves.leaf_pages, leaves.leaf_overflow_pages);
        // The last leaf is a run of up to four pages: alone, it may be as it comes.
        if saves {
            assert_eq!(pages + longer, 400, "{leaves:?}");
            assert!((200..=203).contains(&longer), "{leaves:?}");
        } else {
            assert_eq!(pages + longer, 430, "{leaves:?}");
            assert!(longer <= 3, "{leaves:?}");
        }
        assert_eq!(newest(&copy), newest(&db));
        assert_eq!(target.file_bytes(), copy.info().unwrap().size_bytes);
        // Changed afterwards, they are single pages again.
        copy.update(|tx| {
            let mut bucket = tx.bucket("b")?;
            (0..8600_u64)
                .step_by(20)
                .try_for_each(|index| bucket.put(index.to_be_bytes(), vec![8; value_bytes]))
        })
        .unwrap();
        let leaves = statistics(&copy);
        assert_eq!(leaves.leaf_overflow_pages, 0, "{leaves:?}");
        assert_eq!(leaves.keys, 8600);
        target.close_clean(copy);
    }
}

#[test]
fn a_compaction_into_a_database_that_is_not_empty_is_refused_where_it_collides() {
    let (scratch, target) = (Scratch::new(), Scratch::new());
    let (db, copy) = (planted(&scratch), target.open());
    copy.update(|tx| tx.create_bucket("outer").map(drop))
        .unwrap();
    let before = newest(&copy);
    let refused = txn::compact(
        &db.snapshot().unwrap(),
        &copy,
        CompactOptions {
            transaction_bytes_max: 0,
        },
        &mut |_| {},
    );
    assert_kind(refused, ErrorKind::Exists);
    assert_eq!(newest(&copy), before);
    copy.begin().unwrap().rollback();
}

#[test]
fn a_read_only_database_is_copied_and_compacted_too() {
    let scratch = Scratch::new();
    planted(&scratch).close().unwrap();
    let readers: [fn() -> Options; 2] = [|| Options::new().read_only(true), Options::new];
    for (index, reader) in readers.into_iter().enumerate() {
        let db = if index == 0 {
            reader().open(&scratch.path).unwrap()
        } else {
            reader().open_untrusted(&scratch.path).unwrap()
        };
        let target = Scratch::new();
        let path = scratch.beside("copy.db");
        db.snapshot().unwrap().copy_file(&path).unwrap();
        assert_eq!(newest(&Db::open(&path).unwrap()), newest(&db));
        target.close_clean(compacted(&db, &target, 1 << 20));
    }
}
