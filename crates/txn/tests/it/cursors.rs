//! Cursors: every place they can stand, over pages, over changed nodes, and over emptied ones.

use txn::{Bucket, BucketMut, Cursor, CursorMut, Db, ErrorKind, Result};

use crate::support::{Random, Scratch, assert_kind, fill, quick};

/// What both kinds of cursor can do, answering keys only.
trait Steps {
    fn first_key(&mut self) -> Option<Vec<u8>>;
    fn last_key(&mut self) -> Option<Vec<u8>>;
    fn seek_key(&mut self, key: &[u8]) -> Option<Vec<u8>>;
    fn seek_back_key(&mut self, key: &[u8]) -> Option<Vec<u8>>;
    fn next_key(&mut self) -> Option<Vec<u8>>;
    fn prev_key(&mut self) -> Option<Vec<u8>>;
}

macro_rules! steps {
    ($cursor:ty) => {
        impl Steps for $cursor {
            fn first_key(&mut self) -> Option<Vec<u8>> {
                self.first().unwrap().map(|entry| entry.0.to_vec())
            }
            fn last_key(&mut self) -> Option<Vec<u8>> {
                self.last().unwrap().map(|entry| entry.0.to_vec())
            }
            fn seek_key(&mut self, key: &[u8]) -> Option<Vec<u8>> {
                self.seek(key).unwrap().map(|entry| entry.0.to_vec())
            }
            fn seek_back_key(&mut self, key: &[u8]) -> Option<Vec<u8>> {
                self.seek_for_prev(key)
                    .unwrap()
                    .map(|entry| entry.0.to_vec())
            }
            fn next_key(&mut self) -> Option<Vec<u8>> {
                self.next().unwrap().map(|entry| entry.0.to_vec())
            }
            fn prev_key(&mut self) -> Option<Vec<u8>> {
                self.prev().unwrap().map(|entry| entry.0.to_vec())
            }
        }
    };
}
steps!(Cursor<'_>);
steps!(CursorMut<'_>);

/// Gives `claim` every kind of cursor over a bucket with these keys: over pages, over pages with
/// changed nodes between, over nodes alone, and the one that can delete.
fn on_every_cursor(keys: &[Vec<u8>], claim: fn(&mut dyn Steps, &[Vec<u8>])) {
    let scratch = Scratch::new();
    let db = quick().page_bytes(1024).open(&scratch.path).unwrap();
    let put_all =
        |bucket: &mut BucketMut<'_>| keys.iter().try_for_each(|key| bucket.put(key, [1; 50]));
    db.update(|tx| put_all(&mut tx.create_bucket("b")?))
        .unwrap();
    let snapshot = db.snapshot().unwrap();
    claim(&mut snapshot.bucket("b").unwrap().cursor(), keys);
    let mut tx = db.begin().unwrap();
    let mut bucket = tx.bucket("b").unwrap();
    claim(&mut bucket.cursor().unwrap(), keys);
    claim(&mut bucket.cursor_mut(), keys);
    for key in keys.iter().step_by(40) {
        bucket.put(key, [2; 60]).unwrap();
    }
    claim(&mut bucket.cursor().unwrap(), keys);
    claim(&mut bucket.cursor_mut(), keys);
    let mut fresh = tx.create_bucket("fresh").unwrap();
    put_all(&mut fresh).unwrap();
    claim(&mut fresh.cursor().unwrap(), keys);
    claim(&mut fresh.cursor_mut(), keys);
}

fn numbered(count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|i| format!("{:05}", 2 * i).into_bytes())
        .collect()
}

#[test]
fn a_fresh_cursor_is_nowhere() {
    on_every_cursor(&numbered(100), |cursor, keys| {
        assert_eq!(cursor.next_key(), None);
        assert_eq!(cursor.prev_key(), None);
        assert_eq!(cursor.next_key(), None);
        assert_eq!(cursor.first_key().as_ref(), keys.first());
    });
}

#[test]
fn an_end_does_not_move_the_cursor() {
    on_every_cursor(&numbered(100), |cursor, keys| {
        assert_eq!(cursor.last_key().as_ref(), keys.last());
        for _ in 0..3 {
            assert_eq!(cursor.next_key(), None);
        }
        assert_eq!(cursor.prev_key().as_ref(), Some(&keys[98]));
        assert_eq!(cursor.first_key().as_ref(), keys.first());
        for _ in 0..3 {
            assert_eq!(cursor.prev_key(), None);
        }
        assert_eq!(cursor.next_key().as_ref(), Some(&keys[1]));
    });
}

#[test]
fn next_and_prev_turn_round_at_both_ends_of_a_thousand_keys() {
    on_every_cursor(&numbered(1000), |cursor, keys| {
        assert_eq!(cursor.first_key().as_ref(), keys.first());
        let forward = |cursor: &mut dyn Steps| {
            keys[1..]
                .iter()
                .for_each(|key| assert_eq!(cursor.next_key().as_ref(), Some(key)));
            (0..10).for_each(|_| assert_eq!(cursor.next_key(), None));
        };
        let back = |cursor: &mut dyn Steps| {
            keys[..999]
                .iter()
                .rev()
                .for_each(|key| assert_eq!(cursor.prev_key().as_ref(), Some(key)));
            (0..10).for_each(|_| assert_eq!(cursor.prev_key(), None));
        };
        forward(cursor);
        back(cursor);
        forward(cursor);
        assert_eq!(cursor.last_key().as_ref(), keys.last());
        back(cursor);
        forward(cursor);
    });
}

#[test]
fn a_seek_finds_the_first_at_or_after_for_every_number() {
    on_every_cursor(&numbered(700), |cursor, keys| {
        for number in 0..1398_usize {
            let found = cursor.seek_key(format!("{number:05}").as_bytes());
            assert_eq!(found.as_ref(), Some(&keys[number.div_ceil(2)]));
            let (next, prev) = (
                keys.get(number.div_ceil(2) + 1),
                number.div_ceil(2).checked_sub(1),
            );
            if number % 7 == 0 {
                assert_eq!(cursor.next_key().as_ref(), next);
            } else {
                assert_eq!(cursor.prev_key().as_ref(), prev.map(|prev| &keys[prev]));
            }
        }
        assert_eq!(cursor.seek_key(b"").as_ref(), keys.first());
    });
}

#[test]
fn a_seek_back_finds_the_last_at_or_before_for_every_number() {
    on_every_cursor(&numbered(700), |cursor, keys| {
        for number in 0..1399 {
            let found = cursor.seek_back_key(format!("{number:05}").as_bytes());
            assert_eq!(found.as_ref(), Some(&keys[number / 2]));
            if number % 7 == 0 {
                assert_eq!(cursor.next_key().as_ref(), keys.get(number / 2 + 1));
            }
        }
        assert_eq!(cursor.seek_back_key(b"~").as_ref(), keys.last());
    });
}

#[test]
fn a_seek_past_the_last_key_stands_behind_it() {
    on_every_cursor(&numbered(300), |cursor, keys| {
        for _ in 0..2 {
            assert_eq!(cursor.seek_key(b"~"), None);
            assert_eq!(cursor.next_key(), None);
            assert_eq!(cursor.prev_key().as_ref(), keys.last());
            assert_eq!(cursor.prev_key().as_ref(), Some(&keys[298]));
        }
        assert_eq!(cursor.seek_key(b"~"), None);
        assert_eq!(cursor.prev_key().as_ref(), keys.last());
        assert_eq!(cursor.next_key(), None);
        assert_eq!(cursor.prev_key().as_ref(), Some(&keys[298]));
    });
}

#[test]
fn a_seek_back_before_the_first_key_stands_before_it() {
    on_every_cursor(&numbered(300), |cursor, keys| {
        assert_eq!(cursor.seek_back_key(b"!"), None);
        assert_eq!(cursor.prev_key(), None);
        assert_eq!(cursor.next_key().as_ref(), keys.first());
        assert_eq!(cursor.next_key().as_ref(), Some(&keys[1]));
    });
}

#[test]
fn an_empty_bucket_has_no_place_to_stand() {
    on_every_cursor(&[], |cursor, _| {
        for _ in 0..2 {
            assert_eq!(cursor.first_key(), None);
            assert_eq!(cursor.next_key(), None);
            assert_eq!(cursor.last_key(), None);
            assert_eq!(cursor.prev_key(), None);
            assert_eq!(cursor.seek_key(b"key"), None);
            assert_eq!(cursor.next_key(), None);
            assert_eq!(cursor.prev_key(), None);
            assert_eq!(cursor.seek_back_key(b"key"), None);
            assert_eq!(cursor.next_key(), None);
            assert_eq!(cursor.prev_key(), None);
        }
    });
}

#[test]
fn keys_put_in_random_order_are_walked_in_order_both_ways() {
    let mut random = Random::new(3);
    let mut keys: Vec<Vec<u8>> = (0..1500)
        .map(|_| {
            let len = 1 + random.below(30) as usize;
            random.bytes(len)
        })
        .collect();
    keys.sort();
    keys.dedup();
    on_every_cursor(&keys, |cursor, keys| {
        let mut at = cursor.first_key();
        for key in keys {
            assert_eq!(at.as_ref(), Some(key));
            at = cursor.next_key();
        }
        let mut at = cursor.last_key();
        for key in keys.iter().rev() {
            assert_eq!(at.as_ref(), Some(key));
            at = cursor.prev_key();
        }
        assert_eq!(at, None);
    });
}

fn loaded(scratch: &Scratch, keys: usize) -> Db {
    let db = quick()
        .page_bytes(1024)
        .strict(true)
        .open(&scratch.path)
        .unwrap();
    db.update(|tx| {
        fill(&mut tx.create_bucket("b")?, 0..keys, 30);
        Ok(())
    })
    .unwrap();
    db
}

fn forward(bucket: &BucketMut<'_>) -> usize {
    let mut cursor = bucket.cursor().unwrap();
    let mut count = usize::from(cursor.first().unwrap().is_some());
    while cursor.next().unwrap().is_some() {
        count += 1;
    }
    count
}

fn backward(bucket: &BucketMut<'_>) -> usize {
    let mut cursor = bucket.cursor().unwrap();
    let mut count = usize::from(cursor.last().unwrap().is_some());
    while cursor.prev().unwrap().is_some() {
        count += 1;
    }
    count
}

#[test]
fn leaves_emptied_in_the_same_transaction_are_passed_over_both_ways() {
    let regions = [
        (0, 600),
        (400, 1000),
        (100, 900),
        (0, 999),
        (1, 1000),
        (0, 1000),
    ];
    for (start, end) in regions {
        let scratch = Scratch::new();
        let db = loaded(&scratch, 1000);
        let mut tx = db.begin().unwrap();
        let mut bucket = tx.bucket("b").unwrap();
        (start..end).for_each(|key: usize| bucket.delete(format!("{key:06}")).unwrap());
        let left = 1000 - (end - start);
        assert_eq!(
            (forward(&bucket), backward(&bucket)),
            (left, left),
            "{start}..{end}"
        );
        let mut cursor = bucket.cursor().unwrap();
        let after = (end < 1000).then(|| format!("{end:06}").into_bytes());
        let before = (start > 0).then(|| format!("{:06}", start - 1).into_bytes());
        let middle = format!("{:06}", usize::midpoint(start, end));
        assert_eq!(cursor.seek_key(middle.as_bytes()), after);
        assert_eq!(cursor.seek_back_key(middle.as_bytes()), before);
        if after.is_some() && before.is_some() {
            assert_eq!(cursor.next_key(), after);
            assert_eq!(cursor.prev_key(), before);
        }
        tx.commit().unwrap();
        let mut tx = db.begin().unwrap();
        let bucket = tx.bucket("b").unwrap();
        assert_eq!((forward(&bucket), backward(&bucket)), (left, left));
        drop(tx);
        scratch.close_clean(db);
    }
}

/// Deletes by a cursor whatever `chosen` says, walking one way; answers the keys it was shown.
fn sweep(
    bucket: &mut BucketMut<'_>,
    back: bool,
    chosen: impl Fn(usize) -> bool,
) -> Result<Vec<Vec<u8>>> {
    let mut cursor = bucket.cursor_mut();
    let mut shown = Vec::new();
    let mut at = if back {
        cursor.last_key()
    } else {
        cursor.first_key()
    };
    while let Some(key) = at {
        shown.push(key);
        if chosen(shown.len() - 1) {
            cursor.delete()?;
        }
        at = if back {
            cursor.prev_key()
        } else {
            cursor.next_key()
        };
    }
    Ok(shown)
}

#[test]
fn deleting_while_walking_visits_every_key() {
    type Chosen = fn(usize) -> bool;
    let choices: [Chosen; 4] = [|_| true, |i| i % 2 == 0, |i| i % 10 != 0, |i| i < 500];
    for (back, dirty) in [(false, false), (false, true), (true, false), (true, true)] {
        for chosen in choices {
            let scratch = Scratch::new();
            let db = loaded(&scratch, 1000);
            db.update(|tx| {
                let mut bucket = tx.bucket("b")?;
                if dirty {
                    // Every leaf in memory before the walk begins: here bbolt skips every second.
                    (0..1000)
                        .step_by(5)
                        .for_each(|key| fill(&mut bucket, key..key + 1, 31));
                }
                let shown = sweep(&mut bucket, back, chosen)?;
                assert_eq!(shown.len(), 1000);
                let ordered = shown.windows(2).all(|pair| (pair[0] < pair[1]) != back);
                assert!(ordered);
                let left = (0..1000).filter(|i| !chosen(*i)).count();
                assert_eq!((forward(&bucket), backward(&bucket)), (left, left));
                Ok(())
            })
            .unwrap();
            scratch.close_clean(db);
        }
    }
}

#[test]
fn a_cursor_deletes_only_where_it_stands_on_a_pair() {
    let scratch = Scratch::new();
    let db = loaded(&scratch, 10);
    db.update(|tx| {
        let mut bucket = tx.bucket("b")?;
        bucket.create_bucket("bucket")?.put("k", "v")?;
        let mut cursor = bucket.cursor_mut();
        assert_kind(cursor.delete(), ErrorKind::Invalid);
        assert!(cursor.seek("~")?.is_none());
        cursor.delete()?;
        assert_eq!(cursor.prev_key().as_deref(), Some(&b"bucket"[..]));
        assert_kind(cursor.delete(), ErrorKind::Incompatible);
        assert_eq!(
            cursor.prev_key().as_deref(),
            Some(&b"000009"[..]),
            "it still stands there"
        );
        // Twice at one place deletes once.
        cursor.delete()?;
        cursor.delete()?;
        assert_eq!(cursor.next_key().as_deref(), Some(&b"bucket"[..]));
        assert_eq!(cursor.prev_key().as_deref(), Some(&b"000008"[..]));
        // At the ends, the gap is where it stays.
        assert!(cursor.first()?.is_some());
        cursor.delete()?;
        assert_eq!(cursor.prev_key(), None);
        assert_eq!(cursor.next_key().as_deref(), Some(&b"000001"[..]));
        Ok(())
    })
    .unwrap();
    let snapshot = db.snapshot().unwrap();
    assert_eq!(snapshot.bucket("b").unwrap().range(..).count(), 8);
}

#[test]
fn a_cursor_shows_a_bucket_as_a_name_without_a_value() {
    let scratch = Scratch::new();
    let db = loaded(&scratch, 3);
    db.update(|tx| {
        let mut bucket = tx.bucket("b")?;
        bucket
            .create_bucket("000001 bucket")?
            .put("inside", "value")?;
        let shown: Vec<_> = entries(&mut bucket.cursor()?);
        assert_eq!(shown[2], (b"000001 bucket".to_vec(), false));
        Ok(())
    })
    .unwrap();
    let snapshot = db.snapshot().unwrap();
    let mut cursor = snapshot.bucket("b").unwrap().cursor();
    let shown = entries(&mut cursor);
    assert_eq!(shown.len(), 4);
    assert_eq!(shown[2], (b"000001 bucket".to_vec(), false));
    cursor.seek("000001 bucket").unwrap();
    let inside: Bucket<'_> = cursor.bucket().unwrap().unwrap();
    assert_eq!(inside.get("inside").unwrap(), Some(&b"value"[..]));
    cursor.next().unwrap();
    assert!(cursor.bucket().unwrap().is_none());
}

fn entries(cursor: &mut Cursor<'_>) -> Vec<(Vec<u8>, bool)> {
    let mut shown = Vec::new();
    let mut entry = cursor.first().unwrap();
    while let Some((key, value)) = entry {
        shown.push((key.to_vec(), value.is_some()));
        entry = cursor.next().unwrap();
    }
    shown
}

#[test]
fn current_answers_where_the_cursor_stands() {
    let scratch = Scratch::new();
    let db = loaded(&scratch, 200);
    let snapshot = db.snapshot().unwrap();
    let mut cursor = snapshot.bucket("b").unwrap().cursor();
    assert_eq!(cursor.current().unwrap(), None);
    let first = cursor.first().unwrap();
    assert!(first.is_some());
    assert_eq!(cursor.current().unwrap(), first);
    let next = cursor.next().unwrap();
    assert_eq!(cursor.current().unwrap(), next);
    let last = cursor.last().unwrap();
    cursor.next().unwrap();
    assert_eq!(cursor.current().unwrap(), last);
    cursor.seek("~").unwrap();
    assert_eq!(cursor.current().unwrap(), None);
    cursor.seek_for_prev("!").unwrap();
    assert_eq!(cursor.current().unwrap(), None);
}
