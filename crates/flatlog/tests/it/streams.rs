//! Snapshot streams that say something else than they hold: refused, and the old state stays.

use flatlog::{Db, ErrorKind, Options};

use crate::support::{blocks, fresh, pairs, payloads, put_number};

const LAST_INDEX: u64 = 20;
const NEXT_SPACE: u64 = 3;

/// One entry of a stream, to be written as it is told.
#[derive(Clone)]
enum Entry {
    Header(u64, u64, u64),
    Space(u64, u64, &'static [u8]),
    Pair(u64, u64, &'static [u8], &'static [u8]),
    End(u64),
}

fn encoded(entries: &[Entry]) -> Vec<u8> {
    let mut to = Vec::new();
    for entry in entries {
        let (tag, numbers, words): (u8, Vec<u64>, Vec<&[u8]>) = match *entry {
            Entry::Header(last, next_space, pairs) => (0, vec![last, next_space, pairs], vec![]),
            Entry::Space(id, index, name) => (1, vec![id, index], vec![name]),
            Entry::Pair(space, index, key, value) => (2, vec![space, index], vec![key, value]),
            Entry::End(pairs) => (3, vec![pairs], vec![]),
        };
        to.push(tag);
        numbers
            .iter()
            .for_each(|number| put_number(&mut to, *number));
        for word in words {
            put_number(&mut to, word.len() as u64);
            to.extend_from_slice(word);
        }
    }
    to
}

/// What a sound stream holds.
fn sound() -> Vec<Entry> {
    vec![
        Entry::Header(LAST_INDEX, NEXT_SPACE, 4),
        Entry::Space(2, 7, b"a"),
        Entry::Space(1, 9, b"b"),
        Entry::Pair(0, 3, b"k1", b"one"),
        Entry::Pair(0, LAST_INDEX, b"k2", b"two"),
        Entry::Pair(1, 5, b"k1", b"in b"),
        Entry::Pair(2, 8, b"k0", b"in a"),
        Entry::End(4),
    ]
}

/// A store with an old state, and a stream to begin like.
fn store() -> (tempfile::TempDir, Db, Vec<u8>) {
    let (directory, path) = fresh();
    let db = Options::new().background(false).open(path).unwrap();
    db.update(|tx| tx.put("old", "state")).unwrap();
    let mut stream = Vec::new();
    db.snapshot_to(&mut stream, |_| true).unwrap();
    (directory, db, stream)
}

#[test]
fn a_stream_that_does_not_say_what_it_holds_is_refused() {
    let (_directory, db, like) = store();
    let old = pairs(&db);
    let changed = |at: usize, entry: Entry| {
        let mut entries = sound();
        entries[at] = entry;
        entries
    };
    let header = |last, next_space, pairs| changed(0, Entry::Header(last, next_space, pairs));
    let without = |at: usize| {
        let mut entries = sound();
        entries.remove(at);
        entries
    };
    let swapped = |left: usize, right: usize| {
        let mut entries = sound();
        entries.swap(left, right);
        entries
    };
    let with = |at: usize, entry: Entry| {
        let mut entries = sound();
        entries.insert(at, entry);
        entries
    };
    let both_count = |count| {
        let mut entries = header(LAST_INDEX, NEXT_SPACE, count);
        entries[7] = Entry::End(count);
        entries
    };
    let one_space = vec![
        Entry::Header(LAST_INDEX, NEXT_SPACE, 1),
        Entry::Space(1, 7, b"a"),
        Entry::Space(1, 9, b"b"),
        Entry::Pair(1, 5, b"k1", b"in both"),
        Entry::End(1),
    ];
    let cases = [
        ("one space of two names", one_space),
        ("the header counts less", header(LAST_INDEX, NEXT_SPACE, 3)),
        ("the header counts more", header(LAST_INDEX, NEXT_SPACE, 5)),
        ("the end counts less", changed(7, Entry::End(3))),
        ("the end counts more", changed(7, Entry::End(5))),
        ("both count less", both_count(3)),
        ("both count more", both_count(5)),
        ("a pair is missing", without(4)),
        ("no header", without(0)),
        ("no end", without(7)),
        (
            "two headers",
            with(1, Entry::Header(LAST_INDEX, NEXT_SPACE, 4)),
        ),
        ("a header behind pairs", swapped(0, 3)),
        (
            "something behind the end",
            with(8, Entry::Space(1, 9, b"c")),
        ),
        ("pairs out of order", swapped(3, 4)),
        (
            "a pair twice",
            changed(4, Entry::Pair(0, 3, b"k1", b"again")),
        ),
        ("spaces' pairs out of order", swapped(5, 6)),
        ("a pair of no space", without(1)),
        ("a space behind pairs", swapped(2, 3)),
        ("spaces out of order", swapped(1, 2)),
        ("a space twice", changed(2, Entry::Space(2, 9, b"b"))),
        ("a name twice", changed(2, Entry::Space(1, 9, b"a"))),
        ("a space that may come again", header(LAST_INDEX, 2, 4)),
        (
            "the default space named",
            changed(2, Entry::Space(0, 9, b"b")),
        ),
        (
            "a pair newer than all",
            header(LAST_INDEX - 1, NEXT_SPACE, 4),
        ),
        (
            "a space newer than all",
            changed(1, Entry::Space(2, LAST_INDEX + 1, b"a")),
        ),
        ("an empty key", changed(3, Entry::Pair(0, 3, b"", b"one"))),
        ("an empty name", changed(1, Entry::Space(2, 7, b""))),
    ];
    for (what, entries) in cases {
        let stream = blocks(&like, &[encoded(&entries)]);
        let error = db.restore(&mut stream.as_slice(), |_| true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
        assert_eq!(pairs(&db), old, "{what}");
    }
    let stream = blocks(&like, &[encoded(&sound())]);
    db.restore(&mut stream.as_slice(), |_| true).unwrap();
    let mut again = Vec::new();
    db.snapshot_to(&mut again, |_| true).unwrap();
    assert!(again == stream, "the same pairs make the same stream");
    crate::support::assert_sound(&db);
}

#[test]
fn blocks_of_a_stream_that_changed_places_are_noticed() {
    let (_directory, db, _) = store();
    // Blocks of one length, each of which could stand in the other's place.
    db.update(|tx| (0..300_u32).try_for_each(|n| tx.put(n.to_be_bytes(), [7; 1000])))
        .unwrap();
    let mut stream = Vec::new();
    db.snapshot_to(&mut stream, |_| true).unwrap();
    let payloads = payloads(&stream);
    assert!(payloads.len() >= 4, "{} blocks", payloads.len());
    assert!(blocks(&stream, &payloads) == stream);
    let lens: Vec<usize> = payloads.iter().map(|payload| 8 + payload.len()).collect();
    let start = 12 + lens[0];
    let (second, third) = (
        start..start + lens[1],
        start + lens[1]..start + lens[1] + lens[2],
    );
    let swapped = [
        &stream[..start],
        &stream[third.clone()],
        &stream[second],
        &stream[third.end..],
    ]
    .concat();
    let before = pairs(&db);
    let error = db.restore(&mut swapped.as_slice(), |_| true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let what = error.to_string();
    assert!(
        what.contains("sum"),
        "noticed by its sum and at once: {what}"
    );
    assert_eq!(pairs(&db), before);
}
