//! Opening: what is a database, which of its metas counts, and what is refused.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use txn::{Db, ErrorKind, FreelistStorage, Options};

use crate::support::{Scratch, assert_clean, assert_kind, fill, newest, quick};

/// Offsets of fields of the meta on page 0; page 1's lie a page further.
const MAGIC: usize = 16;
const VERSION: usize = 20;
const HIGH_WATER: usize = 56;

fn flip_in_both_metas(scratch: &Scratch, offset: usize) {
    scratch.patch(|bytes| {
        bytes[offset] ^= 0x40;
        bytes[4096 + offset] ^= 0x40;
    });
}

/// A closed database with a few commits behind it.
fn used(scratch: &Scratch) {
    let db = scratch.open();
    for round in 0..5 {
        db.update(|tx| {
            fill(
                &mut tx.create_bucket_if_missing("data")?,
                round * 50..round * 50 + 100,
                90,
            );
            Ok(())
        })
        .unwrap();
    }
    db.close().unwrap();
}

#[test]
fn the_path_is_told_as_it_was_given() {
    let scratch = Scratch::new();
    assert_eq!(scratch.open().path(), scratch.path);
}

#[test]
fn a_reader_does_not_make_a_missing_file() {
    let scratch = Scratch::new();
    let refused = Options::new().read_only(true).open(&scratch.path);
    assert!(assert_kind(refused, ErrorKind::Io).contains("No such file"));
    assert_eq!(
        std::fs::read_dir(scratch.directory.path()).unwrap().count(),
        0
    );
}

#[test]
fn a_path_that_names_no_file_is_refused() {
    let scratch = Scratch::new();
    assert_kind(Db::open(""), ErrorKind::Invalid);
    assert_kind(Db::open(scratch.directory.path()), ErrorKind::Io);
    assert_kind(Db::open(scratch.beside("missing/my.db")), ErrorKind::Io);
}

#[test]
fn opening_leaves_no_other_file_behind() {
    let scratch = Scratch::new();
    used(&scratch);
    let names = std::fs::read_dir(scratch.directory.path()).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["my.db"]);
}

#[test]
fn a_text_file_is_no_database_and_is_left_alone() {
    let scratch = Scratch::new();
    for text in ["short".to_owned(), "many lines of text\n".repeat(2000)] {
        std::fs::write(&scratch.path, &text).unwrap();
        let refused = assert_kind(Db::open(&scratch.path), ErrorKind::Corrupt);
        assert!(refused.contains("invalid database"), "{refused}");
        assert_eq!(std::fs::read_to_string(&scratch.path).unwrap(), text);
    }
}

#[test]
fn another_version_and_a_wrong_checksum_are_told_apart() {
    for (offset, words) in [
        (MAGIC, "invalid database"),
        (VERSION, "version mismatch"),
        (HIGH_WATER, "checksum error"),
    ] {
        let scratch = Scratch::new();
        used(&scratch);
        flip_in_both_metas(&scratch, offset);
        let refused = assert_kind(Db::open(&scratch.path), ErrorKind::Corrupt);
        assert!(refused.contains(words), "{refused}");
    }
}

#[test]
fn with_the_first_meta_broken_the_second_tells_the_page_size() {
    for power in 10..=24 {
        let page_bytes = 1_u32 << power;
        let scratch = Scratch::new();
        quick()
            .page_bytes(page_bytes)
            .open(&scratch.path)
            .unwrap()
            .close()
            .unwrap();
        scratch.patch(|bytes| bytes[MAGIC] ^= 1);
        let db = quick().open(&scratch.path).unwrap();
        let info = db.info().unwrap();
        assert_eq!((info.page_bytes, info.txid), (page_bytes, 1));
        db.update(|tx| tx.create_bucket("after")?.put("k", "v"))
            .unwrap();
        drop(db);
        // The commit has put a good meta where the broken one stood.
        let db = quick().open(&scratch.path).unwrap();
        assert_eq!(db.info().unwrap().txid, 2);
        assert_clean(&db);
    }
}

#[test]
fn with_either_meta_broken_the_other_version_is_shown() {
    let scratch = Scratch::new();
    let db = scratch.open();
    for value in ["one", "two", "three"] {
        db.update(|tx| tx.create_bucket_if_missing("data")?.put("key", value))
            .unwrap();
    }
    drop(db);
    let whole = std::fs::read(&scratch.path).unwrap();
    // The third commit has number 4, which stands on page 0.
    for (page, value) in [(0, "two"), (1, "three")] {
        let mut broken = whole.clone();
        broken[page * 4096 + HIGH_WATER] ^= 1;
        std::fs::write(&scratch.path, broken).unwrap();
        let db = scratch.open();
        let snapshot = db.snapshot().unwrap();
        let bucket = snapshot.bucket("data").unwrap();
        assert_eq!(bucket.get("key").unwrap(), Some(value.as_bytes()));
        db.update(|tx| tx.bucket("data")?.put("key", "after"))
            .unwrap();
        assert_eq!(bucket.get("key").unwrap(), Some(value.as_bytes()));
        assert_clean(&db);
    }
}

#[test]
fn a_file_cut_to_one_page_is_too_small() {
    let scratch = Scratch::new();
    used(&scratch);
    scratch.patch(|bytes| bytes.truncate(4096));
    let refused = assert_kind(Db::open(&scratch.path), ErrorKind::Corrupt);
    assert!(refused.contains("file size too small 4096"), "{refused}");
}

#[test]
fn a_file_without_its_last_page_is_refused() {
    let scratch = Scratch::new();
    used(&scratch);
    let size = Db::open(&scratch.path).unwrap().info().unwrap().size_bytes as usize;
    scratch.patch(|bytes| bytes.truncate(size - 1));
    assert_kind(Db::open(&scratch.path), ErrorKind::Corrupt);
    assert_eq!(scratch.file_bytes() as usize, size - 1);
}

#[test]
fn any_length_from_the_last_page_on_will_do() {
    let scratch = Scratch::new();
    used(&scratch);
    let size = Db::open(&scratch.path).unwrap().info().unwrap().size_bytes as usize;
    let whole = std::fs::read(&scratch.path).unwrap();
    // A snapshot of etcd ends with 32 bytes of checksum.
    for extra in [0, 1, 32, 4095, 5000] {
        let mut bytes = whole[..size].to_vec();
        bytes.resize(size + extra, 0xEE);
        std::fs::write(&scratch.path, bytes).unwrap();
        let db = quick().strict(true).open(&scratch.path).unwrap();
        let before = newest(&db);
        assert_eq!(before.buckets[&b"data"[..]].pairs.len(), 300);
        db.update(|tx| {
            fill(&mut tx.create_bucket("more")?, 0..200, 100);
            Ok(())
        })
        .unwrap();
        db.update(|tx| tx.delete_bucket("more")).unwrap();
        assert_eq!(newest(&db), before);
        scratch.close_clean(db);
    }
}

#[test]
fn a_fresh_file_opens_again_and_is_clean() {
    for page_bytes in [1024, 2048, 4096, 5000, 65_536] {
        let scratch = Scratch::new();
        let make = || quick().page_bytes(page_bytes).strict(true);
        drop(make().open(&scratch.path).unwrap());
        assert_eq!(scratch.file_bytes(), 4 * u64::from(page_bytes));
        let db = make().open(&scratch.path).unwrap();
        assert_clean(&db);
        db.update(|tx| {
            fill(&mut tx.create_bucket("data")?, 0..500, 60);
            Ok(())
        })
        .unwrap();
        scratch.close_clean(db);
    }
}

#[test]
fn an_existing_file_keeps_its_page_size() {
    let scratch = Scratch::new();
    drop(quick().page_bytes(8192).open(&scratch.path).unwrap());
    let db = quick().page_bytes(1024).open(&scratch.path).unwrap();
    assert_eq!(db.info().unwrap().page_bytes, 8192);
}

#[test]
fn an_impossible_page_size_makes_no_file() {
    let scratch = Scratch::new();
    for page_bytes in [0, 512, 1023, (16 << 20) + 1] {
        assert_kind(
            quick().page_bytes(page_bytes).open(&scratch.path),
            ErrorKind::Invalid,
        );
        assert!(!scratch.path.exists());
    }
}

#[test]
fn a_newest_meta_in_the_wrong_slot_is_taken_and_gone_on_from() {
    for commits in 1..4 {
        let scratch = Scratch::new();
        let db = scratch.strict();
        for round in 0..commits {
            db.update(|tx| {
                tx.create_bucket_if_missing("data")?
                    .put(format!("{round}"), "old")
            })
            .unwrap();
        }
        drop(db);
        scratch.patch(|bytes| {
            let (zero, one) = bytes.split_at_mut(4096);
            zero.swap_with_slice(&mut one[..4096]);
            (zero[0], one[0]) = (0, 1);
        });
        for round in 0..6 {
            let db = scratch.strict();
            assert_eq!(
                newest(&db).buckets[&b"data"[..]].pairs.len(),
                commits + round
            );
            let before = db.info().unwrap().txid;
            db.update(|tx| tx.bucket("data")?.put(format!("new {round}"), "new"))
                .unwrap();
            assert!(db.info().unwrap().txid > before);
            // Whatever tears the newest meta, the version before it still stands.
            let bytes = std::fs::read(&scratch.path).unwrap();
            drop(db);
            let newest_slot = usize::from(newest_txid(&bytes, 1) > newest_txid(&bytes, 0));
            let torn = scratch.beside("torn.db");
            let mut half = bytes.clone();
            half[newest_slot * 4096 + 80 - 1] ^= 0xFF;
            std::fs::write(&torn, half).unwrap();
            let fallback = quick().open(&torn).unwrap();
            assert_eq!(fallback.info().unwrap().txid, before);
            assert_clean(&fallback);
            assert_eq!(
                newest(&fallback).buckets[&b"data"[..]].pairs.len(),
                commits + round
            );
        }
    }
}

fn newest_txid(bytes: &[u8], slot: usize) -> u64 {
    let at = slot * 4096 + 64;
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

#[test]
fn two_metas_with_one_number_are_taken_from_page_zero() {
    // What bbolt's surgery leaves when it reverts to the older meta.
    let scratch = Scratch::new();
    used(&scratch);
    scratch.patch(|bytes| {
        let newest_slot = usize::from(newest_txid(bytes, 1) > newest_txid(bytes, 0));
        let older = (1 - newest_slot) * 4096;
        bytes.copy_within(older + 16..older + 80, newest_slot * 4096 + 16);
    });
    let db = scratch.open();
    for _ in 0..3 {
        let before = db.info().unwrap().txid;
        db.update(|tx| tx.bucket("data")?.put("again", "")).unwrap();
        assert!(db.info().unwrap().txid > before);
        assert_clean(&db);
    }
}

#[test]
fn a_small_freelist_may_be_counted_in_its_payload() {
    let scratch = Scratch::new();
    let always = || quick().freelist(FreelistStorage::Always);
    let db = always().open(&scratch.path).unwrap();
    db.update(|tx| {
        fill(&mut tx.create_bucket("data")?, 0..500, 100);
        Ok(())
    })
    .unwrap();
    db.update(|tx| tx.delete_bucket("data")).unwrap();
    let (page, free) = (
        db.info().unwrap().freelist_page.unwrap() as usize * 4096,
        db.statistics().unwrap(),
    );
    db.close().unwrap();
    drop(db);
    scratch.patch(|bytes| {
        let count = u64::from(u16::from_le_bytes([bytes[page + 10], bytes[page + 11]]));
        assert!(count > 10);
        bytes[page + 10..page + 12].copy_from_slice(&[0xFF; 2]);
        let ids = page + 16..page + 16 + 8 * count as usize;
        bytes.copy_within(ids, page + 24);
        bytes[page + 16..page + 24].copy_from_slice(&count.to_le_bytes());
    });
    let db = always().strict(true).open(&scratch.path).unwrap();
    assert_clean(&db);
    db.update(|tx| {
        fill(&mut tx.create_bucket("data")?, 0..300, 100);
        Ok(())
    })
    .unwrap();
    assert!(db.statistics().unwrap().free_pages <= free.free_pages + free.pending_pages);
    scratch.close_clean(db);
}

#[test]
fn a_new_file_is_its_owners_unless_the_option_says_otherwise() {
    let scratch = Scratch::new();
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    drop(scratch.open());
    assert_eq!(mode(&scratch.path), 0o600);
    let other = scratch.beside("other.db");
    drop(quick().mode(0o640).open(&other).unwrap());
    assert_eq!(mode(&other), 0o640);
}

#[test]
fn remains_of_an_interrupted_creation_are_told_from_damage() {
    let scratch = Scratch::new();
    drop(scratch.open());
    let whole = std::fs::read(&scratch.path).unwrap();
    let mut no_metas = whole.clone();
    no_metas[..8192].fill(0);
    let remains = [
        vec![0; 16_384],
        vec![0; 700],
        no_metas,
        whole[..1000].to_vec(),
    ];
    for bytes in remains {
        std::fs::write(&scratch.path, &bytes).unwrap();
        assert_kind(quick().open(&scratch.path), ErrorKind::InterruptedInit);
        assert_eq!(std::fs::read(&scratch.path).unwrap(), bytes);
        let reader = quick().read_only(true).initialize_interrupted(true);
        assert_kind(reader.open(&scratch.path), ErrorKind::InterruptedInit);
        let db = quick()
            .initialize_interrupted(true)
            .open(&scratch.path)
            .unwrap();
        db.update(|tx| tx.create_bucket("data").map(drop)).unwrap();
        scratch.close_clean(db);
    }
    // One byte that no initialisation writes, and it is damage.
    let mut stranger = vec![0; 16_384];
    stranger[9000] = 1;
    std::fs::write(&scratch.path, &stranger).unwrap();
    let refused = quick().initialize_interrupted(true).open(&scratch.path);
    assert_kind(refused, ErrorKind::Corrupt);
    assert_eq!(std::fs::read(&scratch.path).unwrap(), stranger);
}

#[test]
fn an_existing_empty_file_is_initialised_in_place() {
    let scratch = Scratch::new();
    std::fs::write(&scratch.path, "").unwrap();
    std::fs::set_permissions(&scratch.path, PermissionsExt::from_mode(0o644)).unwrap();
    let inode = std::fs::metadata(&scratch.path).unwrap().ino();
    let reader = Options::new().read_only(true);
    assert_kind(reader.open(&scratch.path), ErrorKind::InterruptedInit);
    assert_eq!(scratch.file_bytes(), 0);
    let db = scratch.open();
    db.update(|tx| tx.create_bucket("data").map(drop)).unwrap();
    scratch.close_clean(db);
    let after = std::fs::metadata(&scratch.path).unwrap();
    assert_eq!((after.ino(), after.mode() & 0o777), (inode, 0o644));
}

#[test]
fn a_file_opens_once_per_process_whatever_it_is_called() {
    let scratch = Scratch::new();
    let db = scratch.open();
    let (hard, soft) = (scratch.beside("hard.db"), scratch.beside("soft.db"));
    std::fs::hard_link(&scratch.path, &hard).unwrap();
    std::os::unix::fs::symlink(&scratch.path, &soft).unwrap();
    let began = std::time::Instant::now();
    for path in [&scratch.path, &hard, &soft] {
        assert_kind(Db::open(path), ErrorKind::AlreadyOpen);
        assert_kind(
            Options::new().read_only(true).open(path),
            ErrorKind::AlreadyOpen,
        );
        assert_kind(Options::new().open_untrusted(path), ErrorKind::AlreadyOpen);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "at once");
    drop(db);
    drop(Db::open(&soft).unwrap());
    drop(Db::open(&hard).unwrap());
}

#[test]
fn thirty_threads_open_one_file_and_one_gets_it() {
    let scratch = Scratch::new();
    for _ in 0..5 {
        let opened: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..30)
                .map(|_| scope.spawn(|| quick().open(&scratch.path)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = opened.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        for error in lost {
            assert_kind(error, ErrorKind::AlreadyOpen);
        }
        drop(won);
        let names = std::fs::read_dir(scratch.directory.path()).unwrap().count();
        assert_eq!(names, 1, "no temporary file stays");
    }
}

#[test]
fn an_untrusted_file_is_read_without_mapping_and_never_written() {
    let scratch = Scratch::new();
    used(&scratch);
    let before = std::fs::read(&scratch.path).unwrap();
    let trusted = newest(&Options::new().read_only(true).open(&scratch.path).unwrap());
    let db = Options::new().open_untrusted(&scratch.path).unwrap();
    assert!(db.is_read_only());
    assert_kind(db.begin(), ErrorKind::ReadOnly);
    assert_eq!(newest(&db), trusted);
    assert_clean(&db);
    drop(db);
    assert_eq!(std::fs::read(&scratch.path).unwrap(), before);
}

#[test]
fn options_of_mapping_and_growth_change_nothing_that_is_read() {
    let scratch = Scratch::new();
    used(&scratch);
    let expected = newest(&scratch.open());
    let variants = [
        quick().initial_map_bytes(1 << 30),
        quick().populate(true),
        quick().lock_in_memory(true),
        quick().no_grow_sync(true),
        quick().preload_freelist(true),
        quick().no_statistics(true),
        quick().growth_step_bytes(64 << 10),
    ];
    for options in variants {
        let db = options.strict(true).open(&scratch.path).unwrap();
        assert_eq!(newest(&db), expected);
        db.update(|tx| {
            fill(&mut tx.create_bucket("more")?, 0..2000, 400);
            Ok(())
        })
        .unwrap();
        db.update(|tx| tx.delete_bucket("more")).unwrap();
        assert_eq!(newest(&db), expected);
        scratch.close_clean(db);
    }
}

#[test]
fn a_preloaded_freelist_is_refused_while_opening_and_otherwise_at_the_first_write() {
    let scratch = Scratch::new();
    used(&scratch);
    let page = scratch.open().info().unwrap().freelist_page.unwrap() as usize;
    scratch.patch(|bytes| bytes[page * 4096 + 8] = 0x02);
    assert_kind(
        quick().preload_freelist(true).open(&scratch.path),
        ErrorKind::Corrupt,
    );
    let db = scratch.open();
    assert_eq!(newest(&db).buckets[&b"data"[..]].pairs.len(), 300);
    let refused = assert_kind(db.begin(), ErrorKind::Corrupt);
    assert!(refused.contains(&format!("page {page}")), "{refused}");
    assert_kind(db.begin(), ErrorKind::Corrupt);
}
