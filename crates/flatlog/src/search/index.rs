//! The value index: dictionary, posting lists and changes behind one lock with short holds.
//!
//! Invariants: `postings` is as long as the dictionary; an id is in a posting list exactly if the
//! newest value of its key has the token; `dead` counts empty posting lists.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use roaring::RoaringBitmap;

use crate::ids::KeyId;
use crate::search::changes::Changes;
use crate::search::dictionary::{Dictionary, TokenId};
use crate::search::id_union::IdUnion;
use crate::search::posting::Posting;
use crate::search::tokens::for_each_token;

/// How many tokens a search of the dictionary looks at under one hold of the lock.
const TOKENS_PER_HOLD: usize = 1 << 14;

/// How many empty posting lists are borne before the dictionary is built anew.
const DEAD_MIN: usize = 1024;

/// Where in a token a part of it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// It is the token.
    Whole,
    /// At its beginning.
    Beginning,
    /// At its end.
    End,
    /// Anywhere.
    Inside,
}

/// What a look-up found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The keys whose newest value has one of the tokens.
    pub ids: Arc<RoaringBitmap>,
    /// How many tokens matched.
    pub tokens: u64,
}

/// Memory of an index, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexBytes {
    /// The dictionary of tokens.
    pub dictionary: usize,
    /// The posting lists.
    pub postings: usize,
    /// The commit index of each id's last change.
    pub changes: usize,
}

impl IndexBytes {
    /// All of it.
    pub fn total(self) -> usize {
        self.dictionary + self.postings + self.changes
    }
}

/// Token to keys, for the newest value of each key. One writer, any number of readers; the
/// module's page says why snapshots may read it.
///
/// ```
/// use flatlog::search::{KeyId, SearchIndex, Side};
/// let index = SearchIndex::new();
/// index.insert(KeyId(1), b"an uncritical error", 10);
/// index.insert(KeyId(2), b"critical!", 11);
/// let found = index.find(b"critical", Side::Inside, u64::MAX).unwrap();
/// assert_eq!(found.ids.iter().collect::<Vec<_>>(), [1, 2]);
/// assert_eq!(found.tokens, 2);
/// index.replace(KeyId(2), b"critical!", b"fine", 12);
/// assert!(index.find(b"critical", Side::Whole, u64::MAX).unwrap().ids.is_empty());
/// assert!(index.changed_after(11).contains(2));
/// ```
pub struct SearchIndex {
    parts: RwLock<Parts>,
}

pub(super) struct Parts {
    pub(super) dictionary: Dictionary,
    pub(super) postings: Vec<Posting>,
    pub(super) changes: Changes,
    dead: usize,
    /// Grows whenever tokens change their numbers.
    epoch: u64,
    /// A token found no room in the dictionary: the index can no longer answer.
    incomplete: bool,
}

impl Default for SearchIndex {
    fn default() -> SearchIndex {
        SearchIndex::new()
    }
}

impl SearchIndex {
    /// An index of nothing.
    pub fn new() -> SearchIndex {
        SearchIndex::with_parts(Dictionary::new(), Vec::new(), 0)
    }

    pub(super) fn with_parts(
        dictionary: Dictionary,
        postings: Vec<Posting>,
        ids_end: u32,
    ) -> SearchIndex {
        let mut changes = Changes::default();
        changes.grow(ids_end);
        SearchIndex {
            parts: RwLock::new(Parts {
                dictionary,
                postings,
                changes,
                dead: 0,
                epoch: 0,
                incomplete: false,
            }),
        }
    }

    /// A key that had no value has this one since `commit_index`.
    pub fn insert(&self, id: KeyId, value: &[u8], commit_index: u64) {
        let mut parts = self.write();
        parts.changes.mark(id.0, commit_index);
        for_each_token(value, |token| parts.add(token, id.0));
    }

    /// A key that had the value `old` has the value `new` since `commit_index`.
    pub fn replace(&self, id: KeyId, old: &[u8], new: &[u8], commit_index: u64) {
        let mut parts = self.write();
        parts.changes.mark(id.0, commit_index);
        let gone = parts.numbers(old);
        for_each_token(new, |token| parts.add(token, id.0));
        let kept = parts.numbers(new);
        for number in gone {
            if kept.binary_search(&number).is_err() {
                parts.remove(number, id.0);
            }
        }
        parts.rebuild_when_due();
    }

    /// A key that had the value `old` is gone since `commit_index`.
    pub fn remove(&self, id: KeyId, old: &[u8], commit_index: u64) {
        let mut parts = self.write();
        parts.changes.mark(id.0, commit_index);
        for number in parts.numbers(old) {
            parts.remove(number, id.0);
        }
        parts.rebuild_when_due();
    }

    /// The keys whose newest value has a token with `part` (folded to lower case) at that side.
    /// None if the posting lists hold more than `ids_max` ids together, which may take less time
    /// to learn than to join them, or if the index is incomplete.
    ///
    /// [`Side::Whole`] costs O(1), [`Side::Beginning`] O(log n) in the number of tokens, the
    /// others a search of the dictionary's bytes; and O(k) for k ids.
    pub fn find(&self, part: &[u8], side: Side, ids_max: u64) -> Option<Found> {
        match side {
            Side::Whole => self.find_token(part),
            Side::Beginning => {
                let parts = self.read();
                let mut numbers = Vec::new();
                parts.dictionary.beginning_with(part, &mut numbers);
                let mut found = IdUnion::default();
                let tokens = parts.gather(&numbers, &mut found, ids_max)?;
                let ids_end = parts.changes.ids_end();
                drop(parts);
                let ids = found.finish(ids_end);
                Some(Found { ids, tokens })
            }
            Side::End | Side::Inside => loop {
                match self.search(part, side, ids_max) {
                    Search::Done(found) => return found,
                    Search::Renumbered => {}
                }
            },
        }
    }

    /// The ids whose value changed at a commit index above `commit_index`: a snapshot at that
    /// index asks for them after its sets, and believes no set about them.
    pub fn changed_after(&self, commit_index: u64) -> RoaringBitmap {
        self.read().changes.after(commit_index)
    }

    /// The index missed a change: from now on it answers nothing, and queries look at values.
    pub fn give_up(&self) {
        self.write().incomplete = true;
    }

    /// One above the largest id it was ever told of.
    pub fn ids_end(&self) -> u32 {
        self.read().changes.ids_end()
    }

    /// Whether it answers: see [`give_up`](SearchIndex::give_up).
    pub fn is_complete(&self) -> bool {
        !self.read().incomplete
    }

    /// How many tokens there are.
    pub fn tokens(&self) -> u64 {
        let parts = self.read();
        (parts.dictionary.len() - parts.dead) as u64
    }

    /// Memory held. O(number of tokens).
    pub fn memory_bytes(&self) -> IndexBytes {
        let parts = self.read();
        let lists: usize = parts.postings.iter().map(Posting::memory_bytes).sum();
        // The bytes of a stored index are there for as long as one list is read from them.
        let stored = parts.postings.iter().map(Posting::stored_bytes).max();
        let stored = stored.unwrap_or(0);
        IndexBytes {
            dictionary: parts.dictionary.memory_bytes(),
            postings: lists + stored + parts.postings.capacity() * size_of::<Posting>(),
            changes: parts.changes.memory_bytes(),
        }
    }

    fn find_token(&self, token: &[u8]) -> Option<Found> {
        let parts = self.read();
        if parts.incomplete {
            return None;
        }
        let posting = parts
            .dictionary
            .find(token)
            .and_then(|number| parts.postings.get(number.0 as usize))
            .cloned()
            .unwrap_or_default();
        drop(parts);
        let tokens = u64::from(posting.len() > 0);
        Some(Found {
            ids: posting.to_bitmap(),
            tokens,
        })
    }

    /// One walk over the dictionary, a hold for each stretch of it.
    fn search(&self, part: &[u8], side: Side, ids_max: u64) -> Search {
        let mut epoch = None;
        let mut from = 0;
        let mut found = IdUnion::default();
        let mut tokens = 0;
        loop {
            let parts = self.read();
            if *epoch.get_or_insert(parts.epoch) != parts.epoch {
                return Search::Renumbered;
            }
            let to = parts.dictionary.len().min(from + TOKENS_PER_HOLD);
            let mut numbers = Vec::new();
            match side {
                Side::End => parts.dictionary.ending_in(part, from..to, &mut numbers),
                _ => parts.dictionary.containing(part, from..to, &mut numbers),
            }
            let Some(matched) = parts.gather(&numbers, &mut found, ids_max) else {
                return Search::Done(None);
            };
            tokens += matched;
            if to == parts.dictionary.len() {
                let ids_end = parts.changes.ids_end();
                drop(parts);
                let ids = found.finish(ids_end);
                return Search::Done(Some(Found { ids, tokens }));
            }
            from = to;
        }
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Parts> {
        self.parts.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Parts> {
        self.parts.write().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Search {
    Done(Option<Found>),
    Renumbered,
}

impl Parts {
    /// Adds the lists of `numbers` to `found`, and answers how many are not empty. None if there
    /// are too many ids.
    fn gather(&self, numbers: &[TokenId], found: &mut IdUnion, ids_max: u64) -> Option<u64> {
        if self.incomplete {
            return None;
        }
        let mut tokens = 0;
        for number in numbers {
            let Some(list) = self.postings.get(number.0 as usize) else {
                continue;
            };
            if found.len().saturating_add(list.len()) > ids_max {
                return None;
            }
            tokens += u64::from(list.len() > 0);
            found.add(list);
        }
        Some(tokens)
    }

    fn add(&mut self, token: &[u8], id: u32) {
        let Some(number) = self.dictionary.find_or_add(token) else {
            self.incomplete = true;
            return;
        };
        let place = number.0 as usize;
        if place >= self.postings.len() {
            self.postings.push(Posting::default());
            self.dead += 1;
        }
        if let Some(list) = self.postings.get_mut(place) {
            if list.len() == 0 {
                self.dead -= 1;
            }
            list.insert(id);
        }
    }

    fn remove(&mut self, number: TokenId, id: u32) {
        if let Some(list) = self.postings.get_mut(number.0 as usize) {
            let before = list.len();
            list.remove(id);
            if before > 0 && list.len() == 0 {
                self.dead += 1;
            }
        }
    }

    /// The numbers of the tokens of `value`, ascending, each once.
    fn numbers(&self, value: &[u8]) -> Vec<TokenId> {
        let mut numbers = Vec::new();
        for_each_token(value, |token| numbers.extend(self.dictionary.find(token)));
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Forgets tokens that no value has once they are more than half. Amortised O(1) per token.
    fn rebuild_when_due(&mut self) {
        if self.dead < DEAD_MIN || self.dead * 2 < self.dictionary.len() {
            return;
        }
        let mut dictionary = Dictionary::new();
        let mut postings = Vec::with_capacity(self.dictionary.len() - self.dead);
        self.dictionary.sort();
        for number in self.dictionary.in_order() {
            let list = self.postings.get_mut(number.0 as usize);
            let Some(list) = list.filter(|list| list.len() > 0) else {
                continue;
            };
            if dictionary
                .find_or_add(self.dictionary.token(number))
                .is_some()
            {
                postings.push(std::mem::take(list));
            }
        }
        // Whoever walks the sorted tokens meanwhile finds all of them again.
        dictionary.sort();
        self.dictionary = dictionary;
        self.postings = postings;
        self.dead = 0;
        self.epoch += 1;
    }
}
