//! Random programs for a store, small to write down and easy to shrink.
//!
//! Keys, values and spaces are numbers here and become bytes when a [`Session`](crate::session)
//! runs them: a failure prints as a few short lines, and shrinking makes the numbers smaller.

use std::ops::Bound;

use kv_api::{Durability, KeyRange};
use quickcheck::{Arbitrary, Gen};

/// A number below this is one of the special keys, the rest are like one another.
const SPECIAL_KEYS: u8 = 24;

/// A key, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(pub u8);

/// A value: a byte to fill it with and a number for its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub fill: u8,
    pub size: u8,
}

/// A space: 0 is the default one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room(pub u8);

/// Whom to ask.
#[derive(Clone, Copy, Debug)]
pub(crate) enum From {
    /// The open transaction, or a fresh snapshot where none is open.
    Open,
    /// A fresh snapshot.
    Newest,
    /// One of the held snapshots, if there are any.
    Held(u8),
}

/// What a swap expects.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    Absence,
    WhatIsThere,
    Value(Value),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Move {
    First,
    Last,
    Seek(Key),
    SeekForPrev(Key),
    Next,
    Prev,
    Current,
}

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Put(Room, Key, Value),
    Fill(Room, Key, u8, Value),
    Delete(Room, Key),
    DeleteRange(Room, Bound<Key>, Bound<Key>),
    Insert(Room, Key, Value),
    Swap(Room, Key, Expected, Option<Value>),
    CreateSpace(Room),
    DropSpace(Room),
    Commit(Durability),
    Rollback {
        by_drop: bool,
    },
    Hold,
    HoldValue(Room, Key),
    Release(u8),
    Get(From, Room, Key),
    /// Bit i of the last number says from which end step i is taken.
    Scan(From, Room, Bound<Key>, Bound<Key>, u8),
    Walk(From, Room, Vec<Move>),
    Names(From),
    Sync,
    Reopen {
        by_close: bool,
    },
}

impl Key {
    pub(crate) fn bytes(self) -> Vec<u8> {
        match self.0 {
            number @ 0..12 => vec![b'a' + number],
            12 => b"a\0".to_vec(),
            13 => b"aa".to_vec(),
            14 => b"ab".to_vec(),
            15 => vec![0],
            16 => vec![0xFF],
            17 => vec![0xFF, 0xFF],
            18 => vec![b'b', 0xFF],
            19 => vec![0x7F],
            20 => vec![0x80],
            21 => vec![b'c'; 255],
            22 => vec![b'c'; 1_000],
            23 => vec![b'c'; 32_768],
            number => format!("key {number:03}").into_bytes(),
        }
    }
}

impl Value {
    pub(crate) fn bytes(self) -> Vec<u8> {
        const LENGTHS: [usize; 12] = [0, 1, 2, 7, 16, 40, 100, 400, 1_000, 4_090, 9_000, 70_000];
        vec![self.fill; LENGTHS[usize::from(self.size) % LENGTHS.len()]]
    }
}

impl Room {
    /// The space's name; none for the default one.
    pub(crate) fn name(self) -> Option<&'static [u8]> {
        const NAMES: [&[u8]; 3] = [b"space", b"space 2", b"\xFE\xFF"];
        self.0.checked_sub(1).map(|i| NAMES[usize::from(i) % 3])
    }
}

pub(crate) fn key_range(start: Bound<Key>, end: Bound<Key>) -> KeyRange {
    KeyRange::new(start.map(Key::bytes), end.map(Key::bytes))
}

/// A number below `limit`, the smaller the likelier.
fn skewed(g: &mut Gen, limit: u8) -> u8 {
    let below = |g: &mut Gen| u8::arbitrary(g) % limit;
    below(g).min(below(g))
}

impl Arbitrary for Key {
    fn arbitrary(g: &mut Gen) -> Key {
        match skewed(g, 100) {
            0..70 => Key(skewed(g, SPECIAL_KEYS)),
            _ => Key(SPECIAL_KEYS + u8::arbitrary(g) % 100),
        }
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Key>> {
        Box::new(self.0.shrink().map(Key))
    }
}

impl Arbitrary for Value {
    fn arbitrary(g: &mut Gen) -> Value {
        Value {
            fill: u8::arbitrary(g),
            size: skewed(g, 12),
        }
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Value>> {
        let fill = self.fill;
        Box::new(self.size.shrink().map(move |size| Value { fill, size }))
    }
}

impl Arbitrary for Room {
    fn arbitrary(g: &mut Gen) -> Room {
        Room(skewed(g, 4))
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Room>> {
        Box::new(self.0.shrink().map(Room))
    }
}

impl Arbitrary for From {
    fn arbitrary(g: &mut Gen) -> From {
        match u8::arbitrary(g) % 4 {
            0 => From::Newest,
            1 => From::Held(u8::arbitrary(g) % 4),
            _ => From::Open,
        }
    }
}

impl Arbitrary for Expected {
    fn arbitrary(g: &mut Gen) -> Expected {
        match u8::arbitrary(g) % 3 {
            0 => Expected::Absence,
            1 => Expected::WhatIsThere,
            _ => Expected::Value(Value::arbitrary(g)),
        }
    }
}

impl Arbitrary for Move {
    fn arbitrary(g: &mut Gen) -> Move {
        match u8::arbitrary(g) % 12 {
            0 => Move::First,
            1 => Move::Last,
            2 | 3 => Move::Seek(Key::arbitrary(g)),
            4 | 5 => Move::SeekForPrev(Key::arbitrary(g)),
            6..=8 => Move::Next,
            9 | 10 => Move::Prev,
            _ => Move::Current,
        }
    }
}

fn durability(g: &mut Gen) -> Durability {
    *g.choose(&crate::scaffold::DURABILITIES)
        .unwrap_or(&Durability::Sync)
}

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Op {
        let (room, key) = (Room::arbitrary(g), Key::arbitrary(g));
        match u8::arbitrary(g) % 100 {
            0..20 => Op::Put(room, key, Value::arbitrary(g)),
            20..24 => Op::Fill(room, key, u8::arbitrary(g), Value::arbitrary(g)),
            24..32 => Op::Delete(room, key),
            32..38 => Op::DeleteRange(room, Bound::arbitrary(g), Bound::arbitrary(g)),
            38..41 => Op::Insert(room, key, Value::arbitrary(g)),
            41..46 => Op::Swap(room, key, Expected::arbitrary(g), Option::arbitrary(g)),
            46..49 => Op::CreateSpace(room),
            49..52 => Op::DropSpace(room),
            52..61 => Op::Commit(durability(g)),
            61..64 => Op::Rollback {
                by_drop: bool::arbitrary(g),
            },
            64..68 => Op::Hold,
            68..70 => Op::HoldValue(room, key),
            70..72 => Op::Release(u8::arbitrary(g) % 4),
            72..79 => Op::Get(From::arbitrary(g), room, key),
            79..86 => Op::Scan(
                From::arbitrary(g),
                room,
                Bound::arbitrary(g),
                Bound::arbitrary(g),
                u8::arbitrary(g),
            ),
            86..94 => Op::Walk(From::arbitrary(g), room, Vec::arbitrary(g)),
            94..96 => Op::Names(From::arbitrary(g)),
            96..98 => Op::Sync,
            _ => Op::Reopen {
                by_close: bool::arbitrary(g),
            },
        }
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Op>> {
        match self.clone() {
            Op::Put(room, key, value) => Box::new(
                (room, key, value)
                    .shrink()
                    .map(|(r, k, v)| Op::Put(r, k, v)),
            ),
            Op::Fill(room, key, count, value) => Box::new(
                (room, key, count, value)
                    .shrink()
                    .map(|(r, k, c, v)| Op::Fill(r, k, c, v)),
            ),
            Op::Delete(room, key) => Box::new((room, key).shrink().map(|(r, k)| Op::Delete(r, k))),
            Op::Walk(from, room, moves) => Box::new(
                (room, moves)
                    .shrink()
                    .map(move |(r, m)| Op::Walk(from, r, m)),
            ),
            Op::DeleteRange(room, start, end) => Box::new(
                (room, start, end)
                    .shrink()
                    .map(|(r, s, e)| Op::DeleteRange(r, s, e)),
            ),
            _ => quickcheck::empty_shrinker(),
        }
    }
}
