//! The words, numbers, strings and signs of a query, each with its place.
//!
//! A string stands in double or single quotes. In it, `\n \r \t \0` are control characters,
//! `\xHH` is any byte, and `\\ \" \' \* \?` are these characters themselves; anything else after a
//! backslash is refused. A `*` or `?` without a backslash is remembered as a wildcard: a pattern
//! sees it as one, any other string as itself.

use crate::query::error::QueryError;

/// A piece of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Letters, digits and underscores, the first no digit.
    Word(&'a str),
    /// Digits.
    Integer(&'a str),
    /// A string.
    Text(Text),
    /// A sign of comparison or a parenthesis.
    Sign(&'static str),
    /// Behind the last piece.
    End,
}

/// A string's bytes, and which of them are wildcards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) bytes: Vec<u8>,
    /// Places in `bytes`, ascending.
    pub(super) wildcards: Vec<usize>,
}

/// Takes a text apart.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

const SIGNS: [&str; 8] = ["!=", "<=", ">=", "=", "<", ">", "(", ")"];

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Lexer<'a> {
        Lexer { text, at: 0 }
    }

    /// The next piece and where it begins.
    pub(super) fn next(&mut self) -> Result<(usize, Token<'a>), QueryError> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        let start = self.at;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Ok((start, Token::End));
        };
        if first == '"' || first == '\'' {
            self.at += 1;
            return Ok((start, Token::Text(self.string(start, first)?)));
        }
        if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            self.at += sign.len();
            return Ok((start, Token::Sign(sign)));
        }
        let is_word = |character: char| character.is_alphanumeric() || character == '_';
        let end = rest
            .find(|character| !is_word(character))
            .unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        if word.is_empty() {
            return Err(QueryError::Syntax {
                position: start,
                expected: "a word, a number, a string, a comparison or a parenthesis",
                found: format!("`{}`", first.escape_debug()),
            });
        }
        self.at += end;
        if word.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok((start, Token::Integer(word)));
        }
        Ok((start, Token::Word(word)))
    }

    /// The string that began at `start` with the quote `quote`.
    fn string(&mut self, start: usize, quote: char) -> Result<Text, QueryError> {
        let mut text = Text::default();
        let mut buffer = [0; 4];
        loop {
            let place = self.at;
            let Some(character) = self.take() else {
                return Err(QueryError::Syntax {
                    position: place,
                    expected: "the closing quote",
                    found: format!("the end of a string that began at byte {start}"),
                });
            };
            match character {
                '\\' => {
                    let byte = self.escape(place)?;
                    text.bytes.push(byte);
                    continue;
                }
                '*' | '?' => text.wildcards.push(text.bytes.len()),
                _ if character == quote => return Ok(text),
                _ => {}
            }
            text.bytes
                .extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
        }
    }

    /// The byte that the escape whose backslash is at `place` means.
    fn escape(&mut self, place: usize) -> Result<u8, QueryError> {
        let named = self.take();
        Ok(match named {
            Some('n') => b'\n',
            Some('r') => b'\r',
            Some('t') => b'\t',
            Some('0') => 0,
            Some('\\') => b'\\',
            Some('"') => b'"',
            Some('\'') => b'\'',
            Some('*') => b'*',
            Some('?') => b'?',
            Some('x') => {
                let digits = self.rest().get(..2).unwrap_or_default();
                let is_hex = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit());
                let Some(byte) = is_hex
                    .then(|| u8::from_str_radix(digits, 16).ok())
                    .flatten()
                else {
                    return Err(QueryError::Syntax {
                        position: place,
                        expected: "two hexadecimal digits after `\\x`",
                        found: self.shown_next(),
                    });
                };
                self.at += 2;
                byte
            }
            other => {
                return Err(QueryError::Syntax {
                    position: place,
                    expected: "an escape: one of \\n \\r \\t \\0 \\xHH \\\\ \\\" \\' \\* \\?",
                    found: match other {
                        Some(character) => format!("`\\{}`", character.escape_debug()),
                        None => "a backslash at the end".into(),
                    },
                });
            }
        })
    }

    fn shown_next(&self) -> String {
        match self.rest().chars().next() {
            Some(character) => format!("`{}`", character.escape_debug()),
            None => "the end of the query".into(),
        }
    }

    fn take(&mut self) -> Option<char> {
        let character = self.rest().chars().next()?;
        self.at += character.len_utf8();
        Some(character)
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }
}
