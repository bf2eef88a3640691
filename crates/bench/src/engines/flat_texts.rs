//! Search in values with Strata's flat engine: one value index for every question.

use std::path::Path;

use flatlog::query::Limits;
use flatlog::{Db, Options};

use crate::engine::{Asked, Indexing, Result, TextKind, Texts};

/// How the bench runs it.
pub const KIND: TextKind = TextKind {
    open,
    serves_all: true,
};

struct Flat(Db);

fn open(directory: &Path, _: Indexing) -> Result<Box<dyn Texts>> {
    let db = Options::new().value_index(true).open(directory)?;
    Ok(Box::new(Flat(db)))
}

/// The question in the engine's query language. Words of the bench's texts are letters only and
/// stand between single blanks, none of them that is asked for at the beginning: so a word that
/// begins with `part` follows a blank.
fn question(asked: Asked, part: &str, limit: Option<u64>) -> String {
    let pattern = match asked {
        Asked::Token => part.to_owned(),
        Asked::Prefix => format!("* {part}*"),
        Asked::Inside => format!("*{part}*"),
    };
    let limit = limit.map(|limit| format!(" LIMIT {limit}"));
    format!("value LIKE '{pattern}'{}", limit.unwrap_or_default())
}

impl Texts for Flat {
    fn add(&mut self, from: u64, texts: &[String]) -> Result<()> {
        let mut transaction = self.0.begin()?;
        for (number, text) in (from..).zip(texts) {
            transaction.put(format!("text:{number:08}"), text)?;
        }
        transaction.commit()?;
        Ok(())
    }

    fn find(&self, asked: Asked, part: &str, limit: Option<u64>) -> Result<u64> {
        let limits = Limits {
            time_budget: None,
            ..Limits::default()
        };
        let snapshot = self.0.snapshot()?;
        let (mut rows, mut sum) = (0, 0_u64);
        for row in snapshot.query_within(&question(asked, part, limit), &limits)? {
            rows += 1;
            // The key is read, as the peers' row numbers are.
            let end = row?.key().last_chunk();
            sum = sum.wrapping_add(end.map_or(0, |end| u64::from_be_bytes(*end)));
        }
        std::hint::black_box(sum);
        Ok(rows)
    }
}

impl Drop for Flat {
    fn drop(&mut self) {
        // A measurement that matters has ended by now.
        drop(self.0.close());
    }
}
