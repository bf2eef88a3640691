//! Reading: single names, prefixes, ranges both ways, and everything.

use kv_api::{Error, KeyRange, Result};
use strata::{AnySnapshot, AnyStore, Order};

use super::names::{Named, Names};
use super::report::Report;
use super::work::{NAMES, path_of};

const LOOK_UPS: usize = 200_000;

fn missing(what: &str) -> Error {
    Error::other(format!("{what} is not where it was put"))
}

/// Looks names up and holds each answer against the character.
pub fn look_up(store: &AnyStore, names: &Names, report: &mut Report) -> Result<()> {
    let snapshot = store.open_snapshot()?;
    let index = snapshot
        .bucket_at(&[NAMES])?
        .ok_or_else(|| missing("the index"))?;
    let look_ups = LOOK_UPS.min(10 * names.count());
    report.timed("random look-ups by name", "reads", || {
        let mut utf8 = [0; 4];
        for named in names.scattered(look_ups) {
            let found = index.value_of(named.name.as_bytes())?;
            if found.as_deref() != Some(named.character.encode_utf8(&mut utf8).as_bytes()) {
                return Err(missing(&named.name));
            }
        }
        Ok((look_ups as u64, ()))
    })?;
    let snowman = index.value_of(b"SNOWMAN")?;
    if let Some(snowman) = snowman {
        report.say(&format!(
            "SNOWMAN is {}.",
            String::from_utf8_lossy(&snowman)
        ));
    }
    Ok(())
}

/// Entries of `bucket` with keys in `keys`, counted and compared with `expected`.
fn count(
    snapshot: &AnySnapshot,
    path: &[&[u8]],
    keys: &KeyRange,
    order: Order,
    expected: usize,
) -> Result<u64> {
    let bucket = snapshot
        .bucket_at(path)?
        .ok_or_else(|| missing("a bucket"))?;
    let mut found = 0;
    for entry in bucket.entries(keys.clone(), order)? {
        entry?;
        found += 1;
    }
    if found != expected {
        return Err(Error::other(format!(
            "a scan found {found} entries, not {expected}"
        )));
    }
    Ok(found as u64)
}

/// Scans the names that begin alike.
pub fn scan_prefixes(store: &AnyStore, names: &Names, report: &mut Report) -> Result<()> {
    let snapshot = store.open_snapshot()?;
    let prefixes = [
        "GREEK SMALL LETTER ",
        "HANGUL SYLLABLE ",
        "MUSICAL SYMBOL ",
        "CAT ",
    ];
    let expected = prefixes.map(|prefix| {
        names
            .iter()
            .filter(|named| named.name.starts_with(prefix))
            .count()
    });
    report.timed("prefix scans", "entries", || {
        let mut found = 0;
        for (prefix, expected) in prefixes.iter().zip(expected) {
            let keys = KeyRange::prefix(prefix.as_bytes());
            found += count(&snapshot, &[NAMES], &keys, Order::Ascending, expected)?;
        }
        Ok((found, ()))
    })?;
    let [greek, ..] = expected;
    report.say(&format!("{greek} names begin with GREEK SMALL LETTER."));
    Ok(())
}

/// Scans the block of Greek and Coptic by code point, from both ends.
pub fn scan_range(store: &AnyStore, names: &Names, report: &mut Report) -> Result<()> {
    let snapshot = store.open_snapshot()?;
    let path = path_of(b"plane 00", snapshot.as_nested().is_some());
    let keys = KeyRange::from("U+000370"..="U+0003FF");
    let inside = |named: &&Named| keys.contains(named.code_point().as_bytes());
    let expected = names.iter().filter(inside).count();
    report.timed("range scans, both ways", "entries", || {
        let forward = count(&snapshot, &path, &keys, Order::Ascending, expected)?;
        Ok((
            forward + count(&snapshot, &path, &keys, Order::Descending, expected)?,
            (),
        ))
    })?;
    report.say(&format!(
        "{expected} characters lie between U+0370 and U+03FF."
    ));
    Ok(())
}

/// Reads every name from the first to the last.
pub fn scan_everything(store: &AnyStore, names: &Names, report: &mut Report) -> Result<()> {
    let snapshot = store.open_snapshot()?;
    report.timed("full scan of the index", "entries", || {
        let all = KeyRange::from(..);
        Ok((
            count(&snapshot, &[NAMES], &all, Order::Ascending, names.count())?,
            (),
        ))
    })
}
