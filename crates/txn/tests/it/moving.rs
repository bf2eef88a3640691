//! Moving a bucket: what it takes with it, and where it may not go.

use txn::{BucketId, Db, ErrorKind, Result, Transaction};

use crate::support::{Contents, Scratch, assert_kind, fill, newest};

/// `a` and `b` at the top, each with `large`, `small` and `mid` inside; `mid` holds `deep`.
fn garden(scratch: &Scratch) -> Db {
    let db = scratch.strict();
    db.update(|tx| {
        for name in ["a", "b"] {
            let mut bucket = tx.create_bucket(name)?;
            bucket.put("key", name)?;
            let mut large = bucket.create_bucket(format!("large {name}"))?;
            fill(&mut large, 0..200, 100);
            large.set_sequence(5)?;
            bucket
                .create_bucket(format!("small {name}"))?
                .put("k", name)?;
            let mut mid = bucket.create_bucket(format!("mid {name}"))?;
            mid.create_bucket("deep")?.put("k", "deep value")?;
        }
        Ok(())
    })
    .unwrap();
    db
}

fn id(tx: &mut Transaction, path: &[&str]) -> Result<BucketId> {
    let mut id = tx.root().id();
    for name in path {
        id = tx.at(id).bucket(name)?.id();
    }
    Ok(id)
}

fn at<'c>(mut contents: &'c mut Contents, path: &[&str]) -> &'c mut Contents {
    for name in path {
        contents = contents.buckets.get_mut(name.as_bytes()).unwrap();
    }
    contents
}

#[test]
fn a_moved_bucket_is_whole_in_its_new_place_and_gone_from_its_old() {
    let cases: [(&str, &[&str], &[&str]); 9] = [
        ("large a", &["a"], &["b"]),
        ("small a", &["a"], &["b"]),
        ("mid a", &["a"], &["b"]),
        ("deep", &["a", "mid a"], &["a"]),
        ("large a", &["a"], &["a", "mid a"]),
        ("small a", &["a"], &["a", "mid a", "deep"]),
        ("small a", &["a"], &[]),
        ("large a", &["a"], &[]),
        ("b", &[], &["a", "small a"]),
    ];
    for (name, from, to) in cases {
        // Alone; with the bucket opened; with the bucket changed; with both sides changed.
        for touch in 0..4 {
            let scratch = Scratch::new();
            let db = garden(&scratch);
            let mut expected = newest(&db);
            let old = db.snapshot().unwrap();
            let moved = at(&mut expected, from)
                .buckets
                .remove(name.as_bytes())
                .unwrap();
            let new_parent = at(&mut expected, to);
            new_parent.buckets.insert(name.as_bytes().to_vec(), moved);
            db.update(|tx| {
                let (from, to) = (id(tx, from)?, id(tx, to)?);
                if touch > 0 {
                    tx.at(from).bucket(name)?;
                }
                if touch > 1 {
                    tx.at(from).bucket(name)?.put("dirty", "change")?;
                    tx.at(from).bucket(name)?.set_sequence(77)?;
                }
                if touch > 2 {
                    tx.at(from).put("from", "from")?;
                    tx.at(to).put("to", "to")?;
                }
                tx.move_bucket(name, from, to)?;
                assert_kind(tx.at(from).bucket(name), ErrorKind::NotFound);
                tx.at(to).bucket(name)?.put("after", "the move")
            })
            .unwrap();
            let moved = at(&mut expected, to)
                .buckets
                .get_mut(name.as_bytes())
                .unwrap();
            moved.pairs.insert(b"after".to_vec(), b"the move".to_vec());
            if touch > 1 {
                moved.pairs.insert(b"dirty".to_vec(), b"change".to_vec());
                moved.sequence = 77;
            }
            if touch > 2 {
                at(&mut expected, from)
                    .pairs
                    .insert(b"from".to_vec(), b"from".to_vec());
                at(&mut expected, to)
                    .pairs
                    .insert(b"to".to_vec(), b"to".to_vec());
            }
            assert_eq!(newest(&db), expected, "{name} {from:?} {to:?} {touch}");
            drop(old);
            scratch.close_clean(db);
        }
    }
}

#[test]
fn a_bucket_made_in_the_same_transaction_moves_with_all_that_is_in_it() {
    let scratch = Scratch::new();
    let db = garden(&scratch);
    db.update(|tx| {
        let (a, b) = (id(tx, &["a"])?, id(tx, &["b"])?);
        let mut old = tx.at(a);
        let mut new = old.create_bucket("new")?;
        fill(&mut new, 0..300, 90);
        new.create_bucket("inside")?.put("k", "v")?;
        tx.at(a).create_bucket("untouched")?;
        tx.move_bucket("new", a, b)?;
        tx.move_bucket("untouched", a, b)?;
        let top = tx.root().id();
        tx.move_bucket("new", b, top)
    })
    .unwrap();
    let all = newest(&db);
    let new = &all.buckets[&b"new"[..]];
    assert_eq!(
        (new.pairs.len(), new.buckets[&b"inside"[..]].pairs.len()),
        (300, 1)
    );
    assert_eq!(
        all.buckets[&b"b"[..]].buckets[&b"untouched"[..]],
        Contents::default()
    );
    scratch.close_clean(db);
}

#[test]
fn a_change_deep_inside_moves_along() {
    let scratch = Scratch::new();
    let db = garden(&scratch);
    db.update(|tx| {
        tx.bucket("a")?
            .bucket("mid a")?
            .bucket("deep")?
            .put("k", "changed")?;
        let (a, b) = (id(tx, &["a"])?, id(tx, &["b", "large b"])?);
        tx.move_bucket("mid a", a, b)
    })
    .unwrap();
    let mut all = newest(&db);
    let deep = at(&mut all, &["b", "large b", "mid a", "deep"]);
    assert_eq!(deep.pairs[&b"k"[..]], b"changed");
    scratch.close_clean(db);
}

#[test]
fn moving_there_and_back_changes_nothing() {
    let scratch = Scratch::new();
    let db = garden(&scratch);
    let before = newest(&db);
    db.update(|tx| {
        let (a, b) = (id(tx, &["a"])?, id(tx, &["b"])?);
        for name in ["large a", "small a", "mid a"] {
            tx.move_bucket(name, a, b)?;
            tx.move_bucket(name, b, a)?;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(newest(&db), before);
    scratch.close_clean(db);
}

#[test]
fn a_move_that_cannot_be_is_refused_and_changes_nothing() {
    let scratch = Scratch::new();
    let db = garden(&scratch);
    let before = newest(&db);
    db.update(|tx| {
        let top = tx.root().id();
        let (a, b) = (id(tx, &["a"])?, id(tx, &["b"])?);
        let refused = |tx: &mut Transaction, name, from, to, kind| {
            assert_kind(tx.move_bucket(name, from, to), kind);
        };
        refused(tx, "absent", a, b, ErrorKind::NotFound);
        refused(tx, "", a, b, ErrorKind::NotFound);
        refused(tx, "key", a, b, ErrorKind::Incompatible);
        refused(tx, "small a", a, a, ErrorKind::Invalid);
        refused(tx, "a", top, top, ErrorKind::Invalid);
        // A bucket of that name, and a key of that name, in the way.
        tx.at(b).create_bucket("small a")?;
        refused(tx, "small a", a, b, ErrorKind::Exists);
        tx.at(b).delete_bucket("small a")?;
        tx.at(b).put("small a", "")?;
        refused(tx, "small a", a, b, ErrorKind::Incompatible);
        tx.at(b).delete("small a")?;
        // Into itself, and into what is inside it.
        let deep = id(tx, &["a", "mid a", "deep"])?;
        refused(tx, "a", top, a, ErrorKind::Invalid);
        refused(tx, "a", top, deep, ErrorKind::Invalid);
        refused(tx, "mid a", a, deep, ErrorKind::Invalid);
        // A place that is gone.
        let gone = tx.at(b).create_bucket("gone")?.id();
        tx.at(b).delete_bucket("gone")?;
        refused(tx, "small a", a, gone, ErrorKind::NotFound);
        refused(tx, "small a", gone, a, ErrorKind::NotFound);
        Ok(())
    })
    .unwrap();
    assert_eq!(newest(&db), before);
    scratch.close_clean(db);
}

#[test]
fn a_move_is_undone_by_a_rollback_and_unseen_by_older_snapshots() {
    let scratch = Scratch::new();
    let db = garden(&scratch);
    let (before, old) = (newest(&db), db.snapshot().unwrap());
    let mut tx = db.begin().unwrap();
    let (a, b) = (id(&mut tx, &["a"]).unwrap(), id(&mut tx, &["b"]).unwrap());
    tx.move_bucket("large a", a, b).unwrap();
    tx.rollback();
    assert_eq!(newest(&db), before);
    db.update(|tx| {
        let (a, b) = (id(tx, &["a"])?, id(tx, &["b"])?);
        tx.move_bucket("large a", a, b)
    })
    .unwrap();
    assert_eq!(crate::support::contents(&old), before);
}

#[test]
fn an_id_follows_its_bucket_when_it_is_moved() {
    let scratch = Scratch::new();
    let db = garden(&scratch);
    db.update(|tx| {
        let (a, b) = (id(tx, &["a"])?, id(tx, &["b"])?);
        let large = tx.at(a).bucket("large a")?.id();
        tx.move_bucket("large a", a, b)?;
        tx.at(large).put("by id", "value")?;
        tx.delete_bucket("a")
    })
    .unwrap();
    let mut all = newest(&db);
    let large = at(&mut all, &["b", "large a"]);
    assert_eq!((large.pairs.len(), large.sequence), (201, 5));
    scratch.close_clean(db);
}
