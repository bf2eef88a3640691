//! Buckets: made, found, nested, deleted, inline and not.

use txn::{BucketMut, ErrorKind, Result, Transaction};

use crate::support::{Contents, Scratch, assert_kind, fill, newest, pairs_of, quick};

#[test]
fn a_bucket_is_made_once() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    db.update(|tx| {
        tx.create_bucket("a")?.put("key", "value")?;
        assert_kind(tx.create_bucket("a"), ErrorKind::Exists);
        assert_eq!(
            tx.create_bucket_if_missing("a")?.get("key")?,
            Some(&b"value"[..])
        );
        Ok(())
    })
    .unwrap();
    db.update(|tx| {
        assert_kind(tx.create_bucket("a"), ErrorKind::Exists);
        assert_eq!(
            tx.create_bucket_if_missing("a")?.get("key")?,
            Some(&b"value"[..])
        );
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_name_is_a_keys_or_a_buckets() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    db.update(|tx| {
        let mut outer = tx.create_bucket("outer")?;
        outer.put("key", "value")?;
        outer.create_bucket("inner").map(drop)
    })
    .unwrap();
    let refuses = |outer: &mut BucketMut<'_>| {
        let incompatible = ErrorKind::Incompatible;
        assert_kind(outer.create_bucket("key"), incompatible);
        assert_kind(outer.create_bucket_if_missing("key"), incompatible);
        assert_kind(outer.delete_bucket("key"), incompatible);
        assert_kind(outer.bucket("key"), ErrorKind::NotFound);
        assert!(outer.bucket_if_exists("key").unwrap().is_none());
        assert_kind(outer.put("inner", ""), incompatible);
        assert_kind(outer.delete("inner"), incompatible);
        assert_eq!(outer.get("inner").unwrap(), None);
        assert_eq!(outer.get("key").unwrap(), Some(&b"value"[..]));
    };
    // Once with nothing of it in memory, once with all of it.
    let mut tx = db.begin().unwrap();
    refuses(&mut tx.bucket("outer").unwrap());
    tx.bucket("outer").unwrap().put("zzz", "").unwrap();
    refuses(&mut tx.bucket("outer").unwrap());
    let snapshot = db.snapshot().unwrap();
    let outer = snapshot.bucket("outer").unwrap();
    assert_eq!(outer.get("inner").unwrap(), None);
    assert_kind(outer.bucket("key"), ErrorKind::NotFound);
    assert!(outer.bucket_if_exists("key").unwrap().is_none());
    assert!(outer.bucket_if_exists("inner").unwrap().is_some());
}

#[test]
fn a_plain_key_at_the_top_is_no_bucket() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    db.update(|tx| tx.root().put("key", "value")).unwrap();
    db.update(|tx| {
        assert_kind(tx.create_bucket("key"), ErrorKind::Incompatible);
        assert_kind(tx.delete_bucket("key"), ErrorKind::Incompatible);
        tx.create_bucket("a").map(drop)
    })
    .unwrap();
    let all = newest(&db);
    assert_eq!((all.pairs.len(), all.buckets.len()), (1, 1));
    scratch.close_clean(db);
}

#[test]
fn a_name_is_neither_empty_nor_longer_than_a_key() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    let (longest, longer) = (vec![b'n'; 32_768], vec![b'n'; 32_769]);
    db.update(|tx| {
        assert_kind(tx.create_bucket(""), ErrorKind::Invalid);
        assert_kind(tx.create_bucket_if_missing(""), ErrorKind::Invalid);
        assert_kind(tx.delete_bucket(""), ErrorKind::NotFound);
        assert_kind(tx.bucket(""), ErrorKind::NotFound);
        assert_kind(tx.create_bucket(&longer), ErrorKind::TooLarge);
        tx.create_bucket(&longest)?.put("key", "value")
    })
    .unwrap();
    let snapshot = db.snapshot().unwrap();
    let bucket = snapshot.bucket(&longest).unwrap();
    assert_eq!(bucket.get("key").unwrap(), Some(&b"value"[..]));
    drop(snapshot);
    scratch.close_clean(db);
}

/// Calls `visit` with the bucket `depth` buckets below the top one, making what is missing.
fn at_depth(
    tx: &mut Transaction,
    depth: usize,
    visit: impl FnOnce(&mut BucketMut<'_>) -> Result<()>,
) -> Result<()> {
    let mut id = tx.root().id();
    for level in 0..depth {
        id = tx
            .at(id)
            .create_bucket_if_missing(format!("level {level}"))?
            .id();
    }
    visit(&mut tx.at(id))
}

#[test]
fn buckets_nest_two_hundred_deep() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    db.update(|tx| at_depth(tx, 200, |bucket| bucket.put("deep", "one")))
        .unwrap();
    db.update(|tx| at_depth(tx, 200, |bucket| bucket.put("deep", "two")))
        .unwrap();
    db.update(|tx| at_depth(tx, 100, |bucket| bucket.set_sequence(7)))
        .unwrap();
    let mut contents = &newest(&db);
    for level in 0..200 {
        assert_eq!(contents.sequence, if level == 100 { 7 } else { 0 });
        contents = &contents.buckets[format!("level {level}").as_bytes()];
    }
    assert_eq!(contents.pairs[&b"deep"[..]], b"two");
    let statistics = db.snapshot().unwrap().root().statistics().unwrap();
    assert_eq!(statistics.buckets, 201);
    db.update(|tx| tx.delete_bucket("level 0")).unwrap();
    assert_eq!(newest(&db), Contents::default());
    scratch.close_clean(db);
}

/// A bucket with two of many pages inside, one of them in the other, and inline ones.
fn plant(tx: &mut Transaction, name: &str) -> Result<()> {
    let mut outer = tx.create_bucket(name)?;
    fill(&mut outer, 0..300, 100);
    let mut large = outer.create_bucket("large")?;
    fill(&mut large, 0..300, 100);
    fill(&mut large.create_bucket("larger")?, 0..300, 100);
    large.put("run", vec![1; 50_000])?;
    outer.create_bucket("small")?.put("key", "value")?;
    outer.create_bucket("empty").map(drop)
}

fn used_pages(db: &txn::Db) -> u64 {
    let all = db.snapshot().unwrap().root().statistics().unwrap();
    (all.branch_alloc_bytes + all.leaf_alloc_bytes) / 4096
}

#[test]
fn deleting_a_bucket_frees_all_its_pages() {
    // In a transaction of its own; with parts of it opened and changed; where it was made.
    type Before = fn(&mut Transaction) -> Result<()>;
    let cases: [Before; 4] = [
        |_| Ok(()),
        |tx| tx.bucket("doomed")?.bucket("large")?.delete("000100"),
        |tx| {
            let mut doomed = tx.bucket("doomed")?;
            doomed.bucket("large")?.bucket("larger")?.delete_range(..)?;
            doomed.bucket("small")?.put("big", vec![2; 9000])?;
            doomed.delete_bucket("empty")?;
            fill(&mut doomed, 1000..1500, 30);
            doomed.create_bucket("late")?.put("key", "value")
        },
        |tx| {
            let (top, doomed) = (tx.root().id(), tx.bucket("doomed")?.id());
            let large = tx.at(doomed).bucket("large")?.id();
            tx.move_bucket("larger", large, doomed)?;
            plant(tx, "second")?;
            tx.move_bucket("second", top, large)
        },
    ];
    for before in cases {
        let scratch = Scratch::new();
        let db = scratch.strict();
        db.update(|tx| tx.create_bucket("stays")?.put("key", "value"))
            .unwrap();
        let empty = used_pages(&db);
        db.update(|tx| plant(tx, "doomed")).unwrap();
        assert!(used_pages(&db) > empty + 20);
        db.update(|tx| {
            before(tx)?;
            tx.delete_bucket("doomed")?;
            assert_kind(tx.bucket("doomed"), ErrorKind::NotFound);
            assert_kind(tx.delete_bucket("doomed"), ErrorKind::NotFound);
            Ok(())
        })
        .unwrap();
        assert_eq!(used_pages(&db), empty);
        assert_eq!(newest(&db).buckets.len(), 1);
        scratch.close_clean(db);
    }
}

#[test]
fn a_bucket_made_and_deleted_in_one_transaction_leaves_nothing() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    db.update(|tx| {
        plant(tx, "gone")?;
        tx.delete_bucket("gone")
    })
    .unwrap();
    assert_eq!(used_pages(&db), 1);
    scratch.close_clean(db);
}

#[test]
fn a_bucket_made_again_is_a_new_one() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    for _ in 0..3 {
        db.update(|tx| {
            if tx.root().bucket_if_exists("again")?.is_some() {
                tx.delete_bucket("again")?;
            }
            plant(tx, "again")?;
            tx.bucket("again")?.set_sequence(9)?;
            tx.delete_bucket("again")?;
            let mut again = tx.create_bucket("again")?;
            assert_eq!((again.sequence()?, again.range(..)?.count()), (0, 0));
            again.put("only", "this")
        })
        .unwrap();
        let again = &newest(&db).buckets[&b"again"[..]];
        assert_eq!((again.pairs.len(), again.buckets.len()), (1, 0));
    }
    scratch.close_clean(db);
}

#[test]
fn the_id_of_a_deleted_bucket_answers_not_found() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    let mut tx = db.begin().unwrap();
    plant(&mut tx, "gone").unwrap();
    let outer = tx.bucket("gone").unwrap().id();
    let inner = tx.at(outer).bucket("large").unwrap().id();
    tx.delete_bucket("gone").unwrap();
    for id in [outer, inner] {
        let mut bucket = tx.at(id);
        let missing = ErrorKind::NotFound;
        assert_kind(bucket.get("key"), missing);
        assert_kind(bucket.put("key", "value"), missing);
        assert_kind(bucket.delete("key"), missing);
        assert_kind(bucket.sequence(), missing);
        assert_kind(bucket.set_sequence(1), missing);
        assert_kind(bucket.cursor(), missing);
        assert_kind(bucket.create_bucket("new"), missing);
        assert_kind(bucket.cursor_mut().first(), missing);
    }
    tx.create_bucket("gone").unwrap();
    assert_kind(tx.at(outer).get("key"), ErrorKind::NotFound);
    tx.commit().unwrap();
    scratch.close_clean(db);
}

#[test]
fn a_sequence_is_kept_though_nothing_else_changed() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    db.update(|tx| {
        fill(&mut tx.create_bucket("paged")?, 0..500, 50);
        tx.create_bucket("inline")?.put("key", "value")?;
        tx.create_bucket("outer")?.create_bucket("nested").map(drop)
    })
    .unwrap();
    for expected in 1..4 {
        db.update(|tx| {
            assert_eq!(tx.bucket("paged")?.next_sequence()?, expected);
            assert_eq!(tx.bucket("inline")?.next_sequence()?, expected);
            assert_eq!(
                tx.bucket("outer")?.bucket("nested")?.next_sequence()?,
                expected
            );
            assert_eq!(tx.bucket("outer")?.sequence()?, 0);
            Ok(())
        })
        .unwrap();
        let snapshot = db.snapshot().unwrap();
        assert_eq!(snapshot.bucket("paged").unwrap().sequence(), expected);
        assert_eq!(snapshot.bucket("inline").unwrap().sequence(), expected);
        assert_eq!(pairs_of(snapshot.bucket("paged").unwrap()).len(), 500);
    }
    db.update(|tx| tx.bucket("inline")?.set_sequence(u64::MAX))
        .unwrap();
    db.update(|tx| {
        let mut inline = tx.bucket("inline")?;
        assert_eq!(inline.sequence()?, u64::MAX);
        assert_eq!(inline.next_sequence()?, 0, "it wraps");
        inline.put("other", "")
    })
    .unwrap();
    let all = newest(&db);
    assert_eq!(
        all.buckets[&b"outer"[..]].buckets[&b"nested"[..]].sequence,
        3
    );
    assert_eq!(all.buckets[&b"inline"[..]].pairs.len(), 2);
    scratch.close_clean(db);
}

fn is_inline(db: &txn::Db, name: &str) -> bool {
    db.snapshot().unwrap().bucket(name).unwrap().root_page() == 0
}

#[test]
fn a_bucket_of_exactly_a_quarter_page_lives_inline() {
    // 16 bytes of page header, 16 of element, 3 of key: 1024 with a value of 989.
    let scratch = Scratch::new();
    let db = scratch.strict();
    let put = |len| db.update(|tx| tx.create_bucket_if_missing("b")?.put("key", vec![1; len]));
    let pages = |db: &txn::Db| used_pages(db);
    for (len, inline) in [
        (989, true),
        (990, false),
        (20_000, false),
        (989, true),
        (1, true),
    ] {
        put(len).unwrap();
        assert_eq!(is_inline(&db, "b"), inline, "{len}");
        let runs = if inline {
            0
        } else {
            (35 + len as u64).div_ceil(4096)
        };
        assert_eq!(pages(&db), 1 + runs, "{len}: the old page is freed");
        let snapshot = db.snapshot().unwrap();
        assert_eq!(
            snapshot.bucket("b").unwrap().get("key").unwrap(),
            Some(&vec![1; len][..])
        );
    }
    scratch.close_clean(db);
}

#[test]
fn a_quarter_is_rounded_down() {
    let scratch = Scratch::new();
    let db = quick()
        .page_bytes(5001)
        .strict(true)
        .open(&scratch.path)
        .unwrap();
    for (len, inline) in [(1250 - 35, true), (1251 - 35, false)] {
        db.update(|tx| tx.create_bucket_if_missing("b")?.put("key", vec![1; len]))
            .unwrap();
        assert_eq!(is_inline(&db, "b"), inline, "{len}");
    }
    scratch.close_clean(db);
}

#[test]
fn a_bucket_with_a_bucket_inside_is_not_inline() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    db.update(|tx| tx.create_bucket("outer")?.put("key", "value"))
        .unwrap();
    assert!(is_inline(&db, "outer"));
    db.update(|tx| tx.bucket("outer")?.create_bucket("inner").map(drop))
        .unwrap();
    assert!(!is_inline(&db, "outer"));
    db.update(|tx| tx.bucket("outer")?.bucket("inner")?.put("key", "value"))
        .unwrap();
    assert!(!is_inline(&db, "outer"));
    db.update(|tx| tx.bucket("outer")?.delete_bucket("inner"))
        .unwrap();
    assert!(is_inline(&db, "outer"));
    scratch.close_clean(db);
}

#[test]
fn a_large_bucket_that_shrinks_becomes_inline_again() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    db.update(|tx| {
        fill(&mut tx.create_bucket("b")?, 0..5000, 100);
        Ok(())
    })
    .unwrap();
    assert!(!is_inline(&db, "b"));
    db.update(|tx| tx.bucket("b")?.delete_range("000003"..))
        .unwrap();
    assert!(is_inline(&db, "b"));
    assert_eq!(used_pages(&db), 1);
    assert_eq!(
        pairs_of(db.snapshot().unwrap().bucket("b").unwrap()).len(),
        3
    );
    scratch.close_clean(db);
}

#[test]
fn a_bucket_nobody_touched_keeps_its_form() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    db.update(|tx| {
        fill(&mut tx.create_bucket("paged")?, 0..100, 60);
        tx.create_bucket("other").map(drop)
    })
    .unwrap();
    let root = db.snapshot().unwrap().bucket("paged").unwrap().root_page();
    db.update(|tx| {
        assert_eq!(tx.bucket("paged")?.range(..)?.count(), 100);
        tx.bucket("paged")?.delete("absent")?;
        tx.bucket("other")?.put("key", "value")
    })
    .unwrap();
    assert_eq!(
        db.snapshot().unwrap().bucket("paged").unwrap().root_page(),
        root
    );
}

#[test]
fn ten_thousand_buckets_are_found_again() {
    let scratch = Scratch::new();
    let db = scratch.open();
    let name = |i: usize| format!("bucket {i:05}");
    db.update(|tx| (0..10_000).try_for_each(|i| tx.create_bucket(name(i))?.put("own", name(i))))
        .unwrap();
    db.update(|tx| {
        (0..10_000)
            .step_by(3)
            .try_for_each(|i| tx.delete_bucket(name(i)))
    })
    .unwrap();
    let all = newest(&db);
    assert_eq!(all.buckets.len(), 6666);
    for (found, bucket) in &all.buckets {
        assert_eq!(&bucket.pairs[&b"own"[..]], found);
    }
    let mut names = 0;
    let snapshot = db.snapshot().unwrap();
    snapshot
        .for_each_bucket(|_| {
            names += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(names, 6666);
    drop(snapshot);
    scratch.close_clean(db);
}

#[test]
fn a_path_leads_to_a_bucket_in_snapshots_and_transactions() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    db.update(|tx| {
        let mut outer = tx.create_bucket("a")?;
        outer.put("pair", "no bucket")?;
        outer.create_bucket("b")?.put("k", "v")?;
        tx.bucket_at(["a", "b"])?.put("l", "w")?;
        assert!(tx.bucket_at(["a", "b"])?.remove("k")?);
        assert!(!tx.bucket_at(["a", "b"])?.remove("k")?);
        assert_kind(
            tx.bucket_at(["a", "b"])?.create_bucket(""),
            ErrorKind::Invalid,
        );
        assert_kind(tx.bucket_at(["a", "c"]), ErrorKind::NotFound);
        assert_kind(tx.bucket_at(["a", "pair"]), ErrorKind::NotFound);
        tx.bucket_at([""; 0])?.put("top", "pair")
    })
    .unwrap();
    let snapshot = db.snapshot().unwrap();
    let inner = snapshot.bucket_at(["a", "b"]).unwrap();
    assert_eq!(inner.get("l").unwrap(), Some(&b"w"[..]));
    assert_eq!(inner.get("k").unwrap(), None);
    assert_kind(snapshot.bucket_at([b"a", b"x"]), ErrorKind::NotFound);
    let top = snapshot.bucket_at([""; 0]).unwrap();
    assert_eq!(top.get("top").unwrap(), Some(&b"pair"[..]));
    assert_eq!(snapshot.check().unwrap(), []);
}
