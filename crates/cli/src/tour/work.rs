//! Loading: characters by plane and code point, and an index of characters by name.

use kv_api::{Error, Result};
use strata::AnyStore;

use super::names::Names;
use super::report::Report;

/// The bucket that holds a bucket for each plane.
const CHARACTERS: &[u8] = b"characters";
/// The bucket of characters by name.
pub const NAMES: &[u8] = b"names";

/// Where a plane's characters are: a bucket inside a bucket, or a space where there is none inside.
pub fn path_of(plane: &[u8], nests: bool) -> Vec<&[u8]> {
    if nests {
        vec![CHARACTERS, plane]
    } else {
        vec![plane]
    }
}

const CHARACTERS_PER_COMMIT: usize = 5_000;

/// Loads every name twice: under its code point in the bucket of its plane, and in the index.
pub fn load(store: &AnyStore, names: &Names, report: &mut Report) -> Result<()> {
    let bar = report.progress(names.count() as u64, "loading");
    let pairs = 2 * names.count() as u64;
    report.timed("load, durable commits of 10,000", "pairs", || {
        let mut change = store.begin_write()?;
        let nests = change.as_nested().is_some();
        for (index, named) in names.iter().enumerate() {
            if index > 0 && index.is_multiple_of(CHARACTERS_PER_COMMIT) {
                change.commit_durably()?;
                change = store.begin_write()?;
                bar.set_position(index as u64);
            }
            let (plane, mut utf8) = (named.plane(), [0; 4]);
            let path = path_of(plane.as_bytes(), nests);
            change.put_at(&path, named.code_point().as_bytes(), named.name.as_bytes())?;
            let character = named.character.encode_utf8(&mut utf8);
            change.put_at(&[NAMES], named.name.as_bytes(), character.as_bytes())?;
        }
        change.commit_durably()?;
        Ok((pairs, ()))
    })?;
    bar.finish_and_clear();
    let digest = store.open_snapshot()?.digest()?;
    if digest.keys != pairs {
        return Err(Error::other(format!(
            "loaded {pairs} pairs, found {}",
            digest.keys
        )));
    }
    report.say(&format!(
        "Loaded {pairs} pairs into {} buckets.",
        digest.buckets
    ));
    Ok(())
}
