//! Runs a script against a store and writes down everything it answers.
//!
//! The same session runs against an engine and against the model, so that the two can be
//! compared answer by answer.

use std::fmt;

use kv_api::{Bytes, Cursor, Durability, Reader, Result, Snapshot, Space, Store, Transaction};

use crate::scaffold::{Contents, Pair, contents, own};
use crate::script::{Expected, From, Key, Move, Op, Room, Value, key_range};

/// How many snapshots and values a session holds at most.
const HELD_MAX: usize = 4;

/// What a store answered.
#[derive(PartialEq)]
pub(crate) enum Answer {
    Done,
    Skipped,
    Flag(bool),
    Value(Option<Vec<u8>>),
    Pairs(Vec<Option<Pair>>),
    Names(Vec<Bytes>),
    State(Vec<Contents>, Vec<Option<Bytes>>),
}

/// Bytes as a failure shows them: large ones are told by length.
struct Short<'a>(&'a [u8]);

impl fmt::Debug for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(12)];
        write!(f, "{}", shown.escape_ascii())?;
        if shown.len() < self.0.len() {
            write!(f, "..[{} bytes]", self.0.len())?;
        }
        Ok(())
    }
}

fn short((key, value): &Pair) -> (Short<'_>, Short<'_>) {
    (Short(key), Short(value))
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Done => write!(f, "done"),
            Answer::Skipped => write!(f, "nothing to do"),
            Answer::Flag(flag) => write!(f, "{flag}"),
            Answer::Value(value) => write!(f, "{:?}", value.as_deref().map(Short)),
            Answer::Names(names) => write!(f, "{names:?}"),
            Answer::Pairs(pairs) => {
                let pairs = pairs.iter().map(|pair| pair.as_ref().map(short));
                f.debug_list().entries(pairs).finish()
            }
            Answer::State(snapshots, values) => {
                for state in snapshots {
                    let spaces = state.iter().map(|(name, pairs)| {
                        (Short(name), pairs.iter().map(short).collect::<Vec<_>>())
                    });
                    f.debug_map().entries(spaces).finish()?;
                }
                let values = values.iter().map(|value| value.as_deref().map(Short));
                f.debug_list().entries(values).finish()
            }
        }
    }
}

/// A store in the middle of a script.
pub(crate) struct Session<S: Store> {
    transaction: Option<S::Transaction>,
    held: Vec<S::Snapshot>,
    held_values: Vec<Option<Bytes>>,
    /// Whether the newest commit may be lost by a drop.
    is_deferred: bool,
    /// Absent only while the store is being opened again.
    store: Option<S>,
}

impl<S: Store> Session<S> {
    pub(crate) fn new(store: S) -> Session<S> {
        Session {
            transaction: None,
            held: Vec::new(),
            held_values: Vec::new(),
            is_deferred: false,
            store: Some(store),
        }
    }

    pub(crate) fn store(&self) -> &S {
        self.store.as_ref().expect("a store is open")
    }

    /// Runs one step; `open` opens the store again after this session gave it up.
    pub(crate) fn run(&mut self, op: &Op, open: impl FnOnce() -> Result<S>) -> Result<Answer> {
        match op {
            Op::Commit(durability) => self.commit(*durability),
            Op::Rollback { by_drop } => Ok(self.roll_back(*by_drop)),
            Op::Hold => self.hold(),
            Op::HoldValue(room, key) => self.hold_value(*room, *key),
            Op::Release(index) => Ok(self.release(usize::from(*index))),
            Op::Get(from, ..) | Op::Scan(from, ..) | Op::Walk(from, ..) | Op::Names(from) => {
                self.read(*from, op)
            }
            Op::Sync => {
                self.store().sync()?;
                self.is_deferred = false;
                Ok(Answer::Done)
            }
            Op::Reopen { by_close } => self.reopen(*by_close, open),
            _ => self.write(op),
        }
    }

    /// Everything that can be seen: the newest version, the held ones, and the held values.
    pub(crate) fn state(&self) -> Result<Answer> {
        let newest = self.store().snapshot()?;
        let snapshots = std::iter::once(&newest).chain(&self.held).map(contents);
        Ok(Answer::State(snapshots.collect(), self.held_values.clone()))
    }

    fn write(&mut self, op: &Op) -> Result<Answer> {
        let mut tx = match self.transaction.take() {
            Some(transaction) => transaction,
            None => self.store().begin()?,
        };
        let answer = write_with(&mut tx, op);
        self.transaction = Some(tx);
        answer
    }

    fn commit(&mut self, durability: Durability) -> Result<Answer> {
        let Some(transaction) = self.transaction.take() else {
            return Ok(Answer::Skipped);
        };
        let own = contents(&transaction);
        transaction.commit(durability)?;
        assert!(
            contents(&self.store().snapshot()?) == own,
            "a commit shows what its transaction did"
        );
        self.is_deferred = durability == Durability::Deferred;
        self.state()
    }

    fn roll_back(&mut self, by_drop: bool) -> Answer {
        let Some(transaction) = self.transaction.take() else {
            return Answer::Skipped;
        };
        let own = contents(&transaction);
        if by_drop {
            drop(transaction);
        } else {
            transaction.rollback();
        }
        Answer::State(vec![own], Vec::new())
    }

    fn hold(&mut self) -> Result<Answer> {
        if self.held.len() == HELD_MAX {
            self.held.remove(0);
        }
        self.held.push(self.store().snapshot()?);
        Ok(Answer::Done)
    }

    fn hold_value(&mut self, room: Room, key: Key) -> Result<Answer> {
        let snapshot = self.store().snapshot()?;
        let Some(space) = resolve(&snapshot, room)? else {
            return Ok(Answer::Skipped);
        };
        if self.held_values.len() == HELD_MAX {
            self.held_values.remove(0);
        }
        self.held_values
            .push(snapshot.get_bytes(space, &key.bytes())?);
        Ok(Answer::Done)
    }

    fn release(&mut self, index: usize) -> Answer {
        if index >= self.held.len() {
            self.held_values.clear();
            return Answer::Skipped;
        }
        self.held.remove(index);
        Answer::Done
    }

    fn read(&self, from: From, op: &Op) -> Result<Answer> {
        match (from, &self.transaction) {
            (From::Open, Some(transaction)) => return read_with(transaction, op),
            (From::Held(index), _) if !self.held.is_empty() => {
                return read_with(&self.held[usize::from(index) % self.held.len()], op);
            }
            _ => {}
        }
        read_with(&self.store().snapshot()?, op)
    }

    fn reopen(&mut self, by_close: bool, open: impl FnOnce() -> Result<S>) -> Result<Answer> {
        self.transaction = None;
        self.held.clear();
        self.held_values.clear();
        if by_close {
            self.store().close()?;
        } else if self.is_deferred {
            self.store().sync()?;
        }
        self.is_deferred = false;
        self.store = None;
        self.store = Some(open()?);
        self.state()
    }
}

fn resolve(reader: &impl Reader, room: Room) -> Result<Option<Space>> {
    room.name()
        .map_or(Ok(Some(Space::DEFAULT)), |name| reader.space(name))
}

/// Writing to a space that is not there makes it, so that most writes do something.
fn resolve_or_create(tx: &mut impl Transaction, room: Room) -> Result<Space> {
    room.name()
        .map_or(Ok(Space::DEFAULT), |name| tx.create_space(name))
}

fn write_with(tx: &mut impl Transaction, op: &Op) -> Result<Answer> {
    let room = match op {
        Op::Put(room, ..)
        | Op::Fill(room, ..)
        | Op::Delete(room, ..)
        | Op::DeleteRange(room, ..)
        | Op::Insert(room, ..)
        | Op::Swap(room, ..)
        | Op::CreateSpace(room) => *room,
        Op::DropSpace(room) => {
            let name = room.name();
            return name.map_or(Ok(Answer::Skipped), |name| {
                tx.drop_space(name).map(Answer::Flag)
            });
        }
        _ => return Ok(Answer::Skipped),
    };
    let space = resolve_or_create(tx, room)?;
    match op {
        Op::Put(_, key, value) => tx.put(space, &key.bytes(), &value.bytes())?,
        Op::Fill(_, first, count, value) => fill(tx, space, *first, *count, *value)?,
        Op::Delete(_, key) => tx.delete(space, &key.bytes())?,
        Op::DeleteRange(_, start, end) => tx.delete_range(space, key_range(*start, *end))?,
        Op::Insert(_, key, value) => {
            let inserted = tx.insert_if_absent(space, &key.bytes(), &value.bytes())?;
            return Ok(Answer::Flag(inserted));
        }
        Op::Swap(_, key, expected, new) => {
            let key = key.bytes();
            let expected = match expected {
                Expected::Absence => None,
                Expected::WhatIsThere => tx.get(space, &key)?.map(|value| value.to_vec()),
                Expected::Value(value) => Some(value.bytes()),
            };
            let new = new.map(Value::bytes);
            let swapped = tx.compare_and_swap(space, &key, expected.as_deref(), new.as_deref())?;
            return Ok(Answer::Flag(swapped));
        }
        _ => {}
    }
    Ok(Answer::Done)
}

/// Puts `count` keys like one another, so that a script may grow a space beyond a page.
fn fill(
    tx: &mut impl Transaction,
    space: Space,
    first: Key,
    count: u8,
    value: Value,
) -> Result<()> {
    // Values above a few hundred bytes are for single puts.
    let value = Value {
        fill: value.fill,
        size: value.size % 8,
    };
    for i in 0..count {
        let key = format!("key {:03}.{i}", first.0);
        tx.put(space, key.as_bytes(), &value.bytes())?;
    }
    Ok(())
}

fn read_with(reader: &impl Reader, op: &Op) -> Result<Answer> {
    let room = match op {
        Op::Names(_) => return reader.space_names().map(Answer::Names),
        Op::Get(_, room, ..) | Op::Scan(_, room, ..) | Op::Walk(_, room, ..) => *room,
        _ => return Ok(Answer::Skipped),
    };
    let Some(space) = resolve(reader, room)? else {
        return Ok(Answer::Skipped);
    };
    match op {
        Op::Get(_, _, key) => {
            let value = reader.get(space, &key.bytes())?;
            Ok(Answer::Value(value.map(|value| value.to_vec())))
        }
        Op::Scan(_, _, start, end, steps) => {
            let mut range = reader.range(space, key_range(*start, *end))?;
            let mut found = Vec::new();
            for i in 0_u32.. {
                let is_back = steps >> (i % 8) & 1 == 1;
                let step = if is_back {
                    range.next_back()
                } else {
                    range.next()
                };
                let Some(pair) = step else { break };
                found.push(Some(own(pair?)));
            }
            Ok(Answer::Pairs(found))
        }
        Op::Walk(_, _, moves) => walk(reader, space, moves),
        _ => Ok(Answer::Skipped),
    }
}

fn walk(reader: &impl Reader, space: Space, moves: &[Move]) -> Result<Answer> {
    let mut cursor = reader.cursor(space)?;
    let mut answers = Vec::new();
    for step in moves {
        let moved = match step {
            Move::First => cursor.first(),
            Move::Last => cursor.last(),
            Move::Seek(key) => cursor.seek(&key.bytes()),
            Move::SeekForPrev(key) => cursor.seek_for_prev(&key.bytes()),
            Move::Next => cursor.next(),
            Move::Prev => cursor.prev(),
            Move::Current => cursor.current(),
        };
        answers.push(moved?.map(own));
    }
    Ok(Answer::Pairs(answers))
}
