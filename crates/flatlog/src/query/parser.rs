//! From text to query, by recursive descent with a limit on depth.

use crate::query::ast::{Column, Comparison, Expression, Predicate, Query};
use crate::query::error::QueryError;
use crate::query::lexer::{Lexer, Text, Token};
use crate::query::limits::Limits;
use crate::query::pattern::Pattern;
use crate::query::rows::Direction;
use crate::search::tokens;

/// Reads a query.
///
/// ```
/// use flatlog::query::{Limits, QueryError, parse};
/// assert!(parse("key like 'user:*' LIMIT 10 OFFSET 20", &Limits::default()).is_ok());
/// let error = parse("key = 7", &Limits::default()).unwrap_err();
/// assert_eq!(error.to_string(), "at byte 6 of the query: expected a string in quotes, found `7`");
/// ```
pub fn parse(text: &str, limits: &Limits) -> Result<Query, QueryError> {
    if text.len() > limits.query_bytes_max {
        return Err(QueryError::TooLong {
            bytes: text.len(),
            bytes_max: limits.query_bytes_max,
        });
    }
    let mut lexer = Lexer::new(text);
    let (position, token) = lexer.next()?;
    let mut parser = Parser {
        lexer,
        position,
        token,
        depth: 0,
        depth_max: limits.depth_max,
    };
    parser.query()
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// Where `token` begins.
    position: usize,
    /// The piece to be read next.
    token: Token<'a>,
    depth: usize,
    depth_max: usize,
}

const PREDICATE: &str = "`key`, `value`, `CommitIndex`, `NOT` or `(`";
const COMPARISON: &str = "one of = != < <= > >=";

impl<'a> Parser<'a> {
    fn query(&mut self) -> Result<Query, QueryError> {
        let mut query = Query {
            filter: None,
            order_by: Column::Key,
            direction: Direction::Ascending,
            limit: None,
            offset: 0,
        };
        let has_filter = !(self.token == Token::End
            || self.is_word("order")
            || self.is_word("limit")
            || self.is_word("offset"));
        if has_filter {
            query.filter = Some(self.expression()?);
        }
        let mut expected = if has_filter {
            "`AND`, `OR`, `ORDER BY`, `LIMIT`, `OFFSET` or the end"
        } else {
            "the end"
        };
        if self.take_word("order")? {
            self.need_word("by", "`BY`")?;
            query.order_by = self.column()?;
            expected = "`ASC`, `DESC`, `LIMIT`, `OFFSET` or the end";
            if self.take_word("desc")? {
                query.direction = Direction::Descending;
                expected = "`LIMIT`, `OFFSET` or the end";
            } else if self.take_word("asc")? {
                expected = "`LIMIT`, `OFFSET` or the end";
            }
        }
        if self.take_word("limit")? {
            query.limit = Some(self.integer()?);
            expected = "`OFFSET` or the end";
        }
        if self.take_word("offset")? {
            query.offset = self.integer()?;
            expected = "the end";
        }
        if self.token != Token::End {
            return Err(self.unexpected(expected));
        }
        Ok(query)
    }

    fn column(&mut self) -> Result<Column, QueryError> {
        if self.take_word("key")? {
            return Ok(Column::Key);
        }
        self.need_word("commitindex", "`key` or `CommitIndex`")?;
        Ok(Column::CommitIndex)
    }

    fn expression(&mut self) -> Result<Expression, QueryError> {
        let mut terms = vec![self.conjunction()?];
        while self.take_word("or")? {
            terms.push(self.conjunction()?);
        }
        Ok(only_or(terms, Expression::Or))
    }

    fn conjunction(&mut self) -> Result<Expression, QueryError> {
        let mut terms = vec![self.unary()?];
        while self.take_word("and")? {
            terms.push(self.unary()?);
        }
        Ok(only_or(terms, Expression::And))
    }

    fn unary(&mut self) -> Result<Expression, QueryError> {
        let position = self.position;
        if self.take_word("not")? {
            self.descend(position)?;
            let inner = self.unary()?;
            self.depth -= 1;
            return Ok(Expression::Not(Box::new(inner)));
        }
        if self.token == Token::Sign("(") {
            self.advance()?;
            self.descend(position)?;
            let inner = self.expression()?;
            self.depth -= 1;
            if self.token != Token::Sign(")") {
                return Err(self.unexpected("`AND`, `OR` or `)`"));
            }
            self.advance()?;
            return Ok(inner);
        }
        Ok(Expression::Predicate(self.predicate()?))
    }

    fn descend(&mut self, position: usize) -> Result<(), QueryError> {
        self.depth += 1;
        if self.depth > self.depth_max {
            return Err(QueryError::TooDeep {
                position,
                depth_max: self.depth_max,
            });
        }
        Ok(())
    }

    fn predicate(&mut self) -> Result<Predicate, QueryError> {
        if self.take_word("key")? {
            if self.take_word("like")? {
                let text = self.text()?;
                return Ok(Predicate::KeyLike(Pattern::new(
                    &text.bytes,
                    &text.wildcards,
                )));
            }
            let comparison = self.comparison("`LIKE` or one of = != < <= > >=")?;
            return Ok(Predicate::Key(comparison, self.text()?.bytes));
        }
        if self.take_word("value")? {
            return self.value_predicate();
        }
        if self.take_word("commitindex")? {
            let comparison = self.comparison(COMPARISON)?;
            return Ok(Predicate::CommitIndex(comparison, self.integer()?));
        }
        Err(self.unexpected(PREDICATE))
    }

    fn value_predicate(&mut self) -> Result<Predicate, QueryError> {
        if self.take_word("like")? {
            let text = self.text()?;
            return Ok(if text.wildcards.is_empty() {
                let mut wanted = tokens(&text.bytes);
                wanted.sort_unstable();
                wanted.dedup();
                Predicate::ValueTokens(wanted)
            } else {
                Predicate::ValueLike(Pattern::new(&text.bytes, &text.wildcards))
            });
        }
        let equals = match self.token {
            Token::Sign("=") => true,
            Token::Sign("!=") => false,
            _ => return Err(self.unexpected("`LIKE`, = or !=")),
        };
        self.advance()?;
        let bytes = self.text()?.bytes;
        Ok(if equals {
            Predicate::ValueEquals(bytes)
        } else {
            Predicate::ValueDiffers(bytes)
        })
    }

    fn comparison(&mut self, expected: &'static str) -> Result<Comparison, QueryError> {
        let comparison = match self.token {
            Token::Sign("=") => Comparison::Equal,
            Token::Sign("!=") => Comparison::Different,
            Token::Sign("<") => Comparison::Less,
            Token::Sign("<=") => Comparison::AtMost,
            Token::Sign(">") => Comparison::Greater,
            Token::Sign(">=") => Comparison::AtLeast,
            _ => return Err(self.unexpected(expected)),
        };
        self.advance()?;
        Ok(comparison)
    }

    fn text(&mut self) -> Result<Text, QueryError> {
        let Token::Text(text) = &mut self.token else {
            return Err(self.unexpected("a string in quotes"));
        };
        let text = std::mem::take(text);
        self.advance()?;
        Ok(text)
    }

    fn integer(&mut self) -> Result<u64, QueryError> {
        let number = match self.token {
            Token::Integer(digits) => digits.parse().ok(),
            _ => return Err(self.unexpected("an integer")),
        };
        let Some(number) = number else {
            return Err(self.unexpected("an integer of at most 18446744073709551615"));
        };
        self.advance()?;
        Ok(number)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.token, Token::Word(found) if found.eq_ignore_ascii_case(word))
    }

    fn take_word(&mut self, word: &str) -> Result<bool, QueryError> {
        let is = self.is_word(word);
        if is {
            self.advance()?;
        }
        Ok(is)
    }

    fn need_word(&mut self, word: &str, expected: &'static str) -> Result<(), QueryError> {
        if self.take_word(word)? {
            return Ok(());
        }
        Err(self.unexpected(expected))
    }

    fn advance(&mut self) -> Result<(), QueryError> {
        (self.position, self.token) = self.lexer.next()?;
        Ok(())
    }

    fn unexpected(&self, expected: &'static str) -> QueryError {
        let found = match &self.token {
            Token::Word(word) | Token::Integer(word) => {
                let shown: String = word.chars().take(40).collect();
                format!("`{shown}`")
            }
            Token::Text(_) => "a string".into(),
            Token::Sign(sign) => format!("`{sign}`"),
            Token::End => "the end of the query".into(),
        };
        QueryError::Syntax {
            position: self.position,
            expected,
            found,
        }
    }
}

fn only_or(mut terms: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match terms.pop() {
        Some(only) if terms.is_empty() => only,
        last => {
            terms.extend(last);
            many(terms)
        }
    }
}
