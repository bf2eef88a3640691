//! A configuration centre: settings by environment, with defaults, changed together or not at all.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use txn::{Db, Error, Result, Snapshot};

/// A setting of `environment`, or the default one.
fn setting(snapshot: &Snapshot, environment: &str, name: &str) -> Result<Option<String>> {
    let configs = snapshot.bucket("configs")?;
    let own = match configs.bucket_if_exists(environment)? {
        Some(bucket) => bucket.get(name)?,
        None => None,
    };
    let value = match own {
        Some(value) => Some(value),
        None => configs.bucket("defaults")?.get(name)?,
    };
    Ok(value.map(|value| String::from_utf8_lossy(value).into_owned()))
}

/// Changes several settings: readers see all of them or none.
fn change(db: &Db, environment: &str, settings: &[(&str, &str)]) -> Result<()> {
    db.update(|tx| {
        let mut configs = tx.create_bucket_if_missing("configs")?;
        let mut bucket = configs.create_bucket_if_missing(environment)?;
        for (name, value) in settings {
            if value.is_empty() {
                // The whole change is rolled back, not just this line of it.
                return Err(Error::other(format!("{name} must not be empty")));
            }
            bucket.put(name, value)?;
        }
        Ok(())
    })
}

fn main() -> Result<()> {
    let directory = tempfile::tempdir().map_err(Error::other)?;
    let db = Db::open(directory.path().join("configs.db"))?;
    change(
        &db,
        "defaults",
        &[("server.port", "8080"), ("server.host", "localhost")],
    )?;
    change(&db, "production", &[("server.host", "db.internal")])?;

    let before = db.snapshot()?;
    let refused = change(
        &db,
        "production",
        &[("server.port", "443"), ("server.host", "")],
    );
    println!(
        "a change with an empty value is refused: {}",
        refused.is_err()
    );
    assert_eq!(
        setting(&db.snapshot()?, "production", "server.port")?.as_deref(),
        Some("8080")
    );

    change(&db, "production", &[("server.port", "443")])?;
    let now = db.snapshot()?;
    for (when, snapshot) in [("before", &before), ("now", &now)] {
        let port = setting(snapshot, "production", "server.port")?.unwrap_or_default();
        let host = setting(snapshot, "production", "server.host")?.unwrap_or_default();
        println!("{when}: production listens on {host}:{port}");
    }
    assert_eq!(
        setting(&before, "production", "server.port")?.as_deref(),
        Some("8080")
    );
    assert_eq!(
        setting(&now, "production", "server.port")?.as_deref(),
        Some("443")
    );
    Ok(())
}
