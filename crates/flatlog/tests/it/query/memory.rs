//! A store in memory with snapshots, spaces and an optional value index.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Weak};

use flatlog::query::{Direction, KeySpan, Limits, Row, RowSource, Touched, parse, run};
use flatlog::search::{IdBits, KeyId, SearchIndex};
use kv_api::Result;

#[derive(Clone, Debug)]
pub struct Kept {
    pub value: Vec<u8>,
    pub commit_index: u64,
    pub id: KeyId,
}

/// A key of a space, and its value unless it is deleted.
pub type Change = (u8, Vec<u8>, Option<Vec<u8>>);

type Rows = BTreeMap<(u8, Vec<u8>), Kept>;

/// One space of one version.
#[derive(Clone)]
pub struct Snapshot {
    pub rows: Arc<Rows>,
    by_id: Arc<BTreeMap<KeyId, (u8, Vec<u8>)>>,
    pub space: u8,
    pub commit_index: u64,
    index: Option<Arc<SearchIndex>>,
}

/// The newest version, and the only writer.
pub struct Memory {
    now: Snapshot,
    free: Vec<KeyId>,
    next: u32,
    seen: Vec<Weak<Rows>>,
}

impl Memory {
    pub fn new(indexed: bool) -> Memory {
        Memory {
            now: Snapshot {
                rows: Arc::default(),
                by_id: Arc::default(),
                space: 0,
                commit_index: 0,
                index: indexed.then(Arc::default),
            },
            free: Vec::new(),
            next: 0,
            seen: Vec::new(),
        }
    }

    pub fn with(indexed: bool, pairs: &[(&str, &str)]) -> Memory {
        let mut memory = Memory::new(indexed);
        for (key, value) in pairs {
            memory.put(0, key.as_bytes(), value.as_bytes());
        }
        memory
    }

    pub fn put(&mut self, space: u8, key: &[u8], value: &[u8]) {
        self.commit(&[(space, key.to_vec(), Some(value.to_vec()))]);
    }

    pub fn delete(&mut self, space: u8, key: &[u8]) {
        self.commit(&[(space, key.to_vec(), None)]);
    }

    /// Makes all changes under one commit index.
    pub fn commit(&mut self, changes: &[Change]) {
        self.now.commit_index += 1;
        for (space, key, value) in changes {
            let place = (*space, key.clone());
            match value {
                Some(value) => self.put_at(place, value),
                None => self.delete_at(&place),
            }
        }
    }

    fn put_at(&mut self, place: (u8, Vec<u8>), value: &[u8]) {
        let at = self.now.commit_index;
        let old = self.now.rows.get(&place).cloned();
        let id = match &old {
            Some(old) => old.id,
            None => self.fresh_id(),
        };
        if let Some(index) = &self.now.index {
            match old {
                Some(old) => index.replace(id, &old.value, value, at),
                None => index.insert(id, value, at),
            }
        }
        let kept = Kept {
            value: value.to_vec(),
            commit_index: at,
            id,
        };
        Arc::make_mut(&mut self.now.rows).insert(place.clone(), kept);
        Arc::make_mut(&mut self.now.by_id).insert(id, place);
    }

    fn delete_at(&mut self, place: &(u8, Vec<u8>)) {
        let Some(old) = Arc::make_mut(&mut self.now.rows).remove(place) else {
            return;
        };
        Arc::make_mut(&mut self.now.by_id).remove(&old.id);
        if let Some(index) = &self.now.index {
            index.remove(old.id, &old.value, self.now.commit_index);
        }
        self.free.push(old.id);
    }

    /// Ids come back only when no snapshot lives.
    fn fresh_id(&mut self) -> KeyId {
        self.seen.retain(|rows| rows.strong_count() > 0);
        if self.seen.is_empty()
            && let Some(id) = self.free.pop()
        {
            return id;
        }
        self.next += 1;
        KeyId(self.next)
    }

    pub fn snapshot(&mut self, space: u8) -> Snapshot {
        let mut snapshot = self.now.clone();
        snapshot.space = space;
        // An allocation of its own, so that its life can be told from the writer's.
        snapshot.rows = Arc::new((*self.now.rows).clone());
        self.seen.push(Arc::downgrade(&snapshot.rows));
        snapshot
    }

    /// Forgets the index, and reads it back from its stored form.
    pub fn reopen(&mut self) {
        if let Some(index) = &self.now.index {
            let mut bytes = Vec::new();
            index.write_to(&mut bytes).unwrap();
            self.now.index = Some(Arc::new(SearchIndex::read_from(&bytes).unwrap()));
        }
    }

    /// Another state replaces this one, with commit indexes of its own.
    pub fn restore(&mut self, from: &Snapshot) {
        let index = self
            .now
            .index
            .as_ref()
            .map(|_| Arc::new(SearchIndex::new()));
        let mut rows = Rows::new();
        let mut by_id = BTreeMap::new();
        for (number, (place, kept)) in from.rows.iter().enumerate() {
            let id = KeyId(number as u32 + 1);
            if let Some(index) = &index {
                index.insert(id, &kept.value, kept.commit_index);
            }
            by_id.insert(id, place.clone());
            rows.insert(place.clone(), Kept { id, ..kept.clone() });
        }
        self.next = rows.len() as u32;
        self.free.clear();
        self.seen.clear();
        self.now = Snapshot {
            rows: Arc::new(rows),
            by_id: Arc::new(by_id),
            space: 0,
            commit_index: from.commit_index,
            index,
        };
    }
}

impl Snapshot {
    pub fn ask(&self, text: &str, limits: &Limits) -> (Vec<Answer>, Touched) {
        ask(self, text, limits)
    }

    /// The keys of an answer, as text.
    pub fn keys(&self, text: &str) -> Vec<String> {
        let (rows, _) = self.ask(text, &Limits::default());
        rows.into_iter()
            .map(|(key, ..)| String::from_utf8(key).unwrap())
            .collect()
    }

    /// All rows of this space, in key order.
    pub fn all(&self) -> impl Iterator<Item = (&[u8], &Kept)> {
        self.rows
            .iter()
            .filter(|((space, _), _)| *space == self.space)
            .map(|((_, key), kept)| (key.as_slice(), kept))
    }
}

pub type Answer = (Vec<u8>, Vec<u8>, u64);

/// Key, value and commit index of each row of an answer, and what was touched.
pub fn ask<S: RowSource>(source: &S, text: &str, limits: &Limits) -> (Vec<Answer>, Touched) {
    let query = parse(text, limits).unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut rows = run(&query, source, limits).unwrap();
    let mut answers = Vec::new();
    for row in &mut rows {
        let row = row.unwrap();
        let (key, commit_index) = (row.key().to_vec(), row.commit_index());
        answers.push((key, row.value().unwrap().as_ref().to_vec(), commit_index));
    }
    (answers, rows.touched())
}

impl RowSource for Snapshot {
    type Row<'a> = Found<'a>;
    type Value<'a> = &'a [u8];
    type Walk<'a> = Box<dyn Iterator<Item = Result<Found<'a>>> + 'a>;

    fn commit_index(&self) -> u64 {
        self.commit_index
    }

    fn row(&self, key: &[u8]) -> Result<Option<Found<'_>>> {
        let found = self.rows.get_key_value(&(self.space, key.to_vec()));
        Ok(found.map(|((_, key), kept)| row(key, kept)))
    }

    fn row_by_id(&self, id: KeyId) -> Result<Option<Found<'_>>> {
        let place = self.by_id.get(&id);
        let place = place.filter(|(space, _)| *space == self.space);
        Ok(place.and_then(|place| Some(row(&place.1, self.rows.get(place)?))))
    }

    fn walk(
        &self,
        span: &KeySpan,
        direction: Direction,
        among: Option<&Arc<IdBits>>,
    ) -> Self::Walk<'_> {
        let start = (self.space, span.start.clone());
        let end = match &span.end {
            Some(end) => Bound::Excluded((self.space, end.clone())),
            None => Bound::Excluded((self.space + 1, Vec::new())),
        };
        let rows = self.rows.range((Bound::Included(start), end));
        let among = among.cloned();
        let is_among = move |id| among.as_ref().is_none_or(|ids| ids.contains(id));
        let rows = rows
            .filter(move |(_, kept)| is_among(kept.id))
            .map(|((_, key), kept)| Ok(row(key, kept)));
        match direction {
            Direction::Ascending => Box::new(rows),
            Direction::Descending => Box::new(rows.rev()),
        }
    }

    fn value(&self, row: Found<'_>) -> Result<&[u8]> {
        let place = (self.space, row.key.to_vec());
        assert_eq!(self.rows[&place].id, row.kept.id);
        Ok(&self.rows[&place].value)
    }

    fn rows_estimate(&self, span: &KeySpan) -> u64 {
        self.walk(span, Direction::Ascending, None).count() as u64
    }

    fn value_index(&self) -> Option<&SearchIndex> {
        self.index.as_deref()
    }
}

/// A row of a snapshot.
#[derive(Clone, Copy)]
pub struct Found<'a> {
    key: &'a [u8],
    kept: &'a Kept,
}

impl<'a> Row<'a> for Found<'a> {
    fn key(self) -> &'a [u8] {
        self.key
    }

    fn commit_index(self) -> u64 {
        self.kept.commit_index
    }

    fn id(self) -> KeyId {
        self.kept.id
    }
}

fn row<'a>(key: &'a [u8], kept: &'a Kept) -> Found<'a> {
    Found { key, kept }
}
