//! A place in a space's key order: the visible pairs among all records.

use std::cell::RefCell;

use kv_api::{Error, Result};

use crate::entry::{Extra, Kind};
use crate::gone_over::GoneOver;
use crate::id::Sequence;
use crate::key::{StoredRange, after, space_code_bytes};
use crate::merge::{Child, Merge};
use crate::read_counters::Counted;
use crate::read_set::ReadSet;
use crate::slice::Slice;
use crate::state::State;
use crate::write_set::WriteSet;

/// Records newer than the snapshot that a cursor passes one by one before it searches.
const NEWER_MAX: usize = 8;

type Pair<'a> = (Slice<'a>, Slice<'a>);

/// Where a cursor stands.
enum Place<'a> {
    Nowhere,
    On(Pair<'a>),
    /// Before the first pair at or after this key.
    Gap(Vec<u8>),
    Failed(Error),
}

/// Which way the sources stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Facing {
    /// At or behind the current pair's records, to go forward.
    Forward,
    /// Before the current pair's records, to go backward.
    Backward,
    /// They must be placed anew.
    Lost,
}

/// A cursor over one space of a snapshot or a transaction.
pub struct Cursor<'a> {
    state: &'a State,
    merge: Merge<'a>,
    at: Sequence,
    now: u64,
    space: StoredRange,
    code_bytes: usize,
    place: Place<'a>,
    facing: Facing,
    gone_over: Option<GoneOver<'a>>,
}

impl<'a> Cursor<'a> {
    /// A cursor over the pairs of `space` that are visible as of `at`, placed nowhere.
    pub(crate) fn new(
        state: &'a State,
        space: StoredRange,
        (at, now): (Sequence, u64),
        own: Option<(&'a WriteSet, &'a RefCell<ReadSet>)>,
    ) -> Cursor<'a> {
        state.version.counts.add(Counted::Cursors, 1);
        let mut children = Vec::with_capacity(4);
        if let Some((writes, _)) = own
            && !writes.is_empty()
        {
            children.push(Child::own(writes));
        }
        let memtables = state.memtables().filter(|memtable| !memtable.is_empty());
        children.extend(memtables.map(Child::memory));
        let runs = state.version.level(0).iter().map(std::slice::from_ref);
        let levels = state.version.levels.iter().skip(1).map(Vec::as_slice);
        let overlaps = |tables: &&[std::sync::Arc<crate::table::reader::Table>]| match *tables {
            [] => false,
            [first, .., last] => {
                first.meta.smallest < space.end && last.meta.biggest >= space.start
            }
            [only] => only.meta.overlaps(&space.start, &space.end),
        };
        children.extend(runs.chain(levels).filter(overlaps).map(Child::run));
        Cursor {
            state,
            merge: Merge::new(children),
            at,
            now,
            code_bytes: space_code_bytes(&space.start),
            space,
            place: Place::Nowhere,
            facing: Facing::Lost,
            gone_over: own.map(|(_, reads)| GoneOver::new(reads)),
        }
    }

    /// Notes that `start..end` was looked at.
    fn note(&mut self, start: Vec<u8>, end: Vec<u8>) {
        if let Some(gone_over) = &mut self.gone_over {
            gone_over.note(start, end);
        }
    }

    fn visible(&self, kind: Kind, extra: &Extra) -> bool {
        kind != Kind::Delete && !extra.is_expired(self.now)
    }

    #[inline]
    fn finish(&self, kind: Kind, (key, value): Pair<'a>) -> Result<Pair<'a>> {
        if kind == Kind::Pointer {
            return Ok((key, self.state.version.value(&value)?));
        }
        Ok((key, value))
    }

    /// The next visible pair at or behind the sources' place, but not of the key `last`.
    fn forward(&mut self, mut last: Option<Slice<'a>>) -> Result<Option<Pair<'a>>> {
        self.facing = Facing::Forward;
        let mut newer = 0;
        while let Some(entry) = self.merge.entry() {
            if entry.key >= self.space.end.as_slice() {
                break;
            }
            if last.as_deref() == Some(entry.key) {
                self.merge.advance_key()?;
                continue;
            }
            // A transaction's own change has no number yet and is visible to it.
            if entry.sequence > self.at && entry.sequence != Sequence(u64::MAX) {
                newer += 1;
                if newer < NEWER_MAX {
                    self.merge.advance()?;
                } else {
                    newer = 0;
                    self.merge.pass_newer(self.at)?;
                }
                continue;
            }
            let is_hidden = self.state.version.hides(entry.key);
            let shown = !is_hidden && self.visible(entry.kind, &entry.extra);
            let kind = entry.kind;
            let Some(pair) = self.merge.top().and_then(Child::lend) else {
                break;
            };
            if shown {
                return self.finish(kind, pair).map(Some);
            }
            last = Some(pair.0);
        }
        Ok(None)
    }

    /// The next visible pair before the sources' place.
    fn backward(&mut self) -> Result<Option<Pair<'a>>> {
        self.facing = Facing::Backward;
        let mut newest: Option<(Kind, Extra, Pair<'a>)> = None;
        while let Some(entry) = self.merge.entry() {
            if entry.key < self.space.start.as_slice() {
                break;
            }
            if let Some((kind, extra, pair)) = &newest
                && *pair.0 != *entry.key
            {
                if self.visible(*kind, extra) {
                    let (kind, pair) = (*kind, pair.clone());
                    return self.finish(kind, pair).map(Some);
                }
                newest = None;
                continue;
            }
            // Versions come oldest first, so the last one not too new is the one that counts.
            let is_visible = entry.sequence <= self.at || entry.sequence == Sequence(u64::MAX);
            if is_visible && !self.state.version.hides(entry.key) {
                let (kind, extra) = (entry.kind, entry.extra);
                newest = self
                    .merge
                    .top()
                    .and_then(Child::lend)
                    .map(|pair| (kind, extra, pair));
            }
            self.merge.advance()?;
        }
        match newest {
            Some((kind, extra, pair)) if self.visible(kind, &extra) => {
                self.finish(kind, pair).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The caller's pair: the key without its space.
    #[inline]
    fn shown(&self, (key, value): &Pair<'a>) -> Pair<'a> {
        (key.part(self.code_bytes, key.len()), value.clone())
    }

    /// Stays on what a move came to; where it came to nothing, stays at `otherwise`.
    fn settle(
        &mut self,
        moved: Result<Option<Pair<'a>>>,
        otherwise: Option<Place<'a>>,
    ) -> Result<Option<Pair<'a>>> {
        match moved {
            Ok(Some(pair)) => {
                let shown = self.shown(&pair);
                self.place = Place::On(pair);
                Ok(Some(shown))
            }
            Ok(None) => {
                self.facing = Facing::Lost;
                if let Some(place) = otherwise {
                    self.place = place;
                }
                Ok(None)
            }
            Err(error) => {
                self.facing = Facing::Lost;
                self.place = Place::Failed(error.clone());
                Err(error)
            }
        }
    }

    fn stored(&self, key: &[u8]) -> Vec<u8> {
        let code = self.space.start.get(..self.code_bytes).unwrap_or_default();
        [code, key].concat()
    }

    fn forward_from(&mut self, key: &[u8], sequence: Sequence) -> Result<Option<Pair<'a>>> {
        self.merge.seek(key, sequence)?;
        self.forward(None)
    }

    fn backward_from(&mut self, key: &[u8]) -> Result<Option<Pair<'a>>> {
        self.merge.seek_before(key, Sequence(u64::MAX))?;
        self.backward()
    }

    /// Notes what a move forward from `start` went over.
    fn note_forward(&mut self, start: Vec<u8>, moved: &Result<Option<Pair<'a>>>) {
        if self.gone_over.is_some() {
            let end = match moved {
                Ok(Some((key, _))) => after(key.to_vec()),
                _ => self.space.end.clone(),
            };
            self.note(start, end);
        }
    }

    fn note_backward(&mut self, end: Vec<u8>, moved: &Result<Option<Pair<'a>>>) {
        if self.gone_over.is_some() {
            let start = match moved {
                Ok(Some((key, _))) => key.to_vec(),
                _ => self.space.start.clone(),
            };
            self.note(start, end);
        }
    }

    fn come_forward(&mut self, key: Vec<u8>) -> Result<Option<Pair<'a>>> {
        let moved = self.forward_from(&key, Sequence(u64::MAX));
        self.note_forward(key, &moved);
        let behind = Place::Gap(self.space.end.clone());
        self.settle(moved, Some(behind))
    }

    fn come_backward(&mut self, key: Vec<u8>) -> Result<Option<Pair<'a>>> {
        let moved = self.backward_from(&key);
        self.note_backward(key, &moved);
        let before = Place::Gap(self.space.start.clone());
        self.settle(moved, Some(before))
    }

    /// The first pair's stored key, which next to a range may be of any space.
    pub(crate) fn first_stored(&mut self) -> Result<Option<Vec<u8>>> {
        let moved = self.come_forward(self.space.start.clone())?;
        Ok(moved.and_then(|_| self.stored_here()))
    }

    /// The next pair's stored key.
    pub(crate) fn next_stored(&mut self) -> Result<Option<Vec<u8>>> {
        let moved = self.go_next()?;
        Ok(moved.and_then(|_| self.stored_here()))
    }

    fn stored_here(&self) -> Option<Vec<u8>> {
        match &self.place {
            Place::On((key, _)) => Some(key.to_vec()),
            _ => None,
        }
    }

    fn go_next(&mut self) -> Result<Option<Pair<'a>>> {
        match &self.place {
            Place::Nowhere => Ok(None),
            Place::Failed(error) => Err(error.clone()),
            Place::Gap(key) => {
                let key = key.clone();
                self.come_forward(key)
            }
            Place::On((key, _)) if self.facing == Facing::Forward && self.gone_over.is_none() => {
                let key = key.clone();
                match self.forward(Some(key)) {
                    Ok(Some(pair)) => {
                        let shown = self.shown(&pair);
                        self.place = Place::On(pair);
                        Ok(Some(shown))
                    }
                    other => self.settle(other, None),
                }
            }
            Place::On((key, _)) => {
                let key = key.clone();
                let moved = if self.facing == Facing::Forward {
                    self.forward(Some(key.clone()))
                } else {
                    self.forward_from(&key, Sequence(0))
                };
                if self.gone_over.is_some() {
                    self.note_forward(key.to_vec(), &moved);
                }
                self.settle(moved, None)
            }
        }
    }

    fn go_prev(&mut self) -> Result<Option<Pair<'a>>> {
        match &self.place {
            Place::Nowhere => Ok(None),
            Place::Failed(error) => Err(error.clone()),
            Place::Gap(key) => {
                let key = key.clone();
                self.come_backward(key)
            }
            Place::On((key, _)) => {
                let key = key.clone();
                let moved = if self.facing == Facing::Backward {
                    self.backward()
                } else {
                    self.backward_from(&key)
                };
                if self.gone_over.is_some() {
                    self.note_backward(after(key.to_vec()), &moved);
                }
                self.settle(moved, None)
            }
        }
    }
}

impl<'a> kv_api::Cursor for Cursor<'a> {
    type Slice = Slice<'a>;

    fn first(&mut self) -> Result<Option<Pair<'a>>> {
        self.come_forward(self.space.start.clone())
    }

    fn last(&mut self) -> Result<Option<Pair<'a>>> {
        self.come_backward(self.space.end.clone())
    }

    fn seek(&mut self, key: &[u8]) -> Result<Option<Pair<'a>>> {
        self.come_forward(self.stored(key))
    }

    fn seek_for_prev(&mut self, key: &[u8]) -> Result<Option<Pair<'a>>> {
        self.come_backward(after(self.stored(key)))
    }

    fn next(&mut self) -> Result<Option<Pair<'a>>> {
        self.go_next()
    }

    fn prev(&mut self) -> Result<Option<Pair<'a>>> {
        self.go_prev()
    }

    fn current(&mut self) -> Result<Option<Pair<'a>>> {
        match &self.place {
            Place::On(pair) => Ok(Some(self.shown(pair))),
            Place::Failed(error) => Err(error.clone()),
            Place::Nowhere | Place::Gap(_) => Ok(None),
        }
    }
}
