//! The Rust side of `scripts/interop`: answers one line for each line, so that thousands of
//! hand-overs need no thousands of process starts. The protocol is in `scripts/interop/README.md`.
#![allow(clippy::print_stdout, reason = "answers go to standard output")]

mod digest;
mod operations;
mod random;

use std::io::{BufRead, Write};
use std::time::Duration;

use kv_api::{Error, Result};
use txn::{Db, FreelistKind, FreelistStorage, Options};

/// Bounds the wait for the file: a lock that the other side kept is a defect to report, not a
/// reason to hang.
const LOCK_WAIT: Duration = Duration::from_secs(20);

/// The file that is open now, if any.
#[derive(Default)]
struct Server {
    db: Option<Db>,
    root_pairs: bool,
}

fn other(text: impl Into<String>) -> Error {
    Error::other(text.into())
}

impl Server {
    fn db(&self) -> Result<&Db> {
        self.db.as_ref().ok_or_else(|| other("no file is open"))
    }

    fn open(&mut self, words: &[&str]) -> Result<()> {
        let (path, words) = words
            .split_first()
            .ok_or_else(|| other("open needs a file"))?;
        if self.db.is_some() {
            return Err(other("a file is open"));
        }
        // Array is bbolt's default kind and goes with bbolt's default storage, the other kind with
        // our own, so that a run meets them all.
        let storage = if words.contains(&"no-freelist-sync") {
            FreelistStorage::Never
        } else if words.contains(&"freelist=array") {
            FreelistStorage::Always
        } else {
            FreelistStorage::default()
        };
        let mut options = Options::new().lock_timeout(LOCK_WAIT).freelist(storage);
        for word in words {
            options = match *word {
                "no-freelist-sync" | "root-pairs" => options,
                "freelist=array" => options.freelist_kind(FreelistKind::Array),
                "freelist=hashmap" => options.freelist_kind(FreelistKind::Hashmap),
                word => {
                    let size = word.strip_prefix("page-size=").and_then(|n| n.parse().ok());
                    options.page_bytes(size.ok_or_else(|| other(format!("option {word}")))?)
                }
            };
        }
        self.root_pairs = words.contains(&"root-pairs");
        self.db = Some(options.open(path)?);
        Ok(())
    }

    fn operations(&self, words: &[&str]) -> Result<()> {
        let numbers = words.iter().map(|word| word.parse::<u64>());
        let numbers = numbers
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(Error::other)?;
        let (seed, count, commits) = match numbers[..] {
            [seed, count] => (seed, count, 1),
            [seed, count, commits] if commits > 0 => (seed, count, commits),
            _ => return Err(other("ops needs SEED COUNT [COMMITS]")),
        };
        operations::run(self.db()?, seed, count, commits, self.root_pairs)
    }

    fn check(&self) -> Result<()> {
        let mut found = Vec::new();
        let note = &mut |finding: kv_api::capability::Finding| {
            found.push(format!("{}: {}", finding.place, finding.what));
        };
        txn::check(&self.db()?.snapshot()?, note)?;
        if found.is_empty() {
            Ok(())
        } else {
            Err(other(found.join("; ")))
        }
    }

    /// The answer to one command, and whether it was the last.
    fn command(&mut self, words: &[&str]) -> (Result<String>, bool) {
        let ok = |()| "ok".to_owned();
        let answer = match words {
            ["quit"] => return (Ok("ok".to_owned()), true),
            ["open", words @ ..] => self.open(words).map(ok),
            ["ops", words @ ..] => self.operations(words).map(ok),
            ["digest"] => self.db().and_then(digest::of),
            ["check"] => self.check().map(ok),
            ["close"] => match self.db.take() {
                Some(db) => db.close().map(ok),
                None => Err(other("no file is open")),
            },
            _ => Err(other("unknown command")),
        };
        (answer, false)
    }
}

fn main() -> std::io::Result<()> {
    let mut server = Server::default();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let (answer, last) = server.command(&words);
        match answer {
            Ok(answer) => println!("{answer}"),
            Err(error) => println!("error {}", error.to_string().replace('\n', " ")),
        }
        std::io::stdout().flush()?;
        if last {
            break;
        }
    }
    Ok(())
}
