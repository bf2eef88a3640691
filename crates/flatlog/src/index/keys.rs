//! A sorted run of keys: heads to search in, and the bytes in one buffer.
//!
//! Invariants:
//! * keys ascend strictly; `ends[i]` is where key `i` ends in `bytes`, and key `i + 1` begins;
//! * every key begins with the first `prefix_len` bytes of `bytes`;
//! * `heads[i]` is the eight bytes of key `i` behind the prefix, big-endian, padded with zeros. So
//!   heads never descend, and where two heads differ they order their keys.

/// Keys, ascending.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    heads: Vec<u64>,
    ends: Vec<u32>,
    bytes: Vec<u8>,
    prefix_len: u32,
    guess: Guess,
}

/// Where a head would stand if heads were spread evenly. It is settled with the prefix and may be
/// out of date: a search begins at the guess and ends at the truth.
#[derive(Clone, Copy, Debug, Default)]
struct Guess {
    first: u64,
    keys_per_step: f64,
}

impl Guess {
    fn settle(heads: &[u64]) -> Guess {
        let (first, last) = match heads {
            [first, .., last] if first < last => (*first, *last),
            _ => return Guess::default(),
        };
        Guess {
            first,
            keys_per_step: (heads.len() - 1) as f64 / (last - first) as f64,
        }
    }

    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a guess: it is held inside the run by whoever asks"
    )]
    fn at(self, head: u64) -> usize {
        (head.saturating_sub(self.first) as f64 * self.keys_per_step) as usize
    }
}

/// The eight bytes of `key` behind `prefix_len`, as a number that orders like them.
#[inline]
fn head_of(key: &[u8], prefix_len: usize) -> u64 {
    let rest = key.get(prefix_len..).unwrap_or_default();
    if let Some(first) = rest.first_chunk::<8>() {
        return u64::from_be_bytes(*first);
    }
    rest.iter()
        .zip([56, 48, 40, 32, 24, 16, 8])
        .fold(0, |head, (byte, shift)| head | u64::from(*byte) << shift)
}

/// Has the processor begin to fetch an element. It does not wait for it: nothing depends on it.
#[inline]
pub(crate) fn touch<T: Copy>(of: &[T], index: usize) {
    std::hint::black_box(of.get(index).copied());
}

/// How many bytes two keys have in common at their beginning.
fn common_len(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(l, r)| l == r).count()
}

impl Keys {
    /// Room for so many keys of so many bytes together.
    pub(crate) fn with_capacity(count: usize, bytes: usize) -> Keys {
        Keys {
            heads: Vec::with_capacity(count),
            ends: Vec::with_capacity(count),
            bytes: Vec::with_capacity(bytes),
            ..Keys::default()
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all keys.
    pub(crate) fn key_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of memory, with what is reserved.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.heads.capacity() * 8 + self.ends.capacity() * 4 + self.bytes.capacity()
    }

    #[inline]
    fn start(&self, index: usize) -> usize {
        match index.checked_sub(1) {
            Some(before) => self.ends.get(before).map_or(0, |end| *end as usize),
            None => 0,
        }
    }

    /// Key `index`; empty behind the last.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> &[u8] {
        let end = self.ends.get(index).map_or(0, |end| *end as usize);
        self.bytes.get(self.start(index)..end).unwrap_or_default()
    }

    pub(crate) fn first(&self) -> &[u8] {
        self.get(0)
    }

    pub(crate) fn last(&self) -> &[u8] {
        self.get(self.len().saturating_sub(1))
    }

    /// Where `key` would stand if keys were spread evenly; inside the run.
    #[inline]
    pub(crate) fn guess(&self, key: &[u8]) -> usize {
        let guess = self.guess.at(head_of(key, self.prefix_len as usize));
        guess.min(self.len().saturating_sub(1))
    }

    /// Begins to fetch what a search for `key` will look at; answers the guess.
    #[inline]
    pub(crate) fn touch(&self, key: &[u8]) -> usize {
        let guess = self.guess(key);
        touch(&self.heads, guess);
        touch(&self.ends, guess);
        touch(&self.bytes, guess * self.bytes.len() / self.len().max(1));
        guess
    }

    /// The first key at or after `key`, and whether it is `key`.
    #[inline]
    pub(crate) fn find(&self, key: &[u8]) -> (usize, bool) {
        let prefix_len = self.prefix_len as usize;
        if let Some(end) = self.beside_prefix(key) {
            return (end, false);
        }
        let head = head_of(key, prefix_len);
        let at = self.lower_bound(head);
        if self.heads.get(at) != Some(&head) {
            return (at, false);
        }
        self.find_among_ties(key, at, head)
    }

    /// Where `key` belongs if it does not begin with the prefix: before or behind all keys.
    #[inline]
    fn beside_prefix(&self, key: &[u8]) -> Option<usize> {
        let prefix_len = self.prefix_len as usize;
        if prefix_len == 0 {
            return None;
        }
        let prefix = self.bytes.get(..prefix_len).unwrap_or_default();
        let shared = key.get(..prefix_len).unwrap_or(key);
        if shared == prefix {
            return None;
        }
        Some(if shared < prefix { 0 } else { self.len() })
    }

    /// The one key that can be `key`, as far as its head tells, and whether that is certain. The
    /// bytes of keys are looked at only where several heads are alike.
    #[inline]
    pub(crate) fn candidate(&self, key: &[u8]) -> Option<(usize, bool)> {
        if self.beside_prefix(key).is_some() {
            return None;
        }
        let head = head_of(key, self.prefix_len as usize);
        let at = self.lower_bound(head);
        if self.heads.get(at) != Some(&head) {
            return None;
        }
        if self.heads.get(at + 1) != Some(&head) {
            return Some((at, false));
        }
        match self.find_among_ties(key, at, head) {
            (at, true) => Some((at, true)),
            _ => None,
        }
    }

    /// The first head that is not below `head`: from a guess outwards in doubling steps, then by
    /// halves. O(log n) at worst, two or three cache lines where keys are spread evenly.
    #[inline]
    fn lower_bound(&self, head: u64) -> usize {
        let heads = self.heads.as_slice();
        let guess = self.guess.at(head).min(heads.len());
        let (mut low, mut high, mut step) = (guess, guess, 4);
        while low > 0 && heads.get(low - 1).is_some_and(|below| *below >= head) {
            high = low - 1;
            low = low.saturating_sub(step);
            step *= 2;
        }
        if high == guess {
            while heads.get(high).is_some_and(|above| *above < head) {
                low = high + 1;
                high = (high + step).min(heads.len());
                step *= 2;
            }
        }
        let between = heads.get(low..high).unwrap_or_default();
        low + between.partition_point(|other| *other < head)
    }

    /// Goes on where heads no longer tell keys apart.
    fn find_among_ties(&self, key: &[u8], at: usize, head: u64) -> (usize, bool) {
        if self.heads.get(at + 1) != Some(&head) {
            return match self.get(at).cmp(key) {
                std::cmp::Ordering::Less => (at + 1, false),
                std::cmp::Ordering::Equal => (at, true),
                std::cmp::Ordering::Greater => (at, false),
            };
        }
        let rest = self.heads.get(at..).unwrap_or_default();
        let (mut low, mut high) = (at, at + rest.partition_point(|other| *other == head));
        while low < high {
            let middle = low.midpoint(high);
            if self.get(middle) < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low, self.get(low) == key && low < self.len())
    }

    /// Adds a key behind all others. The prefix is settled by [`seal`](Keys::seal).
    pub(crate) fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(end_of(&self.bytes));
    }

    /// Settles prefix and heads after a row of [`push`](Keys::push).
    pub(crate) fn seal(&mut self) {
        let prefix_len = common_len(self.first(), self.last());
        self.prefix_len = u32::try_from(prefix_len).unwrap_or(0);
        self.heads.clear();
        self.heads.reserve_exact(self.ends.capacity());
        let mut start = 0;
        for end in &self.ends {
            let key = self.bytes.get(start..*end as usize).unwrap_or_default();
            self.heads.push(head_of(key, prefix_len));
            start = *end as usize;
        }
        self.guess = Guess::settle(&self.heads);
    }

    /// Puts `key` at `index`, where [`find`](Keys::find) said it belongs.
    pub(crate) fn insert(&mut self, index: usize, key: &[u8]) {
        let start = self.start(index);
        self.make_room(key.len());
        insert_bytes(&mut self.bytes, start, key);
        let len = u32::try_from(key.len()).unwrap_or(0);
        let end = u32::try_from(start).unwrap_or(0).saturating_add(len);
        self.ends.insert(index, end);
        for later in self.ends.iter_mut().skip(index + 1) {
            *later += len;
        }
        let prefix_len = common_len(self.first(), self.last());
        if prefix_len < self.prefix_len as usize || self.len() == 1 {
            self.seal();
        } else {
            let head = head_of(key, self.prefix_len as usize);
            self.heads.insert(index, head);
        }
    }

    /// Grows by an eighth where a vector would double: chunks are many and stay.
    fn make_room(&mut self, key_len: usize) {
        if self.ends.len() == self.ends.capacity() {
            let room = self.ends.len() / 8 + 4;
            self.ends.reserve_exact(room);
            self.heads.reserve_exact(room);
        }
        if self.bytes.len() + key_len > self.bytes.capacity() {
            self.bytes.reserve_exact(self.bytes.len() / 8 + key_len);
        }
    }

    /// Takes key `index` out.
    pub(crate) fn remove(&mut self, index: usize) {
        let (start, len) = (self.start(index), self.get(index).len());
        if index >= self.len() {
            return;
        }
        self.bytes.drain(start..start + len);
        self.ends.remove(index);
        self.heads.remove(index);
        let len = u32::try_from(len).unwrap_or(0);
        for later in self.ends.iter_mut().skip(index) {
            *later -= len;
        }
        if self.ends.is_empty() {
            self.prefix_len = 0;
        }
    }

    /// Cuts the run at `index`, and answers what was behind.
    pub(crate) fn split_off(&mut self, index: usize) -> Keys {
        let start = self.start(index);
        let back_bytes = self.bytes.get(start..).unwrap_or_default();
        let mut back = Keys::with_capacity(self.len() - index, back_bytes.len());
        for key in index..self.len() {
            back.push(self.get(key));
        }
        back.seal();
        self.bytes.truncate(start);
        self.ends.truncate(index);
        self.seal();
        back
    }
}

/// Puts `part` into `bytes` at `at`, moving what is behind it once.
fn insert_bytes(bytes: &mut Vec<u8>, at: usize, part: &[u8]) {
    let old_len = bytes.len();
    bytes.extend_from_slice(part);
    bytes.copy_within(at..old_len, at + part.len());
    if let Some(gap) = bytes.get_mut(at..at + part.len()) {
        gap.copy_from_slice(part);
    }
}

fn end_of(bytes: &[u8]) -> u32 {
    // A chunk holds at most 256 keys of 64 KiB.
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]
    use std::collections::BTreeSet;

    use super::*;

    fn agrees(keys: &Keys, model: &BTreeSet<Vec<u8>>) -> bool {
        let sorted: Vec<&Vec<u8>> = model.iter().collect();
        let asked = model.iter().flat_map(|key| {
            let mut longer = key.clone();
            longer.push(0);
            [key.clone(), longer, key[..key.len() / 2].to_vec()]
        });
        keys.len() == model.len()
            && (0..keys.len()).all(|index| keys.get(index) == sorted[index].as_slice())
            && asked.into_iter().all(|key| {
                let at = sorted.partition_point(|other| **other < key);
                keys.find(&key) == (at, model.contains(&key))
            })
    }

    fn runs_like_a_set(steps: Vec<(Vec<u8>, bool)>) -> bool {
        let (mut keys, mut model) = (Keys::default(), BTreeSet::new());
        for (mut key, removes) in steps {
            // Few letters and a common beginning, so that prefixes and ties arise.
            key.iter_mut().for_each(|byte| *byte %= 2);
            if key.len() > 2 {
                key.splice(1..1, *b"0000000000");
            }
            let (at, found) = keys.find(&key);
            if removes && found {
                keys.remove(at);
                model.remove(&key);
            } else if !removes && !found {
                keys.insert(at, &key);
                model.insert(key);
            }
        }
        let before = agrees(&keys, &model);
        let mut front = keys.clone();
        let back = front.split_off(keys.len() / 2);
        let back_model = model.iter().skip(keys.len() / 2).cloned().collect();
        model.retain(|key| !BTreeSet::contains(&back_model, key));
        before && agrees(&front, &model) && agrees(&back, &back_model)
    }

    #[test]
    fn a_run_of_keys_behaves_like_a_sorted_set() {
        quickcheck::QuickCheck::new()
            .tests(500)
            .quickcheck(runs_like_a_set as fn(Vec<(Vec<u8>, bool)>) -> bool);
    }
}
