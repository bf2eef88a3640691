//! Damage to an lsm store's files that knows their format: bytes are changed, and then, where the
//! choices say so, every sum is made to fit again.

use crate::flat_damage::{damage_once, set, u32_at};
use crate::hostile::choices::Choices;

const MANIFEST_HEADER: usize = 100;
const LOG_HEADER: usize = 96;
const FRAME_HEADER: usize = 40;
const TABLE_FOOTER: usize = 144;

/// Damages `file` in up to four places; without choices, in none.
pub fn damage(name: &str, file: &mut Vec<u8>, choices: &mut Choices<'_>) {
    for _ in 0..=choices.below(4) {
        if choices.is_done() {
            return;
        }
        damage_once(file, choices);
    }
    if choices.below(4) > 0 {
        mend(name, file);
    }
}

fn u64_at(file: &[u8], at: usize) -> Option<u64> {
    let bytes = file.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

fn sum_of(bytes: &[u8]) -> [u8; 4] {
    (xxhash_rust::xxh3::xxh3_64(bytes) as u32).to_le_bytes()
}

/// Makes every sum of a file fit what it is over.
pub fn mend(name: &str, file: &mut [u8]) {
    let mended = match name.rsplit('.').next() {
        Some("MANIFEST") => mend_manifest(file),
        Some("KEYS") => mend_keys(file),
        Some("sst") => mend_table(file),
        _ => mend_log(file),
    };
    // Where a length leads out of the file there is nothing more to mend.
    let _: Option<()> = mended;
}

fn mend_manifest(file: &mut [u8]) -> Option<()> {
    let sum = crc32fast::hash(file.get(..MANIFEST_HEADER - 4)?);
    set(file, MANIFEST_HEADER - 4, &sum.to_le_bytes());
    let mut at = MANIFEST_HEADER;
    loop {
        let len = usize::try_from(u64_at(file, at)?).ok()?;
        let end = (at + 12).checked_add(len)?;
        let mut sum = crc32fast::Hasher::new();
        sum.update(file.get(at..at + 8)?);
        sum.update(file.get(at + 12..end)?);
        set(file, at + 8, &sum.finalize().to_le_bytes());
        at = end;
    }
}

fn mend_keys(file: &mut [u8]) -> Option<()> {
    let mut sum = crc32fast::Hasher::new();
    sum.update(file.get(..36)?);
    sum.update(file.get(40..)?);
    set(file, 36, &sum.finalize().to_le_bytes());
    Some(())
}

fn mend_table(file: &mut [u8]) -> Option<()> {
    let footer = file.len().checked_sub(TABLE_FOOTER)?;
    let place = |file: &[u8], at: usize| {
        let start = usize::try_from(u64_at(file, footer + at)?).ok()?;
        let end = start.checked_add(u32_at(file, footer + at + 8)? as usize)?;
        (end <= file.len()).then_some((start, end))
    };
    // A table in clear has a checksum behind each block.
    if u64_at(file, footer + 68) == Some(0)
        && let Some((index, _)) = place(file, 0)
    {
        mend_blocks(file, index);
    }
    for at in [0, 16, 32] {
        if let Some((start, end)) = place(file, at) {
            let sum = sum_of(&file[start..end]);
            set(file, footer + at + 12, &sum);
        }
    }
    let sum = sum_of(file.get(footer..footer + 136)?);
    set(file, footer + 136, &sum);
    Some(())
}

fn mend_blocks(file: &mut [u8], index: usize) -> Option<()> {
    let (mut start, count) = (0, u32_at(file, index)? as usize);
    for block in 0..count {
        let len = u32_at(file, index + 4 + 4 * block)? as usize;
        let end = usize::checked_add(start, len)?;
        let covered = end.checked_sub(4).filter(|covered| *covered >= start)?;
        let sum = sum_of(file.get(start..covered)?);
        set(file, covered, &sum);
        start = end;
    }
    Some(())
}

fn mend_log(file: &mut [u8]) -> Option<()> {
    let sum = sum_of(file.get(..LOG_HEADER - 4)?);
    set(file, LOG_HEADER - 4, &sum);
    let id = u64_at(file, 12)?;
    if u64_at(file, LOG_HEADER + 8) != Some(id) {
        return mend_moved(file);
    }
    let (mut at, mut before) = (LOG_HEADER, 0_u32);
    while u64_at(file, at + 8) == Some(id) {
        let len = usize::try_from(u64_at(file, at + 16)?).ok()?;
        let end = (at + FRAME_HEADER).checked_add(len)?;
        file.get(at..end)?;
        set(file, at + 4, &before.to_le_bytes());
        before = crc32fast::hash(&file[at + 4..end]);
        set(file, at, &before.to_le_bytes());
        at = end.checked_next_multiple_of(8)?;
    }
    Some(())
}

/// A file that collection has made.
fn mend_moved(file: &mut [u8]) -> Option<()> {
    let footer = file.len().checked_sub(20)?;
    let start = usize::try_from(u64_at(file, footer)?).ok()?;
    let len = usize::try_from(u64_at(file, footer + 8)?).ok()?;
    let sum = sum_of(file.get(start..start.checked_add(len)?)?);
    set(file, footer + 16, &sum);
    Some(())
}
