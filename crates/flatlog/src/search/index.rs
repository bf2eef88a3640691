//! The value index: dictionary, posting lists and changes behind one lock with short holds.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use roaring::RoaringBitmap;

use crate::ids::KeyId;
use crate::search::dictionary::Dictionary;
use crate::search::parts::{Found, Gathered, IndexBytes, Parts};
use crate::search::standing::Standing;
use crate::search::token_keys::TokenKeys;

/// How many tokens a search of the dictionary looks at under one hold of the lock.
const TOKENS_PER_HOLD: usize = 1 << 14;

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
        tokens: Vec<TokenKeys>,
        ids_end: u32,
    ) -> SearchIndex {
        SearchIndex {
            parts: RwLock::new(Parts::new(dictionary, tokens, ids_end)),
        }
    }

    /// A key that had no value has this one since `commit_index`.
    pub fn insert(&self, id: KeyId, value: &[u8], commit_index: u64) {
        self.write().insert(id.0, value, commit_index);
    }

    /// A key that had the value `old` has the value `new` since `commit_index`.
    pub fn replace(&self, id: KeyId, old: &[u8], new: &[u8], commit_index: u64) {
        self.write().replace(id.0, old, new, commit_index);
    }

    /// A key that had the value `old` is gone since `commit_index`.
    pub fn remove(&self, id: KeyId, old: &[u8], commit_index: u64) {
        self.write().remove(id.0, old, commit_index);
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
            _ => Some(self.find_parts(part, side, None, ids_max)?.0),
        }
    }

    /// The keys in whose newest value a token stands so with `part`, and maybe others: which, is
    /// the second answer. None and cost as with [`find`](SearchIndex::find).
    ///
    /// ```
    /// use flatlog::search::{KeyId, SearchIndex, Standing};
    /// let index = SearchIndex::new();
    /// index.insert(KeyId(1), b"a disk error", 1);
    /// index.insert(KeyId(2), b"a disk ERROR", 2);
    /// let (found, doubts) = index.find_standing(b"rro", Standing::Inside, u64::MAX).unwrap();
    /// assert_eq!(found.ids.iter().collect::<Vec<_>>(), [1, 2]);
    /// assert_eq!(doubts.iter().collect::<Vec<_>>(), [2]);
    /// ```
    pub fn find_standing(
        &self,
        part: &[u8],
        standing: Standing,
        ids_max: u64,
    ) -> Option<(Found, Arc<RoaringBitmap>)> {
        let side = match standing {
            Standing::Inside => Side::Inside,
            Standing::BeginningBehindBlank => Side::Beginning,
        };
        self.find_parts(part, side, Some(standing), ids_max)
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
        self.read().tokens()
    }

    /// Memory held. O(number of tokens).
    pub fn memory_bytes(&self) -> IndexBytes {
        let parts = self.read();
        parts.memory_bytes()
    }

    fn find_token(&self, token: &[u8]) -> Option<Found> {
        let parts = self.read();
        if parts.incomplete {
            return None;
        }
        let number = parts.dictionary.find(token);
        let keys = number.and_then(|number| parts.keys_of(number));
        let ids = keys.map(|keys| keys.ids.clone()).unwrap_or_default();
        drop(parts);
        Some(Found {
            tokens: u64::from(!ids.is_empty()),
            ids: ids.to_bitmap(),
        })
    }

    /// The keys of the tokens with this part, and for which of them the standing is in doubt.
    fn find_parts(
        &self,
        part: &[u8],
        side: Side,
        standing: Option<Standing>,
        ids_max: u64,
    ) -> Option<(Found, Arc<RoaringBitmap>)> {
        if side == Side::Beginning {
            let mut gathered = Gathered::new(standing, ids_max);
            let parts = self.read();
            let mut numbers = Vec::new();
            parts.dictionary.beginning_with(part, &mut numbers);
            parts.gather(&numbers, &mut gathered)?;
            let ids_end = parts.changes.ids_end();
            drop(parts);
            return Some(gathered.finish(ids_end));
        }
        loop {
            match self.search(part, side, Gathered::new(standing, ids_max)) {
                Search::Done(found) => return found,
                Search::Renumbered => {}
            }
        }
    }

    /// One walk over the dictionary, a hold for each stretch of it.
    fn search(&self, part: &[u8], side: Side, mut gathered: Gathered) -> Search {
        let mut epoch = None;
        let mut from = 0;
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
            if parts.gather(&numbers, &mut gathered).is_none() {
                return Search::Done(None);
            }
            if to == parts.dictionary.len() {
                let ids_end = parts.changes.ids_end();
                drop(parts);
                return Search::Done(Some(gathered.finish(ids_end)));
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
    Done(Option<(Found, Arc<RoaringBitmap>)>),
    Renumbered,
}
