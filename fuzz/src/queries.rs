//! Any text as a query: refused with a place in the text, or answered as a look at every row would.

use std::sync::OnceLock;
use std::time::Duration;

use flatlog::query::{Limits, QueryError, parse};
use flatlog::{Db, Options, Snapshot};

use crate::hostile::memory::MemoryDisk;

/// Two stores of the same pairs, one with an index over values.
fn stores() -> &'static [Db; 2] {
    static STORES: OnceLock<[Db; 2]> = OnceLock::new();
    STORES.get_or_init(|| {
        [false, true].map(|value_index| {
            let options = Options::new().disk(MemoryDisk::default().as_dyn());
            let options = options.read_without_mapping(true).background(false);
            let db = options.value_index(value_index).open("").expect("a store");
            for number in 0..200_u32 {
                let words = [
                    "critical",
                    "uncritical",
                    "error",
                    "GROSSE Straße",
                    "\u{212a}elvin",
                ];
                let word = words[number as usize % words.len()];
                db.update(|tx| {
                    tx.put(format!("log:{number:03}"), format!("{word} {}", number % 7))
                })
                .expect("memory to write to");
            }
            db
        })
    })
}

fn limits() -> Limits {
    Limits {
        query_bytes_max: 4096,
        time_budget: Some(Duration::from_secs(5)),
        index_rows_min: 1,
        ..Limits::default()
    }
}

fn rows(snapshot: &Snapshot, text: &str) -> kv_api::Result<Vec<(Vec<u8>, u64)>> {
    let rows = snapshot.query_within(text, &limits())?;
    rows.map(|row| row.map(|row| (row.key().to_vec(), row.commit_index())))
        .collect()
}

/// Reads `input` as a query and answers it with and without an index.
///
/// # Panics
///
/// If the answers differ, a place is outside the text, or a query takes longer than it may.
pub fn queries(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match parse(&text, &limits()) {
        Err(QueryError::Syntax { position, .. } | QueryError::TooDeep { position, .. }) => {
            assert!(position <= text.len(), "{position} is outside the text");
        }
        Err(_) => {}
        Ok(_) => {
            let [plain, indexed] = stores();
            let answer = |db: &Db| rows(&db.snapshot().expect("a snapshot"), &text);
            let (plain, indexed) = (answer(plain), answer(indexed));
            let plain = plain.expect("an answer in time");
            assert_eq!(plain, indexed.expect("an answer in time"), "{text}");
        }
    }
}
