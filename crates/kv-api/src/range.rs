//! An iterator over a range of keys, from both ends, made of two cursors.

use std::ops::Bound;

use crate::cursor::{Cursor, Moved};
use crate::{Error, KeyRange, Result};

/// The pairs of a range, from the front or the back.
///
/// An error is sticky: once a move failed, both ends answer that error for ever, so a caller that
/// goes on after an error cannot take it for the end.
pub struct Range<C: Cursor> {
    front: C,
    back: C,
    bounds: KeyRange,
    front_key: Option<C::Slice>,
    back_key: Option<C::Slice>,
    done: bool,
    failed: Option<Error>,
}

impl<C: Cursor> Range<C> {
    /// A range over two fresh cursors of the same space and reader.
    pub fn new(front: C, back: C, bounds: KeyRange) -> Range<C> {
        Range {
            front,
            back,
            bounds,
            front_key: None,
            back_key: None,
            done: false,
            failed: None,
        }
    }

    fn step_front(&mut self) -> Moved<C::Slice> {
        if self.front_key.is_some() {
            return self.front.next();
        }
        match self.bounds.start() {
            Bound::Unbounded => self.front.first(),
            Bound::Included(key) => self.front.seek(key),
            Bound::Excluded(key) => match self.front.seek(key)? {
                Some((found, _)) if *found == *key => self.front.next(),
                found => Ok(found),
            },
        }
    }

    fn step_back(&mut self) -> Moved<C::Slice> {
        if self.back_key.is_some() {
            return self.back.prev();
        }
        match self.bounds.end() {
            Bound::Unbounded => self.back.last(),
            Bound::Included(key) => self.back.seek_for_prev(key),
            Bound::Excluded(key) => match self.back.seek_for_prev(key)? {
                Some((found, _)) if *found == *key => self.back.prev(),
                found => Ok(found),
            },
        }
    }

    /// Passes a pair on if it is inside the bounds and the ends have not met.
    fn admit(
        &mut self,
        moved: Moved<C::Slice>,
        from_front: bool,
    ) -> Option<Result<(C::Slice, C::Slice)>> {
        let (key, value) = match moved {
            Ok(Some(pair)) => pair,
            Ok(None) => {
                self.done = true;
                return None;
            }
            Err(error) => {
                self.failed = Some(error.clone());
                return Some(Err(error));
            }
        };
        let inside = if from_front {
            self.bounds.is_at_or_before_end(&key)
                && self.back_key.as_ref().is_none_or(|back| key[..] < back[..])
        } else {
            self.bounds.is_at_or_after_start(&key)
                && self
                    .front_key
                    .as_ref()
                    .is_none_or(|front| key[..] > front[..])
        };
        if inside {
            return Some(Ok((key, value)));
        }
        self.done = true;
        None
    }
}

impl<C: Cursor> Iterator for Range<C>
where
    C::Slice: Clone,
{
    type Item = Result<(C::Slice, C::Slice)>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = &self.failed {
            return Some(Err(error.clone()));
        }
        if self.done {
            return None;
        }
        let moved = self.step_front();
        let admitted = self.admit(moved, true)?;
        Some(admitted.inspect(|(key, _)| self.front_key = Some(key.clone())))
    }
}

impl<C: Cursor> DoubleEndedIterator for Range<C>
where
    C::Slice: Clone,
{
    fn next_back(&mut self) -> Option<Self::Item> {
        if let Some(error) = &self.failed {
            return Some(Err(error.clone()));
        }
        if self.done {
            return None;
        }
        let moved = self.step_back();
        let admitted = self.admit(moved, false)?;
        Some(admitted.inspect(|(key, _)| self.back_key = Some(key.clone())))
    }
}
