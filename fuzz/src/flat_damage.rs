//! Damage to a flat store's files that knows their format: bytes are changed, and then, where the
//! choices say so, every sum is made to fit again.

use crate::hostile::choices::Choices;

const SEGMENT_HEADER: usize = 64;
const HEAD: usize = 36;
const FRAME_MAGIC: [u8; 4] = *b"\xF1LFr";

/// Damages `file` in up to four places; without choices, in none. `meta` is the sound
/// `meta.state`, which tells the store's id.
pub fn damage(name: &str, file: &mut Vec<u8>, meta: &[u8], choices: &mut Choices<'_>) {
    for _ in 0..=choices.below(4) {
        if choices.is_done() {
            return;
        }
        damage_once(file, choices);
    }
    if choices.below(4) > 0 {
        mend(name, file, meta);
    }
}

/// Changes `file` in one place.
pub fn damage_once(file: &mut Vec<u8>, choices: &mut Choices<'_>) {
    let at = choices.below(file.len());
    match choices.below(8) {
        0 => file.truncate(at),
        1 => file.resize(file.len() + choices.below(200), choices.byte()),
        2 => {
            let part = file[at..file.len().min(at + 200)].to_vec();
            let to = choices.below(file.len());
            file.splice(to..to, part);
        }
        3 | 4 => {
            let extremes = [0, 1, u32::MAX, u32::MAX - 1, 1 << 31, file.len() as u32];
            set(file, at, &choices.pick(&extremes).to_le_bytes());
        }
        // A varint of the greatest value, where one may begin.
        5 => set(file, at, &[0xFF, 0xFF, 0xFF, 0xFF, 0x0F]),
        _ => set(file, at, &[choices.byte()]),
    }
}

/// Puts `bytes` at `at`, as far as the file goes.
pub fn set(file: &mut [u8], at: usize, bytes: &[u8]) {
    for (to, from) in file.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}

/// The number at `at`.
pub fn u32_at(file: &[u8], at: usize) -> Option<u32> {
    let bytes = file.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// Makes every sum of a file fit what it is over.
pub fn mend(name: &str, file: &mut [u8], meta: &[u8]) {
    match name {
        "meta.state" => {
            let Some(end) = file.len().checked_sub(4) else {
                return;
            };
            let sum = crc32fast::hash(&file[..end]);
            set(file, end, &sum.to_le_bytes());
        }
        name if name.starts_with("values-") => mend_segment(file, meta),
        _ => mend_blocks(file),
    }
}

/// A checkpoint or a stream.
fn mend_blocks(file: &mut [u8]) {
    let (mut at, mut number) = (12, 0_u64);
    while let Some(len) = u32_at(file, at) {
        let end = at.saturating_add(8).saturating_add(len as usize);
        let Some(payload) = file.get(at + 8..end) else {
            return;
        };
        let mut sum = crc32fast::Hasher::new();
        sum.update(&number.to_le_bytes());
        sum.update(&u64::from(len).to_le_bytes());
        sum.update(payload);
        set(file, at + 4, &sum.finalize().to_le_bytes());
        (at, number) = (end, number + 1);
    }
}

fn mend_segment(file: &mut [u8], meta: &[u8]) {
    if file.len() < SEGMENT_HEADER {
        return;
    }
    let sum = crc32fast::hash(&file[..60]);
    set(file, 60, &sum.to_le_bytes());
    let (seal, salt) = (file[8..36].to_vec(), crc32fast::hash(&meta[12..28]));
    let (mut at, mut before) = (SEGMENT_HEADER, 0_u32);
    while file.get(at..at + 4) == Some(&FRAME_MAGIC) {
        let Some(body_len) = u32_at(file, at + 8) else {
            return;
        };
        let end = (at + HEAD).saturating_add(body_len as usize);
        let Some(body) = file.get_mut(at + HEAD..end) else {
            return;
        };
        let sums = mend_records(body, salt);
        set(file, at + 28, &sums.to_le_bytes());
        set(file, at + 32, &before.to_le_bytes());
        let mut sum = crc32fast::Hasher::new();
        sum.update(&seal);
        sum.update(&(at as u32).to_le_bytes());
        sum.update(&file[at + 8..at + HEAD]);
        before = sum.finalize();
        set(file, at + 4, &before.to_le_bytes());
        at = end;
    }
}

/// Answers the sum of the records' sums.
fn mend_records(body: &mut [u8], salt: u32) -> u32 {
    let (mut at, mut sums) = (0, 0_u32);
    while let Some(len) = record_len(&body[at..]).filter(|len| *len <= body.len() - at) {
        let mut sum = crc32fast::Hasher::new_with_initial(salt);
        sum.update(&body[at + 4..at + len]);
        let sum = sum.finalize();
        set(body, at, &sum.to_le_bytes());
        sums = (sums.rotate_left(5) ^ sum).wrapping_mul(0x9E37_79B1);
        at += len;
    }
    sums
}

fn record_len(record: &[u8]) -> Option<usize> {
    let code = *record.get(4)?;
    let mut at = 5;
    let mut varint = || {
        let mut number = 0_usize;
        for shift in (0..63).step_by(7) {
            let byte = *record.get(at)?;
            at += 1;
            number |= usize::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    };
    if code & 0x10 != 0 {
        varint()?;
    }
    if code & 0x20 != 0 {
        varint()?;
    }
    let key = varint()?;
    let value = if code & 0x0F == 1 { varint()? } else { 0 };
    at.checked_add(key)?.checked_add(value)
}
