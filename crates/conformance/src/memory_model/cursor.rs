//! A cursor over an ordered map, with the ends `kv-api` asks for.

use std::ops::Bound;

use bytes::Bytes;
use kv_api::{Cursor, Result};

use super::version::Pairs;

/// A cursor of the model.
pub struct MemoryCursor<'a> {
    pairs: &'a Pairs,
    at: At,
}

enum At {
    Nowhere,
    BeforeFirst,
    On(Bytes),
    BehindLast,
}

type Entry<'a> = Option<(&'a Bytes, &'a Bytes)>;
type Answer<'a> = Result<Option<(&'a [u8], &'a [u8])>>;

impl<'a> MemoryCursor<'a> {
    pub(super) fn new(pairs: &'a Pairs) -> MemoryCursor<'a> {
        MemoryCursor {
            pairs,
            at: At::Nowhere,
        }
    }

    /// The pair nearest above the bound.
    fn above(&self, bound: Bound<&[u8]>) -> Entry<'a> {
        self.pairs
            .range::<[u8], _>((bound, Bound::Unbounded))
            .next()
    }

    /// The pair nearest below the bound.
    fn below(&self, bound: Bound<&[u8]>) -> Entry<'a> {
        self.pairs
            .range::<[u8], _>((Bound::Unbounded, bound))
            .next_back()
    }

    /// Stands on `found`; where there is none, goes to `otherwise`, or stays.
    fn land(&mut self, found: Entry<'a>, otherwise: Option<At>) -> Answer<'a> {
        match (found, otherwise) {
            (Some((key, _)), _) => self.at = At::On(key.clone()),
            (None, Some(at)) => self.at = at,
            (None, None) => {}
        }
        Ok(found.map(|(key, value)| (&key[..], &value[..])))
    }
}

impl<'a> Cursor for MemoryCursor<'a> {
    type Slice = &'a [u8];

    fn first(&mut self) -> Answer<'a> {
        self.land(self.pairs.first_key_value(), Some(At::Nowhere))
    }

    fn last(&mut self) -> Answer<'a> {
        self.land(self.pairs.last_key_value(), Some(At::Nowhere))
    }

    fn seek(&mut self, key: &[u8]) -> Answer<'a> {
        self.land(self.above(Bound::Included(key)), Some(At::BehindLast))
    }

    fn seek_for_prev(&mut self, key: &[u8]) -> Answer<'a> {
        self.land(self.below(Bound::Included(key)), Some(At::BeforeFirst))
    }

    fn next(&mut self) -> Answer<'a> {
        let found = match &self.at {
            At::Nowhere | At::BehindLast => None,
            At::BeforeFirst => self.pairs.first_key_value(),
            At::On(key) => self.above(Bound::Excluded(key)),
        };
        self.land(found, None)
    }

    fn prev(&mut self) -> Answer<'a> {
        let found = match &self.at {
            At::Nowhere | At::BeforeFirst => None,
            At::BehindLast => self.pairs.last_key_value(),
            At::On(key) => self.below(Bound::Excluded(key)),
        };
        self.land(found, None)
    }

    fn current(&mut self) -> Answer<'a> {
        let found = match &self.at {
            At::On(key) => self.pairs.get_key_value(key),
            _ => None,
        };
        self.land(found, None)
    }
}
