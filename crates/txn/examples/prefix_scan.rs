//! Scanning the keys that begin alike, from either end.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use txn::{Db, Result};

fn main() -> Result<()> {
    let directory = tempfile::tempdir().map_err(txn::Error::other)?;
    let db = Db::open(directory.path().join("files.db"))?;
    db.update(|tx| {
        let mut files = tx.create_bucket("files")?;
        for name in [
            "src/lib.rs",
            "src/main.rs",
            "src/tree/node.rs",
            "srcs",
            "tests/it.rs",
        ] {
            files.put(name, "")?;
        }
        Ok(())
    })?;

    let snapshot = db.snapshot()?;
    let files = snapshot.bucket("files")?;
    let mut found = Vec::new();
    for pair in files.prefix("src/") {
        let (name, _) = pair?;
        println!("{}", name.escape_ascii());
        found.push(name);
    }
    assert_eq!(found.len(), 3, "`srcs` begins with `src`, not with `src/`");

    // The last one alone: nothing before it is read.
    let last = files.prefix("src/").next_back().transpose()?;
    assert_eq!(last.map(|(name, _)| name), Some(&b"src/tree/node.rs"[..]));

    // The same by hand, with a cursor.
    let mut cursor = files.cursor();
    let mut count = 0;
    let mut entry = cursor.seek("src/")?;
    while let Some((name, _)) = entry.filter(|(name, _)| name.starts_with(b"src/")) {
        assert_eq!(found.get(count), Some(&name));
        count += 1;
        entry = cursor.next()?;
    }
    assert_eq!(count, found.len());
    Ok(())
}
