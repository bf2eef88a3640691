//! `import`: reading what `export` wrote.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use clap::Args;
use kv_api::Error;
use serde_json::{Value, json};
use strata::AnyTransaction;

use super::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, progress_bytes};
use crate::{show, stores};

#[derive(Args, Debug)]
pub struct ImportArgs {
    /// The store, made if it does not exist
    #[arg(value_name = "STORE")]
    store: OsString,
    /// The file to read; standard input by default
    #[arg(value_name = "FILE")]
    from: Option<PathBuf>,
}

/// Lines in one transaction, at most.
const LINES_PER_COMMIT: usize = 10_000;
/// No line is added to a transaction of so many bytes of them.
const BYTES_PER_COMMIT: u64 = 16 << 20;

fn names(path: &Value) -> Option<Vec<Vec<u8>>> {
    path.as_array()?.iter().map(show::from_value).collect()
}

/// One line, understood.
enum Line {
    Bucket {
        names: Vec<Vec<u8>>,
        sequence: u64,
    },
    Pair {
        names: Vec<Vec<u8>>,
        key: Vec<u8>,
        value: Vec<u8>,
    },
}

/// Understands a line; `None` if it is not one that `export` writes.
fn understood(line: &str) -> Option<Line> {
    let line: Value = serde_json::from_str(line).ok()?;
    if let Some(path) = line.get("bucket") {
        return Some(Line::Bucket {
            names: names(path)?,
            sequence: line.get("sequence")?.as_u64()?,
        });
    }
    Some(Line::Pair {
        names: names(line.get("path")?)?,
        key: show::from_value(line.get("key")?)?,
        value: show::from_value(line.get("value")?)?,
    })
}

fn apply(change: &mut AnyTransaction, line: &Line) -> kv_api::Result<()> {
    match line {
        Line::Bucket { names, sequence } => {
            let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
            change.create_at(&names)?;
            match change.as_nested() {
                Some(nested) => nested.set_sequence(&names, *sequence),
                None if *sequence == 0 => Ok(()),
                None => Err(Error::Unsupported {
                    what: "sequences of buckets",
                }),
            }
        }
        Line::Pair { names, key, value } => {
            let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
            change.put_at(&names, key, value)
        }
    }
}

/// The lines of a file, some at a time.
struct Lines {
    from: std::io::Lines<Box<dyn BufRead>>,
    count: u64,
    bytes: u64,
}

impl Lines {
    /// The next lines, as many as go into one transaction; none at the end.
    fn next_lines(&mut self) -> Outcome<Vec<Line>> {
        let mut lines = Vec::new();
        let begin = self.bytes;
        while lines.len() < LINES_PER_COMMIT && self.bytes - begin < BYTES_PER_COMMIT {
            let Some(line) = self.from.next().transpose()? else {
                break;
            };
            self.count += 1;
            self.bytes += line.len() as u64 + 1;
            let count = self.count;
            lines.push(understood(&line).ok_or_else(|| {
                Failure::Usage(format!("line {count} is not one that export writes"))
            })?);
        }
        Ok(lines)
    }
}

pub fn run(args: &ImportArgs, context: &Context, out: &mut Output) -> Outcome {
    let (from, bytes): (Box<dyn BufRead>, u64) = match &args.from {
        None => (Box::new(std::io::stdin().lock()), 0),
        Some(path) => {
            let file = std::fs::File::open(path)?;
            let bytes = file.metadata()?.len();
            (Box::new(BufReader::new(file)), bytes)
        }
    };
    let bar = progress_bytes(bytes, "importing");
    let mut from = Lines {
        from: from.lines(),
        count: 0,
        bytes: 0,
    };
    // A file that is something else makes no store.
    let mut lines = from.next_lines()?;
    let store = stores::writing(&args.store, context.timeout, true)?;
    while !lines.is_empty() {
        let mut change = store.begin_write()?;
        for line in &lines {
            apply(&mut change, line)?;
        }
        change.commit_durably()?;
        bar.set_position(from.bytes);
        lines = from.next_lines()?;
    }
    store.shut_down()?;
    bar.finish_and_clear();
    let count = from.count;
    out.put(|| format!("{count} lines"), || json!({ "lines": count }))
}
