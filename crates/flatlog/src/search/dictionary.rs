//! The tokens that there are, found by their whole, their beginning, their end or their inside.
//!
//! All tokens lie in one buffer, `[SEPARATOR token]* SEPARATOR`, in the order of their arrival,
//! which gives each its number. The separator occurs in no UTF-8, so a search of the buffer for
//! `part`, `part SEPARATOR` or `SEPARATOR part` finds insides, ends and beginnings: at several
//! gigabytes a second, which a hundred thousand tokens do not feel. Beginnings are also found by
//! binary search in `sorted`; only tokens newer than it are searched for in the buffer.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use hashbrown::HashTable;
use memchr::memmem::Finder;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Occurs in no UTF-8 text, and is rare in the eyes of a substring search.
const SEPARATOR: u8 = 0xF8;

/// A token's number in a dictionary; gives way when the dictionary is built anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TokenId(pub(super) u32);

/// The tokens that there are.
pub(super) struct Dictionary {
    bytes: Vec<u8>,
    /// Where each token begins.
    starts: Vec<u32>,
    table: HashTable<u32>,
    /// The numbers of the first `sorted.len()` tokens in the order of their bytes.
    sorted: Vec<u32>,
    /// Unknown to whoever writes values, so that no one can make tokens collide.
    seed: u64,
}

impl Dictionary {
    pub(super) fn new() -> Dictionary {
        Dictionary {
            bytes: vec![SEPARATOR],
            starts: Vec::new(),
            table: HashTable::new(),
            sorted: Vec::new(),
            seed: RandomState::new().hash_one(0u8),
        }
    }

    /// The dictionary of `tokens`, which ascend; none if they do not, or are too many.
    pub(super) fn of_sorted<'t>(
        tokens: impl Iterator<Item = &'t [u8]> + Clone,
    ) -> Option<Dictionary> {
        let mut dictionary = Dictionary::new();
        let count = tokens.clone().count();
        dictionary.starts.reserve_exact(count);
        dictionary.table.reserve(count, |_| 0);
        let mut before: &[u8] = &[];
        for token in tokens {
            if token <= before {
                return None;
            }
            before = token;
            dictionary.add_new(token)?;
        }
        let end = u32::try_from(dictionary.starts.len()).ok()?;
        dictionary.sorted = (0..end).collect();
        Some(dictionary)
    }

    /// How many tokens have a number.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// Memory held, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.bytes.capacity()
            + (self.starts.capacity() + self.sorted.capacity()) * size_of::<u32>()
            + self.table.allocation_size()
    }

    /// The bytes of a token.
    pub(super) fn token(&self, id: TokenId) -> &[u8] {
        token_at(&self.bytes, &self.starts, id.0)
    }

    /// The number of exactly this token.
    pub(super) fn find(&self, token: &[u8]) -> Option<TokenId> {
        let hash = xxh3_64_with_seed(token, self.seed);
        self.table
            .find(hash, |&id| self.token(TokenId(id)) == token)
            .map(|&id| TokenId(id))
    }

    /// The number of `token`, which is given one if it has none. None if the dictionary is full:
    /// 4 GiB of tokens.
    pub(super) fn find_or_add(&mut self, token: &[u8]) -> Option<TokenId> {
        let hash = xxh3_64_with_seed(token, self.seed);
        let (bytes, starts) = (&self.bytes, &self.starts);
        let known = |&id: &u32| is_same(token_at(bytes, starts, id), token);
        if let Some(&id) = self.table.find(hash, known) {
            return Some(TokenId(id));
        }
        let id = self.add_new(token)?;
        self.sort_when_due();
        Some(id)
    }

    /// Gives a token that has none a number.
    fn add_new(&mut self, token: &[u8]) -> Option<TokenId> {
        let hash = xxh3_64_with_seed(token, self.seed);
        let id = u32::try_from(self.starts.len()).ok()?;
        let start = u32::try_from(self.bytes.len()).ok()?;
        u32::try_from(self.bytes.len() + token.len() + 1).ok()?;
        self.starts.push(start);
        self.bytes.extend_from_slice(token);
        self.bytes.push(SEPARATOR);
        let (bytes, starts, seed) = (&self.bytes, &self.starts, self.seed);
        self.table.insert_unique(hash, id, |&id| {
            xxh3_64_with_seed(token_at(bytes, starts, id), seed)
        });
        Some(TokenId(id))
    }

    /// Keeps the unsorted rest below an eighth of all: O(1) amortised merges of O(n).
    fn sort_when_due(&mut self) {
        let unsorted = self.starts.len() - self.sorted.len();
        if unsorted >= 256 && unsorted >= self.sorted.len() / 8 {
            self.sort();
        }
    }

    /// Sorts all tokens.
    pub(super) fn sort(&mut self) {
        let from = u32::try_from(self.sorted.len()).unwrap_or(u32::MAX);
        let to = u32::try_from(self.starts.len()).unwrap_or(u32::MAX);
        self.sorted.extend(from..to);
        let (bytes, starts) = (&self.bytes, &self.starts);
        // Stable on purpose: it sees that the first part is a sorted run, and merges.
        self.sorted
            .sort_by(|&a, &b| token_at(bytes, starts, a).cmp(token_at(bytes, starts, b)));
    }

    /// All tokens in the order of their bytes; call [`sort`](Dictionary::sort) first.
    pub(super) fn in_order(&self) -> impl Iterator<Item = TokenId> + '_ {
        self.sorted.iter().map(|&id| TokenId(id))
    }

    /// The sorted tokens that are above `last`.
    pub(super) fn in_order_after(&self, last: &[u8]) -> impl Iterator<Item = TokenId> + '_ {
        let first = self
            .sorted
            .partition_point(|&id| self.token(TokenId(id)) <= last);
        self.sorted.iter().skip(first).map(|&id| TokenId(id))
    }

    /// Adds the tokens that begin with `part` to `found`. O(log n) and their number, and a search
    /// of the newest tokens.
    pub(super) fn beginning_with(&self, part: &[u8], found: &mut Vec<TokenId>) {
        let at = |id: u32| token_at(&self.bytes, &self.starts, id);
        let first = self.sorted.partition_point(|&id| at(id) < part);
        let rest = self.sorted.get(first..).unwrap_or_default();
        let matching = rest.partition_point(|&id| at(id).starts_with(part));
        found.extend(rest.iter().take(matching).map(|&id| TokenId(id)));
        let mut needle = vec![SEPARATOR];
        needle.extend_from_slice(part);
        self.search(
            &Finder::new(&needle),
            1,
            self.sorted.len()..self.starts.len(),
            found,
        );
    }

    /// Adds those of the tokens numbered in `numbers` that end in `part` to `found`.
    pub(super) fn ending_in(&self, part: &[u8], numbers: Range<usize>, found: &mut Vec<TokenId>) {
        let mut needle = part.to_vec();
        needle.push(SEPARATOR);
        self.search(&Finder::new(&needle), 0, numbers, found);
    }

    /// Adds those of the tokens numbered in `numbers` that have `part` anywhere to `found`.
    pub(super) fn containing(&self, part: &[u8], numbers: Range<usize>, found: &mut Vec<TokenId>) {
        self.search(&Finder::new(part), 0, numbers, found);
    }

    /// Adds the tokens numbered in `numbers` in which `finder` finds something; what it finds
    /// stands `skip` bytes after the match.
    fn search(
        &self,
        finder: &Finder<'_>,
        skip: usize,
        numbers: Range<usize>,
        found: &mut Vec<TokenId>,
    ) {
        let bounds = |number: usize| match self.starts.get(number) {
            Some(&start) => start as usize,
            None => self.bytes.len(),
        };
        let mut number = numbers.start;
        let end = bounds(numbers.end);
        let mut at = bounds(number).saturating_sub(1);
        while number < numbers.end {
            let Some(hit) = self.bytes.get(at..end).and_then(|rest| finder.find(rest)) else {
                return;
            };
            let place = at + hit + skip;
            let rest = self.starts.get(number..numbers.end).unwrap_or_default();
            // Gallop: the next match is near when matches are many.
            let mut span = 1;
            while rest.get(span).is_some_and(|&start| start as usize <= place) {
                span *= 2;
            }
            let near = rest.get(..rest.len().min(span + 1)).unwrap_or_default();
            number += near.partition_point(|&start| start as usize <= place) - 1;
            found.push(TokenId(u32::try_from(number).unwrap_or(u32::MAX)));
            number += 1;
            at = bounds(number).saturating_sub(1);
        }
    }
}

/// Whether two tokens are the same; most are short, for which a call costs more than comparing.
#[inline]
fn is_same(known: &[u8], token: &[u8]) -> bool {
    if known.len() != token.len() {
        return false;
    }
    match (known.first_chunk::<8>(), token.first_chunk::<8>()) {
        (Some(a), Some(b)) if known.len() <= 16 => {
            a == b && known.last_chunk::<8>() == token.last_chunk::<8>()
        }
        (None, None) => known.iter().zip(token).all(|(a, b)| a == b),
        _ => known == token,
    }
}

/// The token numbered `id`: the bytes up to the separator before the next one.
fn token_at<'a>(bytes: &'a [u8], starts: &[u32], id: u32) -> &'a [u8] {
    let id = id as usize;
    let Some(&start) = starts.get(id) else {
        return &[];
    };
    let end = starts
        .get(id + 1)
        .map_or(bytes.len(), |&next| next as usize);
    bytes.get(start as usize..end - 1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_of_any_length_are_the_same_only_where_every_byte_is() {
        for len in 0..40 {
            let token = vec![b'a'; len];
            assert!(is_same(&token, &token));
            for at in 0..len {
                let mut other = token.clone();
                other
                    .iter_mut()
                    .skip(at)
                    .take(1)
                    .for_each(|byte| *byte = b'b');
                assert!(!is_same(&token, &other), "{at} of {len}");
            }
            assert!(!is_same(&token, &vec![b'a'; len + 1]));
        }
    }
}
