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

/// Lines in one transaction.
const LINES_PER_COMMIT: u64 = 10_000;

fn names(path: &Value) -> Option<Vec<Vec<u8>>> {
    path.as_array()?.iter().map(show::from_value).collect()
}

/// Applies one line; `None` if it is not one that `export` writes.
fn apply(change: &mut AnyTransaction, line: &Value) -> Option<kv_api::Result<()>> {
    if let Some(path) = line.get("bucket") {
        let (names, sequence) = (names(path)?, line.get("sequence")?.as_u64()?);
        let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
        let made = change
            .create_at(&names)
            .and_then(|()| match change.as_nested() {
                Some(nested) => nested.set_sequence(&names, sequence),
                None if sequence == 0 => Ok(()),
                None => Err(Error::Unsupported {
                    what: "sequences of buckets",
                }),
            });
        return Some(made);
    }
    let names = names(line.get("path")?)?;
    let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    let (key, value) = (
        show::from_value(line.get("key")?)?,
        show::from_value(line.get("value")?)?,
    );
    Some(change.put_at(&names, &key, &value))
}

pub fn run(args: &ImportArgs, context: &Context, out: &mut Output) -> Outcome {
    let store = stores::writing(&args.store, context.timeout, true)?;
    let (from, bytes): (Box<dyn BufRead>, u64) = match &args.from {
        None => (Box::new(std::io::stdin().lock()), 0),
        Some(path) => {
            let file = std::fs::File::open(path)?;
            let bytes = file.metadata()?.len();
            (Box::new(BufReader::new(file)), bytes)
        }
    };
    let bar = progress_bytes(bytes, "importing");
    let mut change = store.begin_write()?;
    let mut count = 0;
    for line in from.lines() {
        let line = line?;
        count += 1;
        bar.inc(line.len() as u64 + 1);
        let parsed: Option<Value> = serde_json::from_str(&line).ok();
        let applied = parsed.as_ref().and_then(|line| apply(&mut change, line));
        applied.ok_or_else(|| {
            Failure::Usage(format!("line {count} is not one that export writes"))
        })??;
        if count % LINES_PER_COMMIT == 0 {
            change.commit_durably()?;
            change = store.begin_write()?;
        }
    }
    change.commit_durably()?;
    store.shut_down()?;
    bar.finish_and_clear();
    out.put(|| format!("{count} lines"), || json!({ "lines": count }))
}
