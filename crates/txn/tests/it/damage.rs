//! Damaged files: typed errors that name the page, and no damage on top of the damage.

use txn::{Db, Error, ErrorKind, FreelistStorage, Options, PageUse, Result};

use crate::support::{Scratch, assert_kind, fill, findings, newest, quick};

const PAGE: usize = 4096;

/// A closed file with a bucket of three levels, a bucket inside it, an inline one, and free pages.
fn planted() -> Scratch {
    let scratch = Scratch::new();
    let db = quick()
        .freelist(FreelistStorage::Always)
        .open(&scratch.path)
        .unwrap();
    db.update(|tx| {
        let mut tall = tx.create_bucket("tall")?;
        (0..1500).try_for_each(|i| tall.put(format!("{i:0200}"), vec![1; 150]))?;
        fill(&mut tall.create_bucket("within")?, 0..100, 100);
        fill(&mut tx.create_bucket("wide")?, 0..200, 100);
        tx.create_bucket("inline")?.put("key", "value")
    })
    .unwrap();
    db.update(|tx| {
        fill(&mut tx.create_bucket("gone")?, 0..200, 100);
        Ok(())
    })
    .unwrap();
    db.update(|tx| tx.delete_bucket("gone")).unwrap();
    db.close().unwrap();
    scratch
}

fn reader(scratch: &Scratch) -> Db {
    Options::new().read_only(true).open(&scratch.path).unwrap()
}

/// The pages of this use.
fn pages(scratch: &Scratch, usage: PageUse) -> Vec<usize> {
    let db = reader(scratch);
    let snapshot = db.snapshot().unwrap();
    (0..db.info().unwrap().high_water)
        .filter(|id| snapshot.page(*id).unwrap().unwrap().usage == usage)
        .map(|id| id as usize)
        .collect()
}

fn root_of(scratch: &Scratch, name: &str) -> usize {
    reader(scratch)
        .snapshot()
        .unwrap()
        .bucket(name)
        .unwrap()
        .root_page() as usize
}

/// Reads everything there is, every way there is.
fn read_all(db: &Db) -> Result<()> {
    struct Ignore;
    impl kv_api::capability::BucketVisitor for Ignore {
        fn enter(&mut self, _: &[u8], _: u64) -> Result<()> {
            Ok(())
        }
        fn pair(&mut self, _: &[u8], _: &[u8]) -> Result<()> {
            Ok(())
        }
        fn leave(&mut self) -> Result<()> {
            Ok(())
        }
    }
    let snapshot = db.snapshot()?;
    kv_api::capability::NestedReader::visit(&snapshot, &mut Ignore)?;
    for name in ["tall", "wide", "inline"] {
        let bucket = snapshot.bucket(name)?;
        bucket.statistics()?;
        bucket.range(..).rev().try_for_each(|pair| pair.map(drop))?;
        (0..1500).try_for_each(|i| bucket.get(format!("{i:0200}")).map(drop))?;
    }
    snapshot.inspect().map(drop)
}

/// Damages the file by `change`, and expects `page` to be named by readers and by the check; no
/// write may make it worse.
fn expect_damage(page: usize, what: &str, change: impl FnOnce(&mut [u8])) {
    let scratch = planted();
    expect_damage_in(&scratch, page, what, change);
}

fn expect_damage_in(scratch: &Scratch, page: usize, what: &str, change: impl FnOnce(&mut [u8])) {
    scratch.patch(|bytes| change(bytes));
    let named = format!("page {page}");
    for untrusted in [false, true] {
        let options = Options::new().read_only(true);
        let db = if untrusted {
            options.open_untrusted(&scratch.path).unwrap()
        } else {
            options.open(&scratch.path).unwrap()
        };
        let refused = assert_kind(read_all(&db), ErrorKind::Corrupt);
        assert!(refused.contains(what), "{refused}");
        let found = findings(&db.snapshot().unwrap());
        let told = |finding: &String| finding.contains(&named) && finding.contains(what);
        assert!(found.iter().any(told), "{named} {what}: {found:?}");
    }
}

fn put16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn put64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn a_header_that_lies_is_told_with_its_page() {
    let page = root_of(&planted(), "wide");
    let at = page * PAGE;
    expect_damage(page, "its header says it is page 9999", |bytes| {
        put64(bytes, at, 9999)
    });
    expect_damage(page, "unexpected flags 0x0000", |bytes| {
        put16(bytes, at + 8, 0)
    });
    expect_damage(page, "unexpected flags 0x0003", |bytes| {
        put16(bytes, at + 8, 3)
    });
    expect_damage(page, "a meta page where", |bytes| put16(bytes, at + 8, 4));
    expect_damage(page, "a freelist page where", |bytes| {
        put16(bytes, at + 8, 16)
    });
    expect_damage(page, "ends past the last page", |bytes| {
        put32(bytes, at + 12, u32::MAX)
    });
    expect_damage(page, "no room for 60000 elements", |bytes| {
        put16(bytes, at + 10, 60_000)
    });
}

#[test]
fn an_element_that_points_outside_its_page_is_told() {
    let scratch = planted();
    let leaf = *pages(&scratch, PageUse::Leaf).last().unwrap();
    let at = leaf * PAGE + 16;
    for field in [4, 8, 12] {
        expect_damage(leaf, "its bytes lie outside the page", |bytes| {
            put32(bytes, at + field, u32::MAX);
        });
    }
    let branch = root_of(&scratch, "tall");
    for field in [0, 4] {
        expect_damage(branch, "its bytes lie outside the page", |bytes| {
            put32(bytes, branch * PAGE + 16 + field, 1 << 30);
        });
    }
}

#[test]
fn a_branch_that_leads_outside_or_nowhere_is_told() {
    let branch = root_of(&planted(), "tall");
    let child = branch * PAGE + 16 + 8;
    for (target, page, what) in [
        (u64::MAX, u64::MAX, "ends past the last page"),
        (1 << 40, 1 << 40, "ends past the last page"),
        (0, 0, "a meta page"),
        (1, 1, "a meta page"),
    ] {
        let scratch = planted();
        scratch.patch(|bytes| put64(bytes, child, target));
        let db = reader(&scratch);
        let refused = assert_kind(read_all(&db), ErrorKind::Corrupt);
        assert!(
            refused.contains(what) && refused.contains(&format!("page {page}")),
            "{refused}"
        );
        assert!(
            findings(&db.snapshot().unwrap())
                .iter()
                .any(|finding| finding.contains(what))
        );
    }
    expect_damage(branch, "a branch without children", |bytes| {
        put16(bytes, branch * PAGE + 10, 0)
    });
}

#[test]
fn pages_that_form_a_cycle_are_told_and_never_followed_for_ever() {
    let branch = root_of(&planted(), "tall");
    for element in [0, 1] {
        let scratch = planted();
        scratch.patch(|bytes| put64(bytes, branch * PAGE + 16 + element * 16 + 8, branch as u64));
        let db = scratch.open();
        let snapshot = db.snapshot().unwrap();
        let bucket = snapshot.bucket("tall").unwrap();
        let walked: Result<Vec<_>> = bucket.range(..).collect();
        assert_kind(walked, ErrorKind::Corrupt);
        let walked: Result<Vec<_>> = bucket.range(..).rev().collect();
        assert_kind(walked, ErrorKind::Corrupt);
        assert_kind(bucket.statistics(), ErrorKind::Corrupt);
        assert!(!findings(&snapshot).is_empty());
        let refused = db.update(|tx| tx.delete_bucket("tall"));
        assert_kind(refused, ErrorKind::Corrupt);
    }
}

#[test]
fn buckets_that_contain_each_other_are_told() {
    let scratch = planted();
    // The bucket inside `tall` is made to begin where `tall` does.
    let (tall, header) = (root_of(&scratch, "tall"), {
        let db = reader(&scratch);
        let snapshot = db.snapshot().unwrap();
        let within = snapshot.bucket("tall").unwrap().bucket("within").unwrap();
        within.root_page().to_le_bytes()
    });
    let file = std::fs::read(&scratch.path).unwrap();
    let mut at = file
        .windows(14)
        .position(|window| window == [&b"within"[..], &header].concat());
    at = at.map(|at| at + 6);
    scratch.patch(|bytes| put64(bytes, at.unwrap(), tall as u64));
    let db = scratch.open();
    let snapshot = db.snapshot().unwrap();
    let refused = assert_kind(read_all(&db), ErrorKind::Corrupt);
    assert!(refused.contains("bucket"), "{refused}");
    assert_kind(snapshot.root().statistics(), ErrorKind::Corrupt);
    assert_kind(snapshot.inspect(), ErrorKind::Corrupt);
    let found = findings(&snapshot);
    assert!(
        found
            .iter()
            .any(|finding| finding.contains("multiple references")),
        "{found:?}"
    );
    assert_kind(db.update(|tx| tx.delete_bucket("tall")), ErrorKind::Corrupt);
}

#[test]
fn keys_out_of_order_are_found_by_the_check() {
    let scratch = planted();
    let whole = std::fs::read(&scratch.path).unwrap();
    let holds_pairs = |leaf: &usize| {
        let flags = |index: usize| whole[leaf * PAGE + 16 + index * 16];
        let key_bytes = |index: usize| whole[leaf * PAGE + 16 + index * 16 + 8];
        (0..2).all(|index| flags(index) == 0 && key_bytes(index) >= 6)
    };
    let leaves = pages(&scratch, PageUse::Leaf);
    let leaf = *leaves.iter().find(|leaf| holds_pairs(leaf)).unwrap();
    let swap = |bytes: &mut [u8]| {
        let keys: Vec<usize> = (0..2)
            .map(|index| {
                let element = leaf * PAGE + 16 + index * 16;
                let position =
                    u32::from_le_bytes(bytes[element + 4..element + 8].try_into().unwrap());
                element + position as usize
            })
            .collect();
        for byte in 0..6 {
            bytes.swap(keys[0] + byte, keys[1] + byte);
        }
    };
    let before = findings(&reader(&scratch).snapshot().unwrap());
    assert_eq!(before, Vec::<String>::new());
    scratch.patch(|bytes| swap(bytes));
    let db = reader(&scratch);
    let snapshot = db.snapshot().unwrap();
    let found = findings(&snapshot);
    let named = format!("page {leaf}: ");
    assert!(
        !found.is_empty() && found.iter().all(|finding| finding.starts_with(&named)),
        "{found:?}"
    );
    // From a page on, what lies below it is looked at.
    let mut count = 0;
    txn::check_from_page(&snapshot, leaf as u64, &mut |_| count += 1).unwrap();
    assert!(count > 0);
    for outside in [0, 1, db.info().unwrap().high_water, u64::MAX] {
        assert_kind(
            txn::check_from_page(&snapshot, outside, &mut |_| {}),
            ErrorKind::Invalid,
        );
    }
}

#[test]
fn a_page_referred_to_twice_is_found_by_the_check() {
    let scratch = planted();
    let branch = root_of(&scratch, "tall");
    scratch.patch(|bytes| {
        let first = bytes[branch * PAGE + 24..branch * PAGE + 32].to_vec();
        bytes[branch * PAGE + 40..branch * PAGE + 48].copy_from_slice(&first);
    });
    let db = reader(&scratch);
    let found = findings(&db.snapshot().unwrap());
    assert!(
        found
            .iter()
            .any(|finding| finding.contains("multiple references")),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|finding| finding.contains("unreachable unfreed")),
        "{found:?}"
    );
    let walked: Result<Vec<_>> = db
        .snapshot()
        .unwrap()
        .bucket("tall")
        .unwrap()
        .range(..)
        .map(|pair| pair.map(drop))
        .collect();
    assert_kind(walked, ErrorKind::Corrupt);
}

#[test]
fn a_freelist_that_lies_is_told_before_anything_is_written() {
    let scratch = planted();
    let whole = std::fs::read(&scratch.path).unwrap();
    let (freelist, wide, high_water) = {
        let db = reader(&scratch);
        let info = db.info().unwrap();
        (
            info.freelist_page.unwrap(),
            root_of_db(&db),
            info.high_water,
        )
    };
    let at = freelist as usize * PAGE;
    let count = u16::from_le_bytes([whole[at + 10], whole[at + 11]]);
    assert!(count > 3);
    let first = u64::from_le_bytes(whole[at + 16..at + 24].try_into().unwrap());
    for (id, what) in [
        (0, "cannot be free"),
        (1, "cannot be free"),
        (high_water, "cannot be free"),
        (u64::MAX, "cannot be free"),
        (freelist, "lists itself"),
        (first, "listed twice"),
    ] {
        std::fs::write(&scratch.path, &whole).unwrap();
        scratch.patch(|bytes| put64(bytes, at + 24, id));
        let found = findings(&reader(&scratch).snapshot().unwrap());
        let named = format!("page {freelist}: ");
        assert!(
            found
                .iter()
                .any(|one| one.starts_with(&named) && one.contains(what)),
            "{found:?}"
        );
        let db = scratch.open();
        let refused = assert_kind(db.begin(), ErrorKind::Corrupt);
        assert!(refused.contains(what), "{refused}");
        assert_eq!(newest(&db).buckets.len(), 3, "reading goes on");
    }
    for claimed in [u16::MAX, 60_000] {
        std::fs::write(&scratch.path, &whole).unwrap();
        scratch.patch(|bytes| {
            put16(bytes, at + 10, claimed);
            put64(bytes, at + 16, u64::MAX);
        });
        let refused = assert_kind(scratch.open().begin(), ErrorKind::Corrupt);
        assert!(refused.contains("more than fit"), "{refused}");
    }
    // A page of the tree that is also listed: the commit that would free it again is refused.
    std::fs::write(&scratch.path, &whole).unwrap();
    scratch.patch(|bytes| put64(bytes, at + 24, wide));
    let found = findings(&reader(&scratch).snapshot().unwrap());
    assert!(
        found.iter().any(|one| one.contains("reachable freed")),
        "{found:?}"
    );
    let db = scratch.open();
    let refused = db.update(|tx| tx.bucket("wide")?.put("key", "value"));
    assert!(assert_kind(refused, ErrorKind::Corrupt).contains("free"));
}

fn root_of_db(db: &Db) -> u64 {
    db.snapshot().unwrap().bucket("wide").unwrap().root_page()
}

#[test]
fn a_tree_that_cannot_be_walked_gives_no_free_pages() {
    let scratch = Scratch::new();
    let never = || quick().freelist(FreelistStorage::Never);
    let db = never().open(&scratch.path).unwrap();
    db.update(|tx| {
        fill(&mut tx.create_bucket("wide")?, 0..300, 100);
        fill(&mut tx.create_bucket("other")?, 0..300, 100);
        Ok(())
    })
    .unwrap();
    let root = root_of_db(&db) as usize;
    db.close().unwrap();
    drop(db);
    scratch.patch(|bytes| put16(bytes, root * PAGE + 8, 0));
    assert_kind(
        never().preload_freelist(true).open(&scratch.path),
        ErrorKind::Corrupt,
    );
    let db = never().open(&scratch.path).unwrap();
    let before = std::fs::read(&scratch.path).unwrap();
    let refused = assert_kind(db.begin(), ErrorKind::Corrupt);
    assert!(refused.contains(&format!("page {root}")), "{refused}");
    assert_eq!(
        db.snapshot()
            .unwrap()
            .bucket("other")
            .unwrap()
            .range(..)
            .count(),
        300
    );
    drop(db);
    assert_eq!(std::fs::read(&scratch.path).unwrap(), before);
}

#[test]
fn a_deletion_that_meets_damage_frees_nothing() {
    let scratch = planted();
    // The last leaf below `tall`: by the time it is met, much has been collected.
    let within = {
        let db = reader(&scratch);
        let snapshot = db.snapshot().unwrap();
        snapshot
            .bucket("tall")
            .unwrap()
            .bucket("within")
            .unwrap()
            .root_page() as usize
    };
    scratch.patch(|bytes| put16(bytes, within * PAGE + 8, 0));
    let before = findings(&reader(&scratch).snapshot().unwrap());
    let db = quick()
        .freelist(FreelistStorage::Always)
        .open(&scratch.path)
        .unwrap();
    for opened in [false, true] {
        // A caller who shrugs the error off must not commit half of a deletion.
        let shrugged = db.update(|tx| {
            if opened {
                tx.bucket("tall")?.put("touched", "")?;
            }
            assert_kind(tx.delete_bucket("tall"), ErrorKind::Corrupt);
            Ok(())
        });
        assert_kind(shrugged, ErrorKind::Corrupt);
        db.update(|tx| tx.bucket("tall")?.put("still", "there"))
            .unwrap();
        let snapshot = db.snapshot().unwrap();
        let tall = snapshot.bucket("tall").unwrap();
        assert_eq!(tall.get("still").unwrap(), Some(&b"there"[..]));
        assert_eq!(tall.get("touched").unwrap(), None);
        assert_eq!(findings(&snapshot), before, "no more findings than before");
    }
}

#[test]
fn an_error_of_a_walk_is_never_taken_for_its_end() {
    let scratch = planted();
    let leaves = pages(&scratch, PageUse::Leaf);
    for leaf in leaves.iter().step_by(5) {
        let whole = std::fs::read(&scratch.path).unwrap();
        scratch.patch(|bytes| put16(bytes, leaf * PAGE + 8, 0));
        let db = reader(&scratch);
        let snapshot = db.snapshot().unwrap();
        if let Ok(bucket) = snapshot.bucket("tall") {
            let mut range = bucket.range(..);
            let mut count = 0;
            let error = loop {
                match range.next() {
                    Some(Ok(_)) => count += 1,
                    Some(Err(error)) => break Some(error),
                    None => break None,
                }
            };
            match error {
                Some(Error::Corrupt { .. }) => assert!(count < 1500),
                Some(other) => panic!("{other}"),
                None => assert_eq!(count, 1500, "page {leaf} is another bucket's"),
            }
        }
        drop(snapshot);
        drop(db);
        std::fs::write(&scratch.path, whole).unwrap();
    }
}
