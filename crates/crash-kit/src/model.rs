//! What a store should hold, as a plain map, and a digest to compare stores with it by.
//!
//! Invariant: the digest is the sum of the pairs' own digests, so it does not depend on the order
//! in which pairs were met; order is checked on its own by [`Scan`].

use std::collections::BTreeMap;
use std::ops::Range;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128_with_seed};

/// A digest of all pairs of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Digest(pub(crate) u128);

fn pair_digest(space: &[u8], key: &[u8], value: &[u8]) -> u128 {
    let seed = xxh3_64_with_seed(key, xxh3_64(space));
    xxh3_128_with_seed(value, seed)
}

/// The pairs a store should hold: a plain map of `(space, key)` to value.
///
/// A space is whatever the subject makes of it: a bucket's path, or nothing at all. Where an empty
/// space counts, stand a pair with an empty key for it, here and in the scan.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pairs: BTreeMap<(Vec<u8>, Vec<u8>), Vec<u8>>,
    digest: u128,
}

impl Model {
    /// Sets a pair.
    pub fn put(&mut self, space: &[u8], key: &[u8], value: &[u8]) {
        self.delete(space, key);
        self.digest = self.digest.wrapping_add(pair_digest(space, key, value));
        self.pairs
            .insert((space.to_vec(), key.to_vec()), value.to_vec());
    }

    /// Removes a pair, if it is there.
    pub fn delete(&mut self, space: &[u8], key: &[u8]) {
        if let Some(value) = self.pairs.remove(&(space.to_vec(), key.to_vec())) {
            self.digest = self.digest.wrapping_sub(pair_digest(space, key, &value));
        }
    }

    /// Removes the pairs of `space` whose keys are in `keys`.
    pub fn delete_range(&mut self, space: &[u8], keys: Range<&[u8]>) {
        let doomed: Vec<Vec<u8>> = self
            .space(space)
            .map(|(key, _)| key)
            .filter(|key| keys.contains(key))
            .map(<[u8]>::to_vec)
            .collect();
        for key in doomed {
            self.delete(space, &key);
        }
    }

    /// Removes all pairs of `space`.
    pub fn clear(&mut self, space: &[u8]) {
        let doomed: Vec<Vec<u8>> = self.space(space).map(|(key, _)| key.to_vec()).collect();
        for key in doomed {
            self.delete(space, &key);
        }
    }

    /// The value of a key.
    pub fn get(&self, space: &[u8], key: &[u8]) -> Option<&[u8]> {
        let value = self.pairs.get(&(space.to_vec(), key.to_vec()));
        value.map(Vec::as_slice)
    }

    /// The pairs of `space`, ascending.
    pub fn space(&self, space: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
        let from = (space.to_vec(), Vec::new());
        let space = space.to_vec();
        self.pairs
            .range(from..)
            .take_while(move |((of, _), _)| *of == space)
            .map(|((_, key), value)| (key.as_slice(), value.as_slice()))
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest(self.digest)
    }
}

/// Which way a store is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Ascending.
    Forward,
    /// Descending.
    Backward,
}

/// Takes a store's pairs as a cursor meets them, and checks their order.
#[derive(Debug)]
pub struct Scan {
    direction: Direction,
    digest: u128,
    last: Option<(Vec<u8>, Vec<u8>)>,
    disorder: Option<String>,
}

impl Scan {
    pub(crate) fn new(direction: Direction) -> Scan {
        Scan {
            direction,
            digest: 0,
            last: None,
            disorder: None,
        }
    }

    /// Takes the next pair. Keys must be in order within a run of one space.
    pub fn pair(&mut self, space: &[u8], key: &[u8], value: &[u8]) {
        self.digest = self.digest.wrapping_add(pair_digest(space, key, value));
        let (last_space, last_key) = self.last.get_or_insert_default();
        let fresh = last_key.is_empty() || last_space != space;
        let ordered = match self.direction {
            Direction::Forward => last_key.as_slice() < key,
            Direction::Backward => last_key.as_slice() > key,
        };
        if !fresh && !ordered && self.disorder.is_none() {
            let direction = self.direction;
            self.disorder = Some(format!("{direction:?}: {key:?} after {last_key:?}"));
        }
        last_space.clear();
        last_space.extend_from_slice(space);
        last_key.clear();
        last_key.extend_from_slice(key);
    }

    pub(crate) fn finish(self) -> Result<Digest, String> {
        match self.disorder {
            Some(disorder) => Err(disorder),
            None => Ok(Digest(self.digest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_of_the_same_pairs_has_the_models_digest_both_ways() {
        let mut model = Model::default();
        model.put(b"", b"a", b"1");
        model.put(b"", b"b", b"0");
        model.put(b"", b"b", b"2");
        model.put(b"", b"c", b"3");
        model.delete(b"", b"c");
        let mut forward = Scan::new(Direction::Forward);
        forward.pair(b"", b"a", b"1");
        forward.pair(b"", b"b", b"2");
        let mut backward = Scan::new(Direction::Backward);
        backward.pair(b"", b"b", b"2");
        backward.pair(b"", b"a", b"1");
        assert_eq!(forward.finish(), Ok(model.digest()));
        assert_eq!(backward.finish(), Ok(model.digest()));
    }

    #[test]
    fn a_key_met_twice_is_a_disorder() {
        let mut scan = Scan::new(Direction::Forward);
        scan.pair(b"", b"a", b"1");
        scan.pair(b"", b"a", b"1");
        assert!(scan.finish().is_err());
    }
}
