//! What a database does, told as JSON on standard error at a steady pace.
#![allow(clippy::print_stderr, reason = "an example shows what it does")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use txn::{Db, Result, Ticker};

fn main() -> Result<()> {
    let directory = tempfile::tempdir().map_err(txn::Error::other)?;
    let db = Db::open(directory.path().join("ticking.db"))?;
    let (ticks, commits_told) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (ticked, told) = (Arc::clone(&ticks), Arc::clone(&commits_told));
    // A program that runs for days would tick every ten seconds.
    let ticker = Ticker::start(&db, Duration::from_millis(100), move |since| {
        eprintln!("{}", since.to_json());
        told.fetch_add(since.commits, Ordering::Relaxed);
        ticked.fetch_add(1, Ordering::Relaxed);
    });

    let mut commits = 0_u64;
    while ticks.load(Ordering::Relaxed) < 3 {
        db.update(|tx| {
            let mut work = tx.create_bucket_if_missing("work")?;
            work.put((commits % 1000).to_be_bytes(), "done")
        })?;
        commits += 1;
    }
    // Each tick tells what happened since the one before, so together they tell everything once.
    while commits_told.load(Ordering::Relaxed) < commits {
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(ticker); // ends the thread
    assert_eq!(commits_told.load(Ordering::Relaxed), commits);
    eprintln!("{commits} commits, each told once");
    db.close()
}
