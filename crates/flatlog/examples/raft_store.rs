//! A Raft state machine on the flat engine: it applies entries, is restarted, is given the same
//! entries again, and hands its state to another node.
#![allow(clippy::print_stdout, reason = "an example talks")]

use flatlog::{Db, Error, Result};

/// An entry of the Raft log: the index it was committed with, and what it says.
struct Entry {
    index: u64,
    key: &'static str,
    value: &'static str,
}

/// Applies an entry; answers whether it was new.
fn apply(db: &Db, entry: &Entry) -> Result<bool> {
    let mut tx = match db.begin_at(entry.index) {
        Ok(tx) => tx,
        // A restarted node is given its log from some point on: what is in the store stays.
        Err(Error::AlreadyApplied { .. }) => return Ok(false),
        Err(error) => return Err(error),
    };
    tx.put(entry.key, entry.value)?;
    // Raft's own log is durable: the state machine need not be, until that log is cut.
    tx.commit_with(kv_api::Durability::Buffered)?;
    Ok(true)
}

fn main() -> Result<()> {
    let directory = std::env::temp_dir().join(format!("raft-store-{}", std::process::id()));
    std::fs::create_dir_all(&directory)
        .map_err(|error| Error::io("making the example's directory", error))?;
    let leader = Db::open(directory.join("leader"))?;
    let entries = [
        Entry {
            index: 1,
            key: "user:ann",
            value: "admin",
        },
        Entry {
            index: 2,
            key: "user:bob",
            value: "guest",
        },
        Entry {
            index: 5,
            key: "user:ann",
            value: "owner",
        },
    ];
    for entry in &entries {
        assert!(apply(&leader, entry)?);
    }
    leader.close()?;
    drop(leader);

    let leader = Db::open(directory.join("leader"))?;
    println!("restarted at index {}", leader.last_commit_index()?);
    for entry in &entries {
        assert!(!apply(&leader, entry)?, "replayed entries change nothing");
    }

    // Before Raft cuts its log, the store must be durable and a snapshot taken.
    leader.sync()?;
    let mut stream = Vec::new();
    let bytes = leader.snapshot_to(&mut stream, |_| true)?;

    let follower = Db::open(directory.join("follower"))?;
    follower.restore(&mut stream.as_slice(), |progress| {
        println!(
            "restored {} of {} pairs",
            progress.pairs, progress.pairs_total
        );
        true
    })?;
    let snapshot = follower.snapshot()?;
    println!(
        "a snapshot of {bytes} bytes brought the follower to index {}",
        snapshot.last_commit_index()
    );
    assert_eq!(snapshot.get("user:ann")?.as_deref(), Some(&b"owner"[..]));
    assert_eq!(snapshot.commit_index_of("user:ann"), Some(5));
    drop(snapshot);
    follower.close()?;
    leader.close()?;
    // The example's own directory.
    let _ = std::fs::remove_dir_all(directory);
    Ok(())
}
