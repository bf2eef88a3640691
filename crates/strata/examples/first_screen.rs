//! The lines on the first screen of `README.md`.

use strata::bolt::{Db, Result};

/// Public for the test that runs it.
pub fn main() -> Result<()> {
    let db = Db::open("my.db")?;

    db.update(|tx| {
        let mut users = tx.create_bucket_if_missing("users")?;
        users.put("ann", "admin")?;
        users.put("bob", "guest")
    })?;

    db.view(|tx| {
        assert_eq!(tx.bucket("users")?.get("ann")?, Some(&b"admin"[..]));
        Ok(())
    })?;

    db.close()
}
