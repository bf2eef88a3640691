//! Laws about moving through a space, on snapshots and on transactions that merge their writes.

use kv_api::{Cursor, Reader, Space, Store, Transaction};

use crate::Fixture;
use crate::scaffold::{Pair, at, numbered, on_every_reader, opened, own, pairs_of};

fn letters() -> Vec<Pair> {
    pairs_of(&[b"b", b"d", b"f", b"h"])
}

/// Before the first move `current`, `next` and `prev` answer nothing.
pub fn before_the_first_move_a_cursor_is_nowhere<F: Fixture>() {
    on_every_reader!(F, letters(), |reader, space, pairs| {
        let mut cursor = reader.cursor(space).unwrap();
        assert_eq!(at!(cursor.current()), None);
        assert_eq!(at!(cursor.next()), None);
        assert_eq!(at!(cursor.prev()), None);
        assert_eq!(at!(cursor.next()), None);
        assert_eq!(at!(cursor.current()), None);
        assert_eq!(at!(cursor.first()).as_ref(), pairs.first());
    });
}

/// `first` and then `next` meets every pair, ascending.
pub fn a_cursor_walks_forward_through_every_pair<F: Fixture>() {
    on_every_reader!(F, numbered(1_200), |reader, space, pairs| {
        let mut cursor = reader.cursor(space).unwrap();
        let mut moved = at!(cursor.first());
        for pair in pairs {
            assert_eq!(moved.as_ref(), Some(pair));
            moved = at!(cursor.next());
        }
        assert_eq!(moved, None);
    });
}

/// `last` and then `prev` meets every pair, descending.
pub fn a_cursor_walks_backward_through_every_pair<F: Fixture>() {
    on_every_reader!(F, numbered(1_200), |reader, space, pairs| {
        let mut cursor = reader.cursor(space).unwrap();
        let mut moved = at!(cursor.last());
        for pair in pairs.iter().rev() {
            assert_eq!(moved.as_ref(), Some(pair));
            moved = at!(cursor.prev());
        }
        assert_eq!(moved, None);
    });
}

/// `next` at the last pair answers nothing, however often, and the cursor is still there.
pub fn the_end_does_not_move_the_cursor<F: Fixture>() {
    on_every_reader!(F, letters(), |reader, space, pairs| {
        let mut cursor = reader.cursor(space).unwrap();
        assert_eq!(at!(cursor.last()).as_ref(), pairs.last());
        for _ in 0..3 {
            assert_eq!(at!(cursor.next()), None);
            assert_eq!(at!(cursor.current()).as_ref(), pairs.last());
        }
        assert_eq!(at!(cursor.prev()).as_ref(), Some(&pairs[2]));
        assert_eq!(at!(cursor.next()).as_ref(), Some(&pairs[3]));
        assert_eq!(at!(cursor.next()), None);
        assert_eq!(at!(cursor.prev()).as_ref(), Some(&pairs[2]));
    });
}

/// `prev` at the first pair answers nothing, however often, and the cursor is still there.
pub fn the_beginning_does_not_move_the_cursor<F: Fixture>() {
    on_every_reader!(F, letters(), |reader, space, pairs| {
        let mut cursor = reader.cursor(space).unwrap();
        assert_eq!(at!(cursor.first()).as_ref(), pairs.first());
        for _ in 0..3 {
            assert_eq!(at!(cursor.prev()), None);
            assert_eq!(at!(cursor.current()).as_ref(), pairs.first());
        }
        assert_eq!(at!(cursor.next()).as_ref(), Some(&pairs[1]));
        assert_eq!(at!(cursor.prev()).as_ref(), Some(&pairs[0]));
        assert_eq!(at!(cursor.prev()), None);
        assert_eq!(at!(cursor.next()).as_ref(), Some(&pairs[1]));
    });
}

/// A space with one pair: it is first and last, and both ends.
pub fn a_single_pair_is_both_ends<F: Fixture>() {
    on_every_reader!(F, pairs_of(&[b"m"]), |reader, space, pairs| {
        let mut cursor = reader.cursor(space).unwrap();
        assert_eq!(at!(cursor.first()).as_ref(), pairs.first());
        assert_eq!(at!(cursor.next()), None);
        assert_eq!(at!(cursor.prev()), None);
        assert_eq!(at!(cursor.current()).as_ref(), pairs.first());
        assert_eq!(at!(cursor.last()).as_ref(), pairs.first());
        assert_eq!(at!(cursor.prev()), None);
        assert_eq!(at!(cursor.next()), None);
        assert_eq!(at!(cursor.current()).as_ref(), pairs.first());
    });
}

/// In an empty space every move answers nothing.
pub fn in_an_empty_space_every_move_answers_nothing<F: Fixture>() {
    on_every_reader!(F, vec![], |reader, space, _pairs| {
        let mut cursor = reader.cursor(space).unwrap();
        for round in 0..2 {
            assert_eq!(at!(cursor.first()), None, "round {round}");
            assert_eq!(at!(cursor.next()), None);
            assert_eq!(at!(cursor.last()), None);
            assert_eq!(at!(cursor.prev()), None);
            assert_eq!(at!(cursor.seek(b"a")), None);
            assert_eq!(at!(cursor.prev()), None);
            assert_eq!(at!(cursor.seek_for_prev(b"a")), None);
            assert_eq!(at!(cursor.next()), None);
            assert_eq!(at!(cursor.current()), None);
        }
    });
}

/// `seek` comes to the first pair at or after its key, and goes on from there both ways.
pub fn a_seek_comes_to_the_first_pair_at_or_after<F: Fixture>() {
    on_every_reader!(F, letters(), |reader, space, pairs| {
        for key in [
            &b"a"[..],
            b"b",
            b"b\0",
            b"c",
            b"d",
            b"e",
            b"f",
            b"g",
            b"h",
            &[0],
        ] {
            let index = pairs.partition_point(|(other, _)| &other[..] < key);
            let mut cursor = reader.cursor(space).unwrap();
            assert_eq!(at!(cursor.seek(key)).as_ref(), pairs.get(index), "{key:?}");
            assert_eq!(at!(cursor.current()).as_ref(), pairs.get(index));
            assert_eq!(at!(cursor.next()).as_ref(), pairs.get(index + 1));
            cursor.seek(key).unwrap();
            let before = index.checked_sub(1).and_then(|i| pairs.get(i));
            assert_eq!(at!(cursor.prev()).as_ref(), before, "before {key:?}");
        }
    });
}

/// `seek_for_prev` comes to the last pair at or before its key, and goes on from there both ways.
pub fn a_seek_for_prev_comes_to_the_last_pair_at_or_before<F: Fixture>() {
    on_every_reader!(F, letters(), |reader, space, pairs| {
        for key in [
            &b"b"[..],
            b"b\0",
            b"c",
            b"d",
            b"e",
            b"f",
            b"g",
            b"h",
            b"i",
            &[0xFF],
        ] {
            let index = pairs.partition_point(|(other, _)| &other[..] <= key) - 1;
            let mut cursor = reader.cursor(space).unwrap();
            assert_eq!(
                at!(cursor.seek_for_prev(key)).as_ref(),
                pairs.get(index),
                "{key:?}"
            );
            assert_eq!(at!(cursor.current()).as_ref(), pairs.get(index));
            assert_eq!(at!(cursor.next()).as_ref(), pairs.get(index + 1));
            cursor.seek_for_prev(key).unwrap();
            let before = index.checked_sub(1).and_then(|i| pairs.get(i));
            assert_eq!(at!(cursor.prev()).as_ref(), before, "before {key:?}");
        }
    });
}

/// A `seek` past the last pair leaves the cursor behind it.
pub fn a_seek_past_the_last_pair_stays_behind_it<F: Fixture>() {
    on_every_reader!(F, letters(), |reader, space, pairs| {
        let mut cursor = reader.cursor(space).unwrap();
        for key in [&b"h\0"[..], b"i", &[0xFF, 0xFF]] {
            assert_eq!(at!(cursor.seek(key)), None);
            assert_eq!(at!(cursor.current()), None);
            assert_eq!(at!(cursor.next()), None);
            assert_eq!(at!(cursor.current()), None);
            assert_eq!(at!(cursor.prev()).as_ref(), pairs.last());
            assert_eq!(at!(cursor.current()).as_ref(), pairs.last());
            assert_eq!(at!(cursor.prev()).as_ref(), Some(&pairs[2]));
        }
    });
}

/// A `seek_for_prev` before the first pair leaves the cursor before it.
pub fn a_seek_for_prev_before_the_first_pair_stays_before_it<F: Fixture>() {
    on_every_reader!(F, letters(), |reader, space, pairs| {
        let mut cursor = reader.cursor(space).unwrap();
        for key in [&b"a"[..], &[0], b"azzz"] {
            assert_eq!(at!(cursor.seek_for_prev(key)), None);
            assert_eq!(at!(cursor.current()), None);
            assert_eq!(at!(cursor.prev()), None);
            assert_eq!(at!(cursor.current()), None);
            assert_eq!(at!(cursor.next()).as_ref(), pairs.first());
            assert_eq!(at!(cursor.current()).as_ref(), pairs.first());
            assert_eq!(at!(cursor.next()).as_ref(), Some(&pairs[1]));
        }
    });
}

/// The empty key is before every other: a range from it begins at the first pair.
pub fn the_empty_key_is_before_every_pair<F: Fixture>() {
    on_every_reader!(F, pairs_of(&[&[0], b"a"]), |reader, space, pairs| {
        let mut cursor = reader.cursor(space).unwrap();
        assert_eq!(at!(cursor.seek(b"")).as_ref(), pairs.first());
        assert_eq!(at!(cursor.seek_for_prev(b"")), None);
        assert_eq!(at!(cursor.next()).as_ref(), pairs.first());
    });
}

/// `current` answers the pair of the last move, again and again.
pub fn current_answers_where_the_cursor_is<F: Fixture>() {
    on_every_reader!(F, numbered(50), |reader, space, pairs| {
        let mut cursor = reader.cursor(space).unwrap();
        cursor.first().unwrap();
        for pair in pairs {
            assert_eq!(at!(cursor.current()).as_ref(), Some(pair));
            assert_eq!(at!(cursor.current()).as_ref(), Some(pair));
            cursor.next().unwrap();
        }
    });
}

/// A cursor may turn round anywhere, also where it crosses from page to page.
pub fn a_cursor_may_turn_round_anywhere<F: Fixture>() {
    on_every_reader!(F, numbered(700), |reader, space, pairs| {
        let mut cursor = reader.cursor(space).unwrap();
        cursor.first().unwrap();
        // Two steps forward, one back.
        for i in 0..pairs.len() - 2 {
            assert_eq!(at!(cursor.next()).as_ref(), Some(&pairs[i + 1]));
            assert_eq!(at!(cursor.next()).as_ref(), Some(&pairs[i + 2]));
            assert_eq!(at!(cursor.prev()).as_ref(), Some(&pairs[i + 1]));
        }
    });
}

/// Bytes lent by a cursor outlive its next moves and the cursor itself.
pub fn lent_pairs_outlive_the_cursors_moves<F: Fixture>() {
    on_every_reader!(F, numbered(500), |reader, space, pairs| {
        let mut lent = Vec::new();
        {
            let mut cursor = reader.cursor(space).unwrap();
            let mut moved = cursor.first().unwrap();
            while let Some(pair) = moved {
                lent.push(pair);
                moved = cursor.next().unwrap();
            }
        }
        let kept: Vec<Pair> = lent.into_iter().map(own).collect();
        assert!(kept == pairs);
    });
}

/// Cursors of one reader do not disturb each other, nor does `get`.
pub fn cursors_do_not_disturb_each_other<F: Fixture>() {
    on_every_reader!(F, numbered(300), |reader, space, pairs| {
        let mut up = reader.cursor(space).unwrap();
        let mut down = reader.cursor(space).unwrap();
        let (mut above, mut below) = (at!(up.first()), at!(down.last()));
        for i in 0..pairs.len() {
            let mirrored = pairs.len() - 1 - i;
            assert_eq!(above.as_ref(), Some(&pairs[i]));
            assert_eq!(below.as_ref(), Some(&pairs[mirrored]));
            reader.get(space, &pairs[mirrored].0).unwrap();
            above = at!(up.next());
            below = at!(down.prev());
        }
    });
}

/// Every seek finds its place in data of many pages.
pub fn seeks_find_their_place_in_big_data<F: Fixture>() {
    on_every_reader!(F, numbered(5_000), |reader, space, pairs| {
        let mut cursor = reader.cursor(space).unwrap();
        for i in (1..pairs.len() - 1).step_by(37) {
            let (key, _) = &pairs[i];
            let behind = [key, &b"!"[..]].concat();
            assert_eq!(at!(cursor.seek(key)).as_ref(), Some(&pairs[i]));
            assert_eq!(at!(cursor.seek(&behind)).as_ref(), Some(&pairs[i + 1]));
            assert_eq!(at!(cursor.seek_for_prev(key)).as_ref(), Some(&pairs[i]));
            assert_eq!(at!(cursor.seek_for_prev(&behind)).as_ref(), Some(&pairs[i]));
            assert_eq!(at!(cursor.prev()).as_ref(), Some(&pairs[i - 1]));
        }
    });
}

/// A cursor stays in its space, though others hold keys on both sides of its own.
pub fn a_cursor_stays_in_its_space<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let names: [&[u8]; 4] = [b"a", b"b", b"c", b"\xFF"];
    store
        .update(|tx| {
            for name in names {
                let space = tx.create_space(name)?;
                tx.put(space, b"m", name)?;
            }
            Ok(())
        })
        .unwrap();
    let snapshot = store.snapshot().unwrap();
    for name in names {
        let space = snapshot.space(name).unwrap().unwrap();
        let pair = Some((b"m".to_vec(), name.to_vec()));
        let mut cursor = snapshot.cursor(space).unwrap();
        assert_eq!(at!(cursor.first()), pair);
        assert_eq!(at!(cursor.next()), None);
        assert_eq!(at!(cursor.last()), pair);
        assert_eq!(at!(cursor.prev()), None);
        assert_eq!(at!(cursor.seek(b"n")), None);
        assert_eq!(at!(cursor.seek_for_prev(b"l")), None);
    }
    let mut cursor = snapshot.cursor(Space::DEFAULT).unwrap();
    assert_eq!(at!(cursor.first()), None);
}
