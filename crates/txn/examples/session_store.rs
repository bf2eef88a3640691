//! A session store: look up by token, expire by time, with the two kept in step by transactions.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use txn::{Db, Result};

/// Sessions by token, and an index of tokens by the second in which they end.
struct Sessions {
    db: Db,
}

/// A key of the index: sorts by time, and two sessions that end together stay apart.
fn ending(ends: u64, token: &str) -> Vec<u8> {
    [&ends.to_be_bytes()[..], token.as_bytes()].concat()
}

impl Sessions {
    fn open(path: &std::path::Path) -> Result<Sessions> {
        let db = Db::open(path)?;
        db.update(|tx| {
            tx.create_bucket_if_missing("sessions")?;
            tx.create_bucket_if_missing("endings").map(drop)
        })?;
        Ok(Sessions { db })
    }

    /// Makes a session, or renews the one that has this token.
    fn create(&self, token: &str, user: &str, ends: u64) -> Result<()> {
        self.db.update(|tx| {
            let mut sessions = tx.bucket("sessions")?;
            let earlier = sessions.get(token)?.and_then(|value| value.first_chunk());
            let earlier = earlier.map(|ends| u64::from_be_bytes(*ends));
            sessions.put(token, [&ends.to_be_bytes()[..], user.as_bytes()].concat())?;
            let mut endings = tx.bucket("endings")?;
            if let Some(earlier) = earlier {
                // Left behind, it would end the renewed session at the old time.
                endings.delete(ending(earlier, token))?;
            }
            endings.put(ending(ends, token), "")
        })
    }

    /// The user of a session that has not ended.
    fn user(&self, token: &str, now: u64) -> Result<Option<String>> {
        self.db.view(|tx| {
            let Some(value) = tx.bucket("sessions")?.get(token)? else {
                return Ok(None);
            };
            let Some((ends, user)) = value.split_first_chunk::<8>() else {
                return Ok(None);
            };
            let alive = u64::from_be_bytes(*ends) > now;
            Ok(alive.then(|| String::from_utf8_lossy(user).into_owned()))
        })
    }

    /// Removes the sessions that have ended, without looking at those that have not.
    fn expire(&self, now: u64) -> Result<usize> {
        self.db.update(|tx| {
            let mut ended: Vec<Vec<u8>> = Vec::new();
            for pair in tx.bucket("endings")?.range(..(now + 1).to_be_bytes())? {
                ended.push(pair?.0.to_vec());
            }
            for ending in &ended {
                tx.bucket("endings")?.delete(ending)?;
                tx.bucket("sessions")?
                    .delete(ending.get(8..).unwrap_or_default())?;
            }
            Ok(ended.len())
        })
    }
}

fn main() -> Result<()> {
    let directory = tempfile::tempdir().map_err(txn::Error::other)?;
    let sessions = Sessions::open(&directory.path().join("sessions.db"))?;
    for number in 0..100_u64 {
        sessions.create(
            &format!("token-{number}"),
            &format!("user {number}"),
            1000 + number,
        )?;
    }
    println!(
        "at 1000, token-7 belongs to {:?}",
        sessions.user("token-7", 1000)?
    );
    assert_eq!(sessions.user("token-7", 1000)?.as_deref(), Some("user 7"));
    assert_eq!(
        sessions.user("token-7", 1007)?,
        None,
        "ended, though not removed yet"
    );

    sessions.create("token-7", "user 7", 2000)?;
    let removed = sessions.expire(1049)?;
    println!("at 1049, {removed} sessions have ended; token-7 was renewed in time");
    assert_eq!(removed, 49);
    assert_eq!(sessions.user("token-7", 1049)?.as_deref(), Some("user 7"));
    assert_eq!(sessions.user("token-49", 0)?, None);
    assert!(sessions.user("token-50", 1049)?.is_some());
    sessions.db.close()
}
