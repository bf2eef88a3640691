//! Queries as a model, printed in many ways, and answered by looking at every row.
//!
//! Nothing here uses the parser, the planner, or the matchers under test.

use quickcheck::Gen;

use super::memory::{Answer, Snapshot};

/// A character of a pattern.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    Byte(u8),
    One,
    Run,
}

#[derive(Clone, Debug)]
pub enum Model {
    And(Vec<Model>),
    Or(Vec<Model>),
    Not(Box<Model>),
    Key(&'static str, Vec<u8>),
    KeyLike(Vec<Shape>),
    Value(&'static str, Vec<u8>),
    ValueLike(Vec<Shape>),
    CommitIndex(&'static str, u64),
}

#[derive(Clone, Debug)]
pub struct Question {
    pub filter: Option<Model>,
    pub by_commit_index: bool,
    pub descending: bool,
    pub limit: Option<u64>,
    pub offset: u64,
}

/// The characters of `bytes`, as (start, end).
pub fn characters(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut places = Vec::new();
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            places.push((at, at + character.len_utf8()));
            at += character.len_utf8();
        }
        for _ in chunk.invalid() {
            places.push((at, at + 1));
            at += 1;
        }
    }
    places
}

/// The tokens of `bytes`.
pub fn words(bytes: &[u8]) -> Vec<String> {
    let mut words = vec![String::new()];
    for (start, end) in characters(bytes) {
        let letter = std::str::from_utf8(&bytes[start..end])
            .ok()
            .and_then(|text| text.chars().next())
            .filter(|letter| letter.is_alphanumeric());
        match letter {
            Some(letter) => words.last_mut().unwrap().extend(letter.to_lowercase()),
            None => words.push(String::new()),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether the whole of `bytes` has this shape: by all possibilities at once.
pub fn matches(shape: &[Shape], bytes: &[u8]) -> bool {
    let characters = characters(bytes);
    let mut reached = vec![false; bytes.len() + 1];
    reached[0] = true;
    for part in shape {
        let mut next = vec![false; bytes.len() + 1];
        for at in (0..=bytes.len()).filter(|&at| reached[at]) {
            match part {
                Shape::Byte(byte) => {
                    if bytes.get(at) == Some(byte) {
                        next[at + 1] = true;
                    }
                }
                Shape::One => {
                    for (_, end) in characters.iter().filter(|(start, _)| *start == at) {
                        next[*end] = true;
                    }
                }
                Shape::Run => next[at..].fill(true),
            }
        }
        reached = next;
    }
    reached[bytes.len()]
}

fn compares(sign: &str, order: std::cmp::Ordering) -> bool {
    match sign {
        "=" => order.is_eq(),
        "!=" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        ">=" => order.is_ge(),
        other => panic!("{other}"),
    }
}

impl Model {
    fn holds(&self, key: &[u8], value: &[u8], commit_index: u64) -> bool {
        let inner = |term: &Model| term.holds(key, value, commit_index);
        match self {
            Model::And(terms) => terms.iter().all(inner),
            Model::Or(terms) => terms.iter().any(inner),
            Model::Not(term) => !inner(term),
            Model::Key(sign, bytes) => compares(sign, key.cmp(bytes)),
            Model::Value(sign, bytes) => compares(sign, value.cmp(bytes)),
            Model::CommitIndex(sign, index) => compares(sign, commit_index.cmp(index)),
            Model::KeyLike(shape) => matches(shape, key),
            Model::ValueLike(shape) => {
                let literal = shape.iter().all(|part| matches!(part, Shape::Byte(_)));
                if !literal {
                    return matches(shape, value);
                }
                let text: Vec<u8> = shape
                    .iter()
                    .map(|part| match part {
                        Shape::Byte(byte) => *byte,
                        _ => unreachable!(),
                    })
                    .collect();
                let has = words(value);
                words(&text).iter().all(|word| has.contains(word))
            }
        }
    }
}

impl Question {
    /// The answer, by looking at every row.
    pub fn answer(&self, snapshot: &Snapshot) -> Vec<Answer> {
        let mut rows: Vec<Answer> = snapshot
            .all()
            .filter(|(key, kept)| {
                let holds = |model: &Model| model.holds(key, &kept.value, kept.commit_index);
                self.filter.as_ref().is_none_or(holds)
            })
            .map(|(key, kept)| (key.to_vec(), kept.value.clone(), kept.commit_index))
            .collect();
        if self.by_commit_index {
            rows.sort_by_key(|(key, _, commit_index)| (*commit_index, key.clone()));
        }
        if self.descending {
            rows.reverse();
        }
        let limit = self.limit.unwrap_or(u64::MAX) as usize;
        rows.into_iter()
            .skip(self.offset as usize)
            .take(limit)
            .collect()
    }

    /// The question in words, one of many ways.
    pub fn print(&self, chance: &mut Gen) -> String {
        let mut text = String::new();
        if let Some(filter) = &self.filter {
            text += &print(filter, 0, chance);
        }
        if self.by_commit_index || self.descending || coin(chance) {
            text += &format!(" {} {} ", word("order", chance), word("by", chance));
            text += &word(
                if self.by_commit_index {
                    "commitindex"
                } else {
                    "key"
                },
                chance,
            );
            if self.descending {
                text += &format!(" {}", word("desc", chance));
            } else if coin(chance) {
                text += &format!(" {}", word("asc", chance));
            }
        }
        if let Some(limit) = self.limit {
            text += &format!("\n{} {limit}", word("limit", chance));
        }
        if self.offset > 0 || coin(chance) {
            text += &format!("\t{} {}", word("offset", chance), self.offset);
        }
        text
    }
}

fn coin(chance: &mut Gen) -> bool {
    *chance.choose(&[false, true]).unwrap()
}

/// A keyword in some case.
fn word(word: &str, chance: &mut Gen) -> String {
    word.chars()
        .map(|letter| {
            if coin(chance) {
                letter.to_ascii_uppercase()
            } else {
                letter
            }
        })
        .collect()
}

/// `strength`: 0 inside OR, 1 inside AND, 2 inside NOT.
fn print(model: &Model, strength: u8, chance: &mut Gen) -> String {
    let many = |terms: &[Model], name: &str, own: u8, chance: &mut Gen| {
        let mut text = String::new();
        for (number, term) in terms.iter().enumerate() {
            if number > 0 {
                text += &format!(" {} ", word(name, chance));
            }
            text += &print(term, own + 1, chance);
        }
        if strength > own || coin(chance) {
            text = format!("({text})");
        }
        text
    };
    match model {
        Model::Or(terms) => many(terms, "or", 0, chance),
        Model::And(terms) => many(terms, "and", 1, chance),
        Model::Not(term) => format!("{} {}", word("not", chance), print(term, 2, chance)),
        Model::Key(sign, bytes) => {
            format!("{}{sign} {}", word("key", chance), quote(bytes, chance))
        }
        Model::Value(sign, bytes) => {
            format!("{} {sign}{}", word("value", chance), quote(bytes, chance))
        }
        Model::CommitIndex(sign, index) => {
            format!("{} {sign} {index}", word("commitindex", chance))
        }
        Model::KeyLike(shape) => format!(
            "{} {} {}",
            word("key", chance),
            word("like", chance),
            quote_shape(shape, chance)
        ),
        Model::ValueLike(shape) => format!(
            "{} {} {}",
            word("value", chance),
            word("like", chance),
            quote_shape(shape, chance)
        ),
    }
}

fn quote(bytes: &[u8], chance: &mut Gen) -> String {
    let shape: Vec<_> = bytes.iter().map(|&byte| Shape::Byte(byte)).collect();
    quote_shape(&shape, chance)
}

fn quote_shape(shape: &[Shape], chance: &mut Gen) -> String {
    let quote = if coin(chance) { '"' } else { '\'' };
    let mut text = String::from(quote);
    for part in shape {
        match part {
            Shape::One => text.push('?'),
            Shape::Run => text.push('*'),
            Shape::Byte(byte @ (b'*' | b'?' | b'\\' | b'"' | b'\'')) => {
                text.push('\\');
                text.push(char::from(*byte));
            }
            Shape::Byte(byte @ b' '..=b'~') => text.push(char::from(*byte)),
            Shape::Byte(byte) => text += &format!("\\x{byte:02X}"),
        }
    }
    text.push(quote);
    text
}
