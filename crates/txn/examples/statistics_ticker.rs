//! What a database does, told as JSON on standard error at a steady pace.
#![allow(clippy::print_stderr, reason = "an example shows what it does")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use txn::{Db, Result, Ticker};

fn main() -> Result<()> {
    let directory = tempfile::tempdir().map_err(txn::Error::other)?;
    let db = Db::open(directory.path().join("ticking.db"))?;
    let commits_told = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&commits_told);
    // A program that runs for days would tick every ten seconds.
    let ticker = Ticker::start(&db, Duration::from_millis(100), move |since| {
        told.fetch_add(since.commits, Ordering::Relaxed);
        eprintln!("{}", since.to_json());
    });

    let began = Instant::now();
    let mut commits = 0;
    while began.elapsed() < Duration::from_millis(450) {
        db.update(|tx| {
            tx.create_bucket_if_missing("work")?
                .put(commits.to_string(), "done")
        })?;
        commits += 1;
    }
    std::thread::sleep(Duration::from_millis(250));
    drop(ticker);
    assert_eq!(
        commits_told.load(Ordering::Relaxed),
        commits,
        "every commit was told once"
    );
    Ok(())
}
