//! The characters of a byte string that need not be UTF-8.
//!
//! The rule, for tokens and for `?` alike: from left to right, a valid UTF-8 encoding of a
//! character is one character, and **each byte that belongs to none is one character by itself**,
//! neither letter nor digit. UTF-8 synchronises itself, so whether a character begins at a byte
//! can be told from at most three bytes before it.

/// One character of a byte string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Character {
    /// A valid UTF-8 encoding of this character.
    Valid(char),
    /// A byte that belongs to no valid encoding.
    Invalid(u8),
}

impl Character {
    /// How many bytes it takes.
    pub fn len_utf8(self) -> usize {
        match self {
            Character::Valid(character) => character.len_utf8(),
            Character::Invalid(_) => 1,
        }
    }

    /// The character at the beginning of `bytes`; none if there are no bytes.
    pub fn first(bytes: &[u8]) -> Option<Character> {
        let lead = *bytes.first()?;
        let len = match lead {
            0x00..=0x7F => return Some(Character::Valid(char::from(lead))),
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            _ => return Some(Character::Invalid(lead)),
        };
        let valid = bytes
            .get(..len)
            .and_then(|encoding| std::str::from_utf8(encoding).ok())
            .and_then(|text| text.chars().next());
        Some(valid.map_or(Character::Invalid(lead), Character::Valid))
    }

    /// Whether it is a letter or a digit.
    pub fn is_word(self) -> bool {
        matches!(self, Character::Valid(character) if character.is_alphanumeric())
    }
}

/// Iterates over the characters of a byte string.
#[derive(Clone, Debug)]
pub struct Characters<'a> {
    rest: &'a [u8],
}

impl<'a> Characters<'a> {
    /// Over `bytes`.
    pub fn new(bytes: &'a [u8]) -> Characters<'a> {
        Characters { rest: bytes }
    }
}

impl Iterator for Characters<'_> {
    type Item = Character;

    fn next(&mut self) -> Option<Character> {
        let character = Character::first(self.rest)?;
        self.rest = self.rest.get(character.len_utf8()..).unwrap_or_default();
        Some(character)
    }
}

/// Whether a character of `bytes` begins at `at` (or the bytes end there). O(1).
pub fn is_character_start(bytes: &[u8], at: usize) -> bool {
    let is_continuation = bytes.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
    if !is_continuation {
        return true;
    }
    // A byte that continues is inside a character exactly if one of the three bytes before it
    // leads a valid encoding that reaches over it.
    for back in 1..=at.min(3) {
        let tail = bytes.get(at - back..).unwrap_or_default();
        if let Some(Character::Valid(character)) = Character::first(tail) {
            return character.len_utf8() <= back;
        }
    }
    true
}
