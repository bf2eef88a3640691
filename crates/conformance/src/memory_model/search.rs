//! Queries of the model, which looks at every pair. They are written as words in the order
//! `up|down limit offset filter`, a filter before its parts, bytes in hexadecimal digits.

use std::fmt::Write;

use kv_api::capability::{FoundPair, Search, SearchPlan};
use kv_api::{Error, Reader, Result, Space};

use super::{MemoryModel, MemorySnapshot};
use crate::question::{Filter, IndexedPair, Question};

impl MemoryModel {
    /// A question as the model's snapshots read it.
    pub fn query(question: &Question) -> String {
        let direction = if question.is_descending { "down" } else { "up" };
        let limit = question.limit.unwrap_or(u64::MAX);
        let mut text = format!("{direction} {limit} {}", question.offset);
        print(&question.filter, &mut text);
        text
    }
}

fn print(filter: &Filter, to: &mut String) {
    let mut bytes = |name: &str, bytes: &[u8]| {
        write!(to, " {name} =").unwrap();
        bytes
            .iter()
            .for_each(|byte| write!(to, "{byte:02x}").unwrap());
    };
    let (name, filters) = match filter {
        Filter::KeyIs(key) => return bytes("key_is", key),
        Filter::KeyBelow(key) => return bytes("key_below", key),
        Filter::KeyBegins(key) => return bytes("key_begins", key),
        Filter::ValueIs(value) => return bytes("value_is", value),
        Filter::ValueHolds(value) => return bytes("value_holds", value),
        Filter::ValueHasWord(word) => return bytes("value_has_word", word.as_bytes()),
        Filter::IndexAbove(index) => return write!(to, " index_above {index}").unwrap(),
        Filter::All(filters) => ("all", filters.as_slice()),
        Filter::Any(filters) => ("any", filters.as_slice()),
        Filter::Not(filter) => ("not", std::slice::from_ref(&**filter)),
    };
    write!(to, " {name} {}", filters.len()).unwrap();
    filters.iter().for_each(|filter| print(filter, to));
}

/// What is left of a query; none where it is no query.
struct Words<'a>(std::str::SplitWhitespace<'a>);

impl Words<'_> {
    fn number(&mut self) -> Option<u64> {
        self.0.next()?.parse().ok()
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let digits = self.0.next()?.strip_prefix('=')?;
        let pairs = digits.as_bytes().chunks(2).map(std::str::from_utf8);
        pairs
            .map(|pair| u8::from_str_radix(pair.ok()?, 16).ok())
            .collect()
    }

    fn filter(&mut self) -> Option<Filter> {
        Some(match self.0.next()? {
            "key_is" => Filter::KeyIs(self.bytes()?),
            "key_below" => Filter::KeyBelow(self.bytes()?),
            "key_begins" => Filter::KeyBegins(self.bytes()?),
            "value_is" => Filter::ValueIs(self.bytes()?),
            "value_holds" => Filter::ValueHolds(self.bytes()?),
            "value_has_word" => Filter::ValueHasWord(String::from_utf8(self.bytes()?).ok()?),
            "index_above" => Filter::IndexAbove(self.number()?),
            "all" => Filter::All(self.filters()?),
            "any" => Filter::Any(self.filters()?),
            "not" => Filter::Not(Box::new(self.filters()?.pop()?)),
            _ => return None,
        })
    }

    fn filters(&mut self) -> Option<Vec<Filter>> {
        (0..self.number()?).map(|_| self.filter()).collect()
    }

    fn question(mut self) -> Option<Question> {
        let is_descending = match self.0.next()? {
            "up" => false,
            "down" => true,
            _ => return None,
        };
        let limit = Some(self.number()?).filter(|limit| *limit != u64::MAX);
        Some(Question {
            is_descending,
            limit,
            offset: self.number()?,
            filter: self.filter()?,
        })
    }
}

impl MemorySnapshot {
    /// The answer to `query`, and how many pairs were looked at for it.
    fn answer(&self, space: Option<&[u8]>, query: &str) -> Result<(Vec<IndexedPair>, u64)> {
        let space = match space {
            None => Space::DEFAULT,
            Some(name) => self.space(name)?.ok_or(Error::NotFound { what: "space" })?,
        };
        let question = Words(query.split_whitespace()).question();
        let question = question.ok_or_else(|| Error::other("this is no query"))?;
        let bucket = self.version.bucket(space, self.stamp)?;
        let pairs = bucket.pairs.iter().map(|(key, value)| {
            let index = self.version.indexes.get(&(bucket.id, key.clone()));
            (key.to_vec(), value.to_vec(), index.copied().unwrap_or(0))
        });
        let pairs: Vec<IndexedPair> = pairs.collect();
        Ok((question.answer(&pairs), pairs.len() as u64))
    }
}

impl Search for MemorySnapshot {
    fn search(
        &self,
        space: Option<&[u8]>,
        query: &str,
        visit: &mut dyn FnMut(FoundPair<'_>) -> Result<bool>,
    ) -> Result<()> {
        for (key, value, commit_index) in self.answer(space, query)?.0 {
            let found = FoundPair {
                key: &key,
                value: &value,
                commit_index,
            };
            if !visit(found)? {
                break;
            }
        }
        Ok(())
    }

    fn explain_search(&self, space: Option<&[u8]>, query: &str) -> Result<SearchPlan> {
        let (found, looked_at) = self.answer(space, query)?;
        Ok(SearchPlan {
            plan: "look at every pair".into(),
            keys: looked_at,
            values: looked_at,
            rows: found.len() as u64,
        })
    }
}
