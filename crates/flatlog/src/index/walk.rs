//! A place in a space's key order that can be moved.

use crate::index::chunk::Chunk;
use crate::index::entry::Entry;
use crate::index::item::Item;
use crate::index::space::{Group, SpaceIndex};
use crate::place::Place;

/// Where a walk stands.
#[derive(Clone, Copy, Debug)]
enum Stand<'a> {
    /// Before the first move.
    Nowhere,
    /// Before the first key, after a seek that found nothing.
    Before,
    /// Behind the last key, after a seek that found nothing.
    Behind,
    /// On a key.
    On(At<'a>),
}

#[derive(Clone, Copy, Debug)]
struct At<'a> {
    group_at: usize,
    chunk_at: usize,
    index: usize,
    group: &'a Group,
    chunk: &'a Chunk,
    /// The entries of the chunk from here up to there were told ahead.
    told: (usize, usize),
}

/// How many entries ahead of a walk places are told, at first and once it has gone on for a while.
/// Records that were not written in key order each cost a wait for memory; several at once cost
/// little more than one, and what a short walk does not come to is fetched in vain.
const AHEAD_FIRST: usize = 5;
const AHEAD_MAX: usize = 8;
/// How many are told at a time.
const AHEAD_STEP: usize = 2;

/// A walk over one space. Every move is O(1) but seeks, which are O(log n).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk<'a> {
    space: Option<&'a SpaceIndex>,
    stand: Stand<'a>,
    /// Moves since the last seek, as far as they matter.
    moves: usize,
}

impl<'a> Walk<'a> {
    /// A walk that stands nowhere; over nothing where there is no space.
    pub(crate) fn new(space: Option<&'a SpaceIndex>) -> Walk<'a> {
        Walk {
            space,
            stand: Stand::Nowhere,
            moves: 0,
        }
    }

    /// The entry the walk is on.
    #[inline]
    pub(crate) fn current(&self) -> Option<(&'a [u8], Item)> {
        match &self.stand {
            Stand::On(at) => at.chunk.entry(at.index),
            _ => None,
        }
    }

    /// The same, with nothing of it read.
    #[inline]
    pub(crate) fn entry(&self) -> Option<Entry<'a>> {
        match &self.stand {
            Stand::On(at) => Entry::new(at.chunk, at.index),
            _ => None,
        }
    }

    /// Goes to entry `index` of a chunk; `usize::MAX` is its last.
    fn at(&self, group_at: usize, chunk_at: usize, index: usize) -> Option<At<'a>> {
        let top = self.space?.top();
        let group = &**top.child(group_at)?;
        let chunk_at = chunk_at.min(group.len().saturating_sub(1));
        let chunk = &**group.child(chunk_at)?;
        Some(At {
            group_at,
            chunk_at,
            index: index.min(chunk.len().saturating_sub(1)),
            group,
            chunk,
            told: (usize::MAX, 0),
        })
    }

    #[inline]
    fn stand_on(&mut self, at: Option<At<'a>>) -> Option<(&'a [u8], Item)> {
        self.stand = Stand::On(at?);
        self.current()
    }

    pub(crate) fn first(&mut self) -> Option<(&'a [u8], Item)> {
        self.stand_on(self.at(0, 0, 0))
    }

    pub(crate) fn last(&mut self) -> Option<(&'a [u8], Item)> {
        let groups = self.space.map_or(0, |space| space.top().len());
        self.stand_on(self.at(groups.wrapping_sub(1), usize::MAX, usize::MAX))
    }

    fn after(&self, at: &At<'a>) -> Option<At<'a>> {
        if at.chunk_at + 1 < at.group.len() {
            return self.at(at.group_at, at.chunk_at + 1, 0);
        }
        self.at(at.group_at + 1, 0, 0)
    }

    fn before(&self, at: &At<'a>) -> Option<At<'a>> {
        match (at.chunk_at.checked_sub(1), at.group_at.checked_sub(1)) {
            (Some(chunk_at), _) => self.at(at.group_at, chunk_at, usize::MAX),
            (None, Some(group_at)) => self.at(group_at, usize::MAX, usize::MAX),
            (None, None) => None,
        }
    }

    /// The following entry; at the last one the walk stays where it is.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<(&'a [u8], Item)> {
        match &mut self.stand {
            Stand::On(at) if at.index + 1 < at.chunk.len() => {
                at.index += 1;
                at.chunk.entry(at.index)
            }
            Stand::On(at) => {
                let at = *at;
                self.stand_on(self.after(&at))
            }
            Stand::Before => self.first(),
            Stand::Nowhere | Stand::Behind => None,
        }
    }

    /// The preceding entry; at the first one the walk stays where it is.
    #[inline]
    pub(crate) fn prev(&mut self) -> Option<(&'a [u8], Item)> {
        match &mut self.stand {
            Stand::On(at) if at.index > 0 => {
                at.index -= 1;
                at.chunk.entry(at.index)
            }
            Stand::On(at) => {
                let at = *at;
                self.stand_on(self.before(&at))
            }
            Stand::Behind => self.last(),
            Stand::Nowhere | Stand::Before => None,
        }
    }

    /// How far ahead places are told now.
    #[inline]
    fn reach(&mut self) -> usize {
        self.moves += 1;
        AHEAD_MAX.min(AHEAD_FIRST + self.moves / 8)
    }

    /// Places of the records that a walk forward comes to soon and that were not told yet.
    #[inline]
    pub(crate) fn ahead(&mut self) -> &'a [Place] {
        let reach = self.reach();
        let Stand::On(at) = &mut self.stand else {
            return &[];
        };
        let (near, far) = (at.index + 1, at.index + 1 + reach);
        let (low, high) = at.told;
        if high + AHEAD_STEP > far {
            return &[];
        }
        at.told = (low.min(near), far);
        at.chunk.places(near.max(high)..far)
    }

    /// The same for a walk backward.
    #[inline]
    pub(crate) fn behind(&mut self) -> &'a [Place] {
        let reach = self.reach();
        let Stand::On(at) = &mut self.stand else {
            return &[];
        };
        let (near, far) = (at.index, at.index.saturating_sub(reach));
        let (low, high) = at.told;
        let waits = low < far + AHEAD_STEP && far > 0;
        if waits || low <= far || near == 0 {
            return &[];
        }
        at.told = (far, high.max(near));
        at.chunk.places(far..near.min(low))
    }

    /// Where `key` is or would be: the chunk, the index in it, and whether it is there.
    #[inline]
    fn find(&mut self, key: &[u8]) -> Option<(At<'a>, bool)> {
        self.moves = 0;
        let top = self.space?.top();
        let group_at = top.child_of(key);
        let group = &**top.child(group_at)?;
        let chunk_at = group.child_of(key);
        let chunk = &**group.child(chunk_at)?;
        chunk.touch(key);
        let (index, found) = chunk.keys.find(key);
        let at = At {
            group_at,
            chunk_at,
            index,
            group,
            chunk,
            told: (usize::MAX, 0),
        };
        Some((at, found))
    }

    /// The first entry at or after `key`; behind the last if there is none.
    #[inline]
    pub(crate) fn seek(&mut self, key: &[u8]) -> Option<(&'a [u8], Item)> {
        self.stand = Stand::Behind;
        let (at, _) = self.find(key)?;
        let at = if at.index < at.chunk.len() {
            Some(at)
        } else {
            self.after(&at)
        };
        self.stand_on(at)
    }

    /// The last entry at or before `key`; before the first if there is none.
    #[inline]
    pub(crate) fn seek_for_prev(&mut self, key: &[u8]) -> Option<(&'a [u8], Item)> {
        self.stand = Stand::Before;
        let (at, found) = self.find(key)?;
        let at = match (found, at.index.checked_sub(1)) {
            (true, _) => Some(at),
            (false, Some(index)) => Some(At { index, ..at }),
            (false, None) => self.before(&at),
        };
        self.stand_on(at)
    }
}
