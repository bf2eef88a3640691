//! Search in values with SQLite's FTS5: the tokenizer `unicode61` for words and their beginnings,
//! `trigram` for what stands inside words. Texts lie in the FTS table, numbers are its row ids.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use crate::engine::{Asked, CACHE_BYTES, Indexing, Keeping, Opening, Result, TextKind, Texts};
use crate::engines::sqlite::connect;

/// How the bench runs it.
pub const KIND: TextKind = TextKind {
    open,
    serves_all: false,
};

const ADD: &str = "INSERT INTO texts (rowid, value) VALUES (?1, ?2)";
const FIND: &str = "SELECT rowid FROM texts WHERE texts MATCH ?1 LIMIT ?2";

struct Sqlite(Connection);

fn open(directory: &Path, indexing: Indexing) -> Result<Box<dyn Texts>> {
    let opening = Opening {
        keeping: Keeping::Durable,
        cache_bytes: CACHE_BYTES,
    };
    // Places of words are needed only to find several trigrams in a row; without them the index
    // over words is smaller and made faster.
    let (name, how) = match indexing {
        Indexing::Words => ("words", "tokenize = 'unicode61', detail = none"),
        Indexing::Inside => ("inside", "tokenize = 'trigram case_sensitive 1'"),
    };
    let connection = connect(&directory.join(format!("{name}.sqlite")), opening)?;
    connection.execute_batch(&format!(
        "CREATE VIRTUAL TABLE IF NOT EXISTS texts USING fts5(value, {how})"
    ))?;
    Ok(Box::new(Sqlite(connection)))
}

impl Texts for Sqlite {
    fn add(&mut self, from: u64, texts: &[String]) -> Result<()> {
        let transaction = self
            .0
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut statement = transaction.prepare_cached(ADD)?;
        for (number, text) in (from..).zip(texts) {
            statement.execute((i64::try_from(number)?, text))?;
        }
        drop(statement);
        Ok(transaction.commit()?)
    }

    fn settle(&mut self) -> Result<()> {
        let optimize = "INSERT INTO texts (texts) VALUES ('optimize')";
        Ok(self.0.execute_batch(optimize)?)
    }

    fn find(&self, asked: Asked, part: &str, limit: Option<u64>) -> Result<u64> {
        let question = match asked {
            Asked::Token | Asked::Inside => format!("\"{part}\""),
            Asked::Prefix => format!("\"{part}\" *"),
        };
        // Any limit below 0 means none.
        let limit = limit.map_or(Ok(-1), i64::try_from)?;
        let mut statement = self.0.prepare_cached(FIND)?;
        let mut rows = statement.query((question, limit))?;
        let (mut count, mut sum) = (0, 0_i64);
        while let Some(row) = rows.next()? {
            count += 1;
            sum = sum.wrapping_add(row.get(0)?);
        }
        std::hint::black_box(sum);
        Ok(count)
    }
}
