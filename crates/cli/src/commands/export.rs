//! `export`: everything as lines of JSON, without loss.
//!
//! A bucket is a line `{"bucket": PATH, "sequence": N}`, a pair is
//! `{"path": PATH, "key": K, "value": V}`, in key order, a bucket before what it holds. A path is
//! a list of names; names, keys and values are strings if they are UTF-8, else `{"hex": "…"}`.

use std::ffi::OsString;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use kv_api::capability::BucketVisitor;
use kv_api::{Error, Result};
use serde_json::{Value, json};

use super::Context;
use crate::failure::Outcome;
use crate::output::{Output, progress_bytes};
use crate::{show, stores};

#[derive(Args, Debug)]
pub struct ExportArgs {
    /// The store
    #[arg(value_name = "STORE")]
    store: OsString,
    /// The file to write; standard output by default
    #[arg(value_name = "FILE")]
    to: Option<PathBuf>,
}

struct Lines<W> {
    to: W,
    path: Vec<Value>,
    bar: indicatif::ProgressBar,
}

impl<W: Write> Lines<W> {
    fn line(&mut self, object: &Value) -> Result<()> {
        writeln!(self.to, "{object}").map_err(|error| Error::io("writing the export", error))
    }
}

impl<W: Write> BucketVisitor for Lines<W> {
    fn enter(&mut self, name: &[u8], sequence: u64) -> Result<()> {
        self.path.push(show::value(name));
        self.line(&json!({"bucket": self.path, "sequence": sequence}))
    }

    fn pair(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.bar.inc((key.len() + value.len()) as u64);
        self.line(&json!({"path": self.path, "key": show::value(key), "value": show::value(value)}))
    }

    fn leave(&mut self) -> Result<()> {
        self.path.pop();
        Ok(())
    }
}

pub fn run(args: &ExportArgs, context: &Context, out: &mut Output) -> Outcome {
    let store = stores::reading(&args.store, context.timeout)?;
    let snapshot = store.open_snapshot()?;
    let (path, bar) = (Vec::new(), progress_bytes(0, "exporting"));
    match &args.to {
        None => {
            let mut lines = Lines {
                to: out.stream(),
                path,
                bar,
            };
            let walked = snapshot.walk(&mut lines);
            return stream_failure(walked);
        }
        Some(file) => {
            let to = BufWriter::new(std::fs::File::create_new(file)?);
            let mut lines = Lines { to, path, bar };
            snapshot.walk(&mut lines)?;
            lines.to.flush()?;
            lines.bar.finish_and_clear();
        }
    }
    Ok(())
}

/// A reader of standard output that has gone is no failure of the store's.
fn stream_failure(walked: Result<()>) -> Outcome {
    match walked {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => {
            Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into())
        }
        walked => Ok(walked?),
    }
}
