//! A snapshot held across writes goes on showing what was there when it was taken.

use kv_api::{Error, Result};
use strata::{AnySnapshot, AnyStore};

use super::report::Report;
use super::work::path_of;

const WRITES: u64 = 200;

fn name_of_a(snapshot: &AnySnapshot) -> Result<String> {
    let path = path_of(b"plane 00", snapshot.as_nested().is_some());
    let plane = snapshot.bucket_at(&path)?;
    let plane = plane.ok_or(Error::NotFound { what: "plane 00" })?;
    let name = plane.value_of(b"U+000041")?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&name).into_owned())
}

/// Holds a snapshot while a name is overwritten again and again, then puts it back.
pub fn hold(store: &AnyStore, report: &mut Report) -> Result<()> {
    let held = store.open_snapshot()?;
    let before = name_of_a(&held)?;
    let path = path_of(b"plane 00", held.as_nested().is_some());
    let rename = |name: &str| {
        let mut change = store.begin_write()?;
        change.put_at(&path, b"U+000041", name.as_bytes())?;
        change.commit_durably()
    };
    report.timed("durable commits of one pair", "commits", || {
        for number in 1..=WRITES {
            rename(&format!("RENAMED {number} TIMES"))?;
        }
        Ok((WRITES, ()))
    })?;
    let (old, new) = (name_of_a(&held)?, name_of_a(&store.open_snapshot()?)?);
    report.say(&format!(
        "U+0041 is now {new:?}; the snapshot held meanwhile still says {old:?}."
    ));
    if old != before || new != format!("RENAMED {WRITES} TIMES") {
        return Err(Error::other("a snapshot changed while it was held"));
    }
    rename(&before)
}
