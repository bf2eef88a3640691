//! Several processes read one database; while they do, none can write to it.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use txn::{Db, Error, ErrorKind, Options, Result};

fn shared(path: &Path) -> Result<Db> {
    Options::new()
        .read_only(true)
        .lock_timeout(Duration::from_secs(5))
        .open(path)
}

/// What the second process does: reads beside the first, and fails to write.
fn second_process(path: &Path) -> Result<()> {
    let db = shared(path)?;
    let greeting = db.view(|tx| Ok(tx.bucket("words")?.get("hello")?.map(<[u8]>::to_vec)))?;
    println!(
        "the second process reads {:?}",
        greeting.map(|word| String::from_utf8_lossy(&word).into_owned())
    );
    assert_eq!(
        db.begin().map(drop).map_err(|error| error.kind()),
        Err(ErrorKind::ReadOnly)
    );
    db.close()?;
    drop(db);
    let writer = Options::new()
        .lock_timeout(Duration::from_millis(100))
        .open(path);
    match writer {
        Err(error @ Error::Locked { .. }) => println!("and cannot write: {error}"),
        other => return Err(Error::other(format!("expected a lock, got {other:?}"))),
    }
    Ok(())
}

fn main() -> Result<()> {
    if let Some(path) = std::env::args_os().nth(1) {
        return second_process(Path::new(&path));
    }
    let directory = tempfile::tempdir().map_err(Error::other)?;
    let path = directory.path().join("shared.db");
    let db = Db::open(&path)?;
    db.update(|tx| tx.create_bucket("words")?.put("hello", "world"))?;
    db.close()?;
    drop(db);

    let first = shared(&path)?;
    let program = std::env::current_exe().map_err(Error::other)?;
    let status = Command::new(program)
        .arg(&path)
        .stdin(Stdio::null())
        .status();
    assert!(status.map_err(Error::other)?.success());
    println!(
        "the first process still reads {} pages",
        first.info()?.high_water
    );
    Ok(())
}
