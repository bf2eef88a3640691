//! Questions about pairs, apart from any engine's way of writing them down.

use std::collections::BTreeSet;

use quickcheck::{Arbitrary, Gen};

/// A pair with the index of the commit that wrote it: key, value, commit index.
pub type IndexedPair = (Vec<u8>, Vec<u8>, u64);

/// What a pair must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// The key is these bytes.
    KeyIs(Vec<u8>),
    /// The key is less than these bytes.
    KeyBelow(Vec<u8>),
    /// The key begins with these bytes.
    KeyBegins(Vec<u8>),
    /// The value is these bytes.
    ValueIs(Vec<u8>),
    /// The value has these bytes in it, anywhere.
    ValueHolds(Vec<u8>),
    /// The value has this word: words are the longest runs of letters and digits, and do not
    /// differ by case.
    ValueHasWord(String),
    /// The commit index is larger than this.
    IndexAbove(u64),
    /// All of them hold.
    All(Vec<Filter>),
    /// At least one of them holds.
    Any(Vec<Filter>),
    /// This does not hold.
    Not(Box<Filter>),
}

/// A whole question: which pairs, and in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Which pairs.
    pub filter: Filter,
    /// From the largest key down rather than from the smallest up.
    pub is_descending: bool,
    /// At most so many pairs.
    pub limit: Option<u64>,
    /// So many are passed over first.
    pub offset: u64,
}

/// The words of `bytes` in lower case.
fn words(bytes: &[u8]) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for part in bytes.utf8_chunks() {
        let runs = part.valid().split(|letter: char| !letter.is_alphanumeric());
        words.extend(runs.map(|run| run.chars().flat_map(char::to_lowercase).collect()));
    }
    words.remove("");
    words
}

impl Filter {
    /// Whether it holds for a pair.
    pub fn holds(&self, pair: &IndexedPair) -> bool {
        let (key, value, commit_index) = pair;
        match self {
            Filter::KeyIs(bytes) => key == bytes,
            Filter::KeyBelow(bytes) => key < bytes,
            Filter::KeyBegins(bytes) => key.starts_with(bytes),
            Filter::ValueIs(bytes) => value == bytes,
            Filter::ValueHolds(bytes) => {
                bytes.is_empty() || value.windows(bytes.len()).any(|part| part == bytes)
            }
            Filter::ValueHasWord(word) => words(word.as_bytes()).is_subset(&words(value)),
            Filter::IndexAbove(index) => commit_index > index,
            Filter::All(filters) => filters.iter().all(|filter| filter.holds(pair)),
            Filter::Any(filters) => filters.iter().any(|filter| filter.holds(pair)),
            Filter::Not(filter) => !filter.holds(pair),
        }
    }
}

impl Question {
    /// All pairs for which `filter` holds, keys ascending.
    pub fn about(filter: Filter) -> Question {
        Question {
            filter,
            is_descending: false,
            limit: None,
            offset: 0,
        }
    }

    /// The answer, by looking at every pair of a space, which come with their keys ascending.
    pub fn answer(&self, pairs: &[IndexedPair]) -> Vec<IndexedPair> {
        let found = pairs.iter().filter(|pair| self.filter.holds(pair)).cloned();
        let mut found: Vec<IndexedPair> = found.collect();
        if self.is_descending {
            found.reverse();
        }
        let count = |number| usize::try_from(number).unwrap_or(usize::MAX);
        let limit = self.limit.map_or(usize::MAX, count);
        let kept = found.into_iter().skip(count(self.offset)).take(limit);
        kept.collect()
    }
}

const WORDS: [&str; 10] = [
    "error",
    "ERROR",
    "errors",
    "uncritical",
    "critical",
    "7",
    "disk",
    "é",
    "É",
    "disk7",
];
const GAPS: [&[u8]; 7] = [b" ", b", ", b"-", b"\xFF", b"", b"*", b"\""];
const KEY_PARTS: [&[u8]; 8] = [b"user:", b"log:", b"1", b"2", b"a", b"\xFF", b"\0", b"?"];

fn below(chance: &mut Gen, end: u64) -> u64 {
    // Its numbers favour the ends of the whole range, so they are mixed first.
    (u64::arbitrary(chance).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) % end
}

fn joined(parts: &[&[u8]], count_max: u64, chance: &mut Gen) -> Vec<u8> {
    let count = 1 + below(chance, count_max);
    let pick = |_| chance.choose(parts).copied().unwrap_or_default().to_vec();
    (0..count).flat_map(pick).collect()
}

/// A key, one of few.
pub(crate) fn random_key(chance: &mut Gen) -> Vec<u8> {
    joined(&KEY_PARTS, 3, chance)
}

/// A value with words in it.
pub(crate) fn random_value(chance: &mut Gen) -> Vec<u8> {
    let mut value = Vec::new();
    for _ in 0..below(chance, 5) {
        value.extend_from_slice(chance.choose(&WORDS).unwrap().as_bytes());
        value.extend_from_slice(chance.choose(&GAPS).unwrap());
    }
    value
}

/// A part of these bytes.
fn part_of(bytes: &[u8], chance: &mut Gen) -> Vec<u8> {
    let len = bytes.len() as u64;
    let from = below(chance, len + 1);
    let to = from + below(chance, len - from + 1);
    let at = |number| usize::try_from(number).unwrap_or(0);
    bytes[at(from)..at(to)].to_vec()
}

/// A question of which most have an answer among pairs like the random ones.
pub(crate) fn random_question(last_index: u64, chance: &mut Gen) -> Question {
    let some = |chance: &mut Gen, end| (below(chance, 3) == 0).then(|| below(chance, end));
    Question {
        filter: random_filter(last_index, 2, chance),
        is_descending: bool::arbitrary(chance),
        limit: some(chance, 10),
        offset: some(chance, 4).unwrap_or(0),
    }
}

fn random_filter(last_index: u64, depth: u8, chance: &mut Gen) -> Filter {
    let kinds = if depth == 0 { 7 } else { 10 };
    let inner = |chance: &mut Gen| random_filter(last_index, depth.saturating_sub(1), chance);
    match below(chance, kinds) {
        0 => Filter::KeyIs(random_key(chance)),
        1 => Filter::KeyBelow(random_key(chance)),
        2 => Filter::KeyBegins(joined(&KEY_PARTS, 2, chance)),
        3 => Filter::ValueIs(random_value(chance)),
        4 => {
            let value = random_value(chance);
            Filter::ValueHolds(part_of(&value, chance))
        }
        5 => Filter::ValueHasWord((*chance.choose(&WORDS).unwrap()).to_owned()),
        6 => Filter::IndexAbove(below(chance, last_index + 2)),
        7 => Filter::All(vec![inner(chance), inner(chance)]),
        8 => Filter::Any(vec![inner(chance), inner(chance)]),
        _ => Filter::Not(Box::new(inner(chance))),
    }
}
