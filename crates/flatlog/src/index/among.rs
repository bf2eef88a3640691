//! The keys of a span that have one of some ids, a chunk at a time.
//!
//! A chunk tells in one go which of its keys are meant; what is left is to visit those.

use std::sync::Arc;

use crate::index::chunk::Chunk;
use crate::index::entry::Entry;
use crate::index::key_ids::{MARKS, Marks};
use crate::index::space::SpaceIndex;
use crate::search::IdBits;

/// A chunk's place: its group, and its place in that.
type ChunkAt = (usize, usize);

/// A place between two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Border {
    chunk: ChunkAt,
    /// How many keys of the chunk lie before it.
    index: usize,
}

/// A walk over the keys of a span that have one of some ids. A step is O(1), beside O(1) for each
/// chunk whose ids are consecutive, and O(its keys) for each other one.
pub(crate) struct Among<'a> {
    space: &'a SpaceIndex,
    ids: Arc<IdBits>,
    from: Border,
    to: Border,
    backward: bool,
    /// The chunk to be entered next.
    next: Option<ChunkAt>,
    /// The chunk the walk is in.
    chunk: Option<&'a Chunk>,
    /// What is left of it.
    marks: Marks,
    /// The word of `marks` that is looked at.
    word: usize,
}

impl<'a> Among<'a> {
    /// The keys of `space` from `start` on and below `end` that have one of `ids`.
    pub(crate) fn new(
        space: &'a SpaceIndex,
        ids: Arc<IdBits>,
        (start, end): (&[u8], Option<&[u8]>),
        backward: bool,
    ) -> Among<'a> {
        let from = border(space, start);
        let to = end.map_or_else(|| last_border(space), |end| border(space, end));
        let next = if backward { to.chunk } else { from.chunk };
        Among {
            space,
            ids,
            from,
            to,
            backward,
            next: (from < to).then_some(next),
            chunk: None,
            marks: Marks::default(),
            word: 0,
        }
    }

    /// The next entry; the one before that where the walk goes backward.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            while let Some(word) = self.marks.get_mut(self.word) {
                if *word == 0 {
                    // What is below the first word is above all words.
                    let step = if self.backward { usize::MAX } else { 1 };
                    self.word = self.word.wrapping_add(step);
                    continue;
                }
                let bit = match self.backward {
                    false => word.trailing_zeros(),
                    true => 63 - word.leading_zeros(),
                };
                *word &= !(1 << bit);
                return Entry::new(self.chunk?, self.word * 64 + bit as usize);
            }
            self.enter()?;
        }
    }

    /// Enters the next chunk in which something is meant.
    fn enter(&mut self) -> Option<()> {
        loop {
            let at = self.next?;
            let group = self.space.top().child(at.0)?;
            let chunk = &**group.child(at.1)?;
            self.next = self.behind(at, group.len());
            let mut marks = chunk.marks(&self.ids);
            if marks == Marks::default() {
                continue;
            }
            if at == self.from.chunk {
                keep(&mut marks, self.from.index..MARKS);
            }
            if at == self.to.chunk {
                keep(&mut marks, 0..self.to.index);
            }
            self.chunk = Some(chunk);
            self.marks = marks;
            self.word = if self.backward { marks.len() - 1 } else { 0 };
            return Some(());
        }
    }

    /// The chunk to be entered after the one at `at`, whose group has `len` of them.
    fn behind(&self, at: ChunkAt, len: usize) -> Option<ChunkAt> {
        let last = if self.backward { self.from } else { self.to };
        match at {
            _ if at == last.chunk => None,
            (group, chunk) if !self.backward && chunk + 1 < len => Some((group, chunk + 1)),
            (group, _) if !self.backward => Some((group + 1, 0)),
            (group, chunk) if chunk > 0 => Some((group, chunk - 1)),
            (group, _) => {
                let group = group.checked_sub(1)?;
                Some((group, self.space.top().child(group)?.len().checked_sub(1)?))
            }
        }
    }
}

/// The place before `key` and all above it.
fn border(space: &SpaceIndex, key: &[u8]) -> Border {
    let top = space.top();
    let group_at = top.child_of(key);
    let group = top.child(group_at);
    let chunk_at = group.map_or(0, |group| group.child_of(key));
    let chunk = group.and_then(|group| group.child(chunk_at));
    Border {
        chunk: (group_at, chunk_at),
        index: chunk.map_or(0, |chunk| chunk.keys.find(key).0),
    }
}

/// The place behind all keys.
fn last_border(space: &SpaceIndex) -> Border {
    let group_at = space.top().len().saturating_sub(1);
    let chunks = space.top().child(group_at).map_or(0, |group| group.len());
    Border {
        chunk: (group_at, chunks.saturating_sub(1)),
        index: MARKS,
    }
}

/// Leaves the marks of `indexes` only.
fn keep(marks: &mut Marks, indexes: std::ops::Range<usize>) {
    for (word, start) in marks.iter_mut().zip((0..).step_by(64)) {
        for bit in 0..64 {
            if !indexes.contains(&(start + bit)) {
                *word &= !(1 << bit);
            }
        }
    }
}
