//! A place in a space's key order that can be moved.

use std::ops::Deref;

use crate::Result;

/// What a move answers: the pair it came to, or `None` where there is no pair to come to.
pub type Moved<S> = Result<Option<(S, S)>>;

/// A place in the key order of one space.
///
/// Laws, each a named test in `conformance`:
///
/// * before the first move the cursor is nowhere: `current`, `next` and `prev` answer `None`;
/// * an end does not move the cursor: after `next` answered `None` at the last pair, the cursor
///   is still on the last pair, and `prev` answers the last but one; likewise at the first;
/// * a `seek` past the last pair leaves the cursor behind it: `current` and `next` answer `None`,
///   `prev` answers the last pair. `seek_for_prev` before the first pair mirrors this;
/// * an error is sticky: every later `next`, `prev` and `current` answers the same error, so it
///   is never mistaken for the end. `first`, `last` and the seeks start afresh.
pub trait Cursor {
    /// Bytes lent by the reader behind the cursor; they outlive the cursor's next move.
    type Slice: Deref<Target = [u8]>;

    /// Moves to the first pair.
    fn first(&mut self) -> Moved<Self::Slice>;
    /// Moves to the last pair.
    fn last(&mut self) -> Moved<Self::Slice>;
    /// Moves to the first pair whose key is at or after `key`.
    fn seek(&mut self, key: &[u8]) -> Moved<Self::Slice>;
    /// Moves to the last pair whose key is at or before `key`.
    fn seek_for_prev(&mut self, key: &[u8]) -> Moved<Self::Slice>;
    /// Moves to the following pair.
    fn next(&mut self) -> Moved<Self::Slice>;
    /// Moves to the preceding pair.
    fn prev(&mut self) -> Moved<Self::Slice>;
    /// The pair the cursor is on.
    fn current(&mut self) -> Moved<Self::Slice>;
}
