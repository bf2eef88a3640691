//! What a value index is made of: the state behind its lock.
//!
//! Invariants: `keys` is as long as the dictionary; an id is in a posting list exactly if the
//! newest value of its key has the token; `dead` counts empty posting lists.

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::search::changes::Changes;
use crate::search::dictionary::{Dictionary, TokenId};
use crate::search::id_union::IdUnion;
use crate::search::standing::{Exceptions, Standing};
use crate::search::token_keys::TokenKeys;
use crate::search::tokens::{Occurrence, for_each_occurrence, for_each_token};

/// How many empty posting lists are borne before the dictionary is built anew.
const DEAD_MIN: usize = 1024;

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
    /// The exceptions to how tokens stand.
    pub standings: usize,
    /// The commit index of each id's last change.
    pub changes: usize,
}

impl IndexBytes {
    /// All of it.
    pub fn total(self) -> usize {
        self.dictionary + self.postings + self.standings + self.changes
    }
}

/// Dictionary, posting lists and changes.
pub(super) struct Parts {
    pub(super) dictionary: Dictionary,
    /// By the numbers of the tokens.
    pub(super) keys: Vec<TokenKeys>,
    pub(super) changes: Changes,
    dead: usize,
    /// Grows whenever tokens change their numbers.
    pub(super) epoch: u64,
    /// A token found no room in the dictionary: the index can no longer answer.
    pub(super) incomplete: bool,
}

impl Parts {
    /// Of tokens and their keys, whose ids are below `ids_end`.
    pub(super) fn new(dictionary: Dictionary, keys: Vec<TokenKeys>, ids_end: u32) -> Parts {
        let mut changes = Changes::default();
        changes.grow(ids_end);
        Parts {
            dictionary,
            keys,
            changes,
            dead: 0,
            epoch: 0,
            incomplete: false,
        }
    }

    /// How many tokens some key has.
    pub(super) fn tokens(&self) -> u64 {
        (self.dictionary.len() - self.dead) as u64
    }

    pub(super) fn keys_of(&self, number: TokenId) -> Option<&TokenKeys> {
        self.keys.get(number.0 as usize)
    }

    /// Memory held. O(number of tokens).
    pub(super) fn memory_bytes(&self) -> IndexBytes {
        let lists = self.keys.iter().map(|keys| keys.ids.memory_bytes());
        let standings = self.keys.iter().map(TokenKeys::standings_bytes);
        // The bytes of a stored index are there for as long as one list is read from them.
        let stored = self.keys.iter().map(|keys| keys.ids.stored_bytes()).max();
        IndexBytes {
            dictionary: self.dictionary.memory_bytes(),
            postings: lists.sum::<usize>()
                + stored.unwrap_or(0)
                + self.keys.capacity() * size_of::<TokenKeys>(),
            standings: standings.sum(),
            changes: self.changes.memory_bytes(),
        }
    }

    /// Adds the lists of `numbers` to what was gathered. None if there are too many ids.
    pub(super) fn gather(&self, numbers: &[TokenId], gathered: &mut Gathered) -> Option<()> {
        if self.incomplete {
            return None;
        }
        for number in numbers {
            if let Some(keys) = self.keys_of(*number) {
                gathered.add(keys)?;
            }
        }
        Some(())
    }

    /// The value of `id`, which had none, is this one since `commit_index`.
    pub(super) fn insert(&mut self, id: u32, value: &[u8], commit_index: u64) {
        self.changes.mark(id, commit_index);
        for_each_occurrence(value, |token, place| {
            if let Some(number) = self.number(token) {
                self.change(number, |keys| keys.add(id, place));
            }
        });
    }

    /// The same of one that had the value `old`.
    pub(super) fn replace(&mut self, id: u32, old: &[u8], new: &[u8], commit_index: u64) {
        self.changes.mark(id, commit_index);
        let gone = self.numbers(old);
        let mut places: Vec<(TokenId, Occurrence)> = Vec::new();
        for_each_occurrence(new, |token, place| {
            places.extend(self.number(token).map(|number| (number, place)));
        });
        places.sort_unstable_by_key(|(number, _)| *number);
        places.dedup_by(|again, kept| {
            let is_same = again.0 == kept.0;
            if is_same {
                kept.1 = kept.1.or(again.1);
            }
            is_same
        });
        for (number, place) in &places {
            self.change(*number, |keys| keys.set(id, *place));
        }
        for number in gone {
            if places
                .binary_search_by_key(&number, |(kept, _)| *kept)
                .is_err()
            {
                self.change(number, |keys| keys.remove(id));
            }
        }
        self.rebuild_when_due();
    }

    /// `id`, which had the value `old`, is gone since `commit_index`.
    pub(super) fn remove(&mut self, id: u32, old: &[u8], commit_index: u64) {
        self.changes.mark(id, commit_index);
        for number in self.numbers(old) {
            self.change(number, |keys| keys.remove(id));
        }
        self.rebuild_when_due();
    }

    /// The number of a token, which is given one. None if there is no room for it.
    fn number(&mut self, token: &[u8]) -> Option<TokenId> {
        let number = self.dictionary.find_or_add(token);
        match number {
            None => self.incomplete = true,
            Some(number) if number.0 as usize >= self.keys.len() => {
                self.keys.push(TokenKeys::default());
                self.dead += 1;
            }
            Some(_) => {}
        }
        number
    }

    /// Changes the keys of a token.
    #[inline]
    fn change(&mut self, number: TokenId, change: impl FnOnce(&mut TokenKeys)) {
        let Some(keys) = self.keys.get_mut(number.0 as usize) else {
            return;
        };
        let was_dead = keys.ids.is_empty();
        change(keys);
        match (was_dead, keys.ids.is_empty()) {
            (true, false) => self.dead -= 1,
            (false, true) => self.dead += 1,
            _ => {}
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
        let mut kept = Vec::with_capacity(self.dictionary.len() - self.dead);
        self.dictionary.sort();
        for number in self.dictionary.in_order() {
            let keys = self.keys.get_mut(number.0 as usize);
            let Some(keys) = keys.filter(|keys| !keys.ids.is_empty()) else {
                continue;
            };
            if dictionary
                .find_or_add(self.dictionary.token(number))
                .is_some()
            {
                kept.push(std::mem::take(keys));
            }
        }
        // Whoever walks the sorted tokens meanwhile finds all of them again.
        dictionary.sort();
        self.dictionary = dictionary;
        self.keys = kept;
        self.dead = 0;
        self.epoch += 1;
    }
}

/// Lists of tokens on the way to one set.
pub(super) struct Gathered {
    standing: Option<Standing>,
    ids_max: u64,
    sure: IdUnion,
    maybe: IdUnion,
    tokens: u64,
}

impl Gathered {
    /// Nothing yet, and never more than `ids_max` ids. Ids are told apart by whether their values
    /// have a token standing so, if that is asked for.
    pub(super) fn new(standing: Option<Standing>, ids_max: u64) -> Gathered {
        Gathered {
            standing,
            ids_max,
            sure: IdUnion::default(),
            maybe: IdUnion::default(),
            tokens: 0,
        }
    }

    fn add(&mut self, keys: &TokenKeys) -> Option<()> {
        let ids = self.sure.len() + self.maybe.len();
        if ids.saturating_add(keys.ids.len()) > self.ids_max {
            return None;
        }
        self.tokens += u64::from(!keys.ids.is_empty());
        match self.standing.and_then(|standing| keys.exceptions(standing)) {
            None | Some(Exceptions::None) => self.sure.add(&keys.ids),
            Some(Exceptions::All) => self.maybe.add(&keys.ids),
            Some(Exceptions::Some(listed)) => {
                self.sure.add_without(&keys.ids, listed);
                self.maybe.add(listed);
            }
        }
        Some(())
    }

    /// All ids, each below `ids_end`, and those of them in doubt.
    pub(super) fn finish(self, ids_end: u32) -> (Found, Arc<RoaringBitmap>) {
        let tokens = self.tokens;
        let sure = self.sure.finish(ids_end);
        if self.maybe.len() == 0 {
            return (Found { ids: sure, tokens }, Arc::default());
        }
        let maybe = self.maybe.finish(ids_end);
        let ids = Arc::new(&*sure | &*maybe);
        (Found { ids, tokens }, Arc::new(&*maybe - &*sure))
    }
}
