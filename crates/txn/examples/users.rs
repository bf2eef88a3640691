//! Users as JSON under numbers in big-endian bytes, so that key order is number order.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use serde::{Deserialize, Serialize};
use txn::{Db, Error, Result};

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct User {
    id: u64,
    name: String,
}

fn create_user(db: &Db, name: &str) -> Result<User> {
    db.update(|tx| {
        let mut users = tx.create_bucket_if_missing("users")?;
        // Numbers are the bucket's own and never come twice, even if the last user is deleted.
        let user = User {
            id: users.next_sequence()?,
            name: name.to_owned(),
        };
        users.put(
            user.id.to_be_bytes(),
            serde_json::to_vec(&user).map_err(Error::other)?,
        )?;
        Ok(user)
    })
}

fn user(db: &Db, id: u64) -> Result<Option<User>> {
    db.view(|tx| {
        let found = tx.bucket("users")?.get(id.to_be_bytes())?;
        found
            .map(|json| serde_json::from_slice(json).map_err(Error::other))
            .transpose()
    })
}

fn main() -> Result<()> {
    let directory = tempfile::tempdir().map_err(Error::other)?;
    let db = Db::open(directory.path().join("users.db"))?;
    for number in 1..=300 {
        create_user(&db, &format!("user number {number}"))?;
    }
    println!("user 256 is {:?}", user(&db, 256)?);
    assert_eq!(user(&db, 256)?.map(|user| user.id), Some(256));
    assert_eq!(user(&db, 301)?, None);

    // As decimal text, 10 would sort before 9; as big-endian bytes it does not.
    let ids: Vec<u64> = db.view(|tx| {
        let first_ten = tx.bucket("users")?.range(..).take(10);
        first_ten
            .map(|pair| {
                let user: User = serde_json::from_slice(pair?.1).map_err(Error::other)?;
                Ok(user.id)
            })
            .collect()
    })?;
    println!("the first ten are {ids:?}");
    assert!(ids.iter().copied().eq(1..=10));
    db.close()
}
