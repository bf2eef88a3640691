//! A version on its way from a checkpoint into memory, one entry after the other.

use std::sync::Arc;

use kv_api::{Error, Place as Where, Result};

use crate::apply::load_space;
use crate::ids::{KeyId, SpaceId};
use crate::index::{Item, SortedIndex};
use crate::log::batch::Op;
use crate::log::covered::Covered;
use crate::log::record::Kind;
use crate::log::segment::Segment;
use crate::log::table::SegmentTable;
use crate::names;
use crate::place::Place;
use crate::root::{Named, Root};
use crate::search::KeyRuns;

/// A version that is being filled.
pub(crate) struct Loading<'a> {
    root: &'a mut Root,
    segments: Arc<SegmentTable>,
    number: u32,
    /// The space whose keys come.
    space: SpaceId,
    keys: SortedIndex,
    /// The segment of the last entries, how far it can be read, and their bytes.
    segment: Option<(Arc<Segment>, u32)>,
    live_bytes: u64,
    /// The keys by their ids, where they are to have some.
    runs: Option<KeyRuns>,
}

impl<'a> Loading<'a> {
    /// Fills `root`, which has its segments and nothing else, from checkpoint `number`.
    /// Keys are given ids, their numbers from 1, where they are `numbered`.
    pub(crate) fn new(root: &'a mut Root, number: u32, numbered: bool) -> Loading<'a> {
        Loading {
            segments: Arc::clone(&root.segments),
            root,
            number,
            space: SpaceId::DEFAULT,
            keys: SortedIndex::new(),
            segment: None,
            live_bytes: 0,
            runs: numbered.then(KeyRuns::default),
        }
    }

    /// Takes the next entry: spaces before their keys, and the keys of a space in order.
    #[inline]
    pub(crate) fn entry(&mut self, op: &Op, place: Place, key: &[u8]) -> Result<()> {
        let known = matches!(&self.segment, Some((segment, _)) if segment.id() == place.segment());
        if !known {
            self.count();
            let segment = self.segments.find(place.segment()).cloned();
            self.segment = segment.map(|segment| {
                let readable = segment.readable();
                (segment, readable)
            });
        }
        let end = u64::from(place.offset) + u64::from(place.len);
        let readable = self.segment.as_ref().map(|(_, readable)| *readable);
        if readable.is_none_or(|readable| end > readable.into()) {
            let what = "it names a record that is not there";
            return Err(checkpoint_damaged(self.number, what));
        }
        if op.kind == Kind::CreateSpace {
            let named = Named {
                id: op.space,
                place,
                commit_index: op.commit_index,
            };
            load_space(self.root, key, named);
            return Ok(());
        }
        if op.space != self.space {
            self.finish_space()?;
            self.space = op.space;
        }
        let claimed = self
            .segment
            .as_ref()
            .map(|(segment, _)| segment.proven.claim(place));
        if claimed != Some(true) {
            let what = "two of its entries name one record";
            return Err(checkpoint_damaged(self.number, what));
        }
        let item = Item {
            place,
            commit_index: op.commit_index,
            key_id: self
                .runs
                .as_mut()
                .map_or(KeyId(0), |runs| runs.push(op.space, key)),
        };
        self.live_bytes += u64::from(place.len);
        match self.keys.push(key, &item) {
            true => Ok(()),
            false => Err(self.out_of_order()),
        }
    }

    /// That was all, and it covers the log up to `covered`. Answers the keys by their ids.
    pub(crate) fn finish(mut self, covered: Covered) -> Result<KeyRuns> {
        self.count();
        self.finish_space()?;
        let (mut is_covered, mut is_behind) = (true, false);
        for segment in self.segments.order() {
            let from = match (is_covered, segment.id() == covered.segment) {
                (_, true) => covered.at,
                (true, false) => u32::MAX,
                (false, false) => 0,
            };
            is_covered &= segment.id() != covered.segment;
            is_behind |= segment.proven.forget_claims(from);
        }
        if is_behind {
            // Replay comes to these records too, and may give them to other keys.
            let what = "it names a record behind what it covers";
            return Err(checkpoint_damaged(self.number, what));
        }
        Ok(self.runs.unwrap_or_default())
    }

    fn out_of_order(&self) -> Error {
        checkpoint_damaged(self.number, "its keys are out of order")
    }

    /// Counts the live bytes of the entries that lead to one segment.
    fn count(&mut self) {
        if let Some((segment, _)) = &self.segment {
            segment.add_live_sum(self.live_bytes);
        }
        self.live_bytes = 0;
    }

    /// Puts the keys of a space in their place.
    fn finish_space(&mut self) -> Result<()> {
        let keys = std::mem::replace(&mut self.keys, SortedIndex::new()).finish();
        match self.root.space_mut(self.space) {
            Some(index) if index.len() == 0 => {
                *index = keys;
                Ok(())
            }
            _ => Err(self.out_of_order()),
        }
    }
}

/// Damage in the file of a checkpoint, in words.
pub(crate) fn checkpoint_damaged(number: u32, what: &str) -> Error {
    let place = Where::Offset {
        file: names::checkpoint(number),
        offset: 0,
    };
    Error::corrupt(place, what)
}
