//! Stored indexes over values whose sums fit and whose lists are anyone's: read late, they say
//! what they say read at once, or less; never an id that cannot be.

use std::sync::OnceLock;

use flatlog::search::{KeyId, SearchIndex, Side, Standing};

use crate::flat_damage::damage_once;
use crate::hostile::choices::Choices;

const HEAD: &[u8; 8] = b"flatidx\x02";
const PARTS: [&[u8]; 6] = [b"a", b"t", b"t1", b"t7", b"common", b"7"];
const SIDES: [Side; 4] = [Side::Whole, Side::Beginning, Side::End, Side::Inside];

/// Reads the stored index that `input` stands for in both ways, asks and changes it.
///
/// # Panics
///
/// If the two ways differ where both are sound, or a list that nobody wrote leads anywhere.
pub fn posting_lists(input: &[u8]) {
    let bytes = stored(input);
    let once = SearchIndex::read_from(&bytes);
    let late = SearchIndex::read_late(bytes.clone());
    let Ok(late) = late else {
        assert!(once.is_err(), "what is read at once can be read late");
        return;
    };
    let ids_end = late.ids_end();
    same(&late, once.as_ref().ok());
    for round in 0..3_u32 {
        let texts = [&b"t7 common new"[..], b" T1 a7", b"common, 7a"];
        let (old, new) = (texts[round as usize], texts[(round as usize + 1) % 3]);
        let ids = [0, 1, 7, ids_end / 2, ids_end.saturating_sub(1)];
        for index in once.iter().chain([&late]) {
            for id in ids {
                match (id + round) % 3 {
                    0 => index.insert(KeyId(id), new, 9),
                    1 => index.replace(KeyId(id), old, new, 9),
                    _ => index.remove(KeyId(id), old, 9),
                }
            }
        }
        same(&late, once.as_ref().ok());
    }
    let mut written = Vec::new();
    late.write_to(&mut written).expect("memory to write to");
    SearchIndex::read_from(&written).expect("what the engine wrote is sound");
}

/// Asks `late` for everything, and `once` the same.
fn same(late: &SearchIndex, once: Option<&SearchIndex>) {
    let ids_end = late.ids_end();
    for part in PARTS {
        for side in SIDES {
            let ids_of = |index: &SearchIndex| index.find(part, side, u64::MAX).map(|it| it.ids);
            let ids = ids_of(late);
            let max = ids.as_ref().and_then(|ids| ids.max());
            assert!(max.is_none_or(|max| max < ids_end), "{max:?} of {ids_end}");
            if let Some(once) = once {
                assert_eq!(ids, ids_of(once), "{part:?} {side:?}");
            }
        }
        for standing in [Standing::Inside, Standing::BeginningBehindBlank] {
            let found = |index: &SearchIndex| {
                let found = index.find_standing(part, standing, u64::MAX);
                found.map(|(found, doubts)| (found.ids, doubts))
            };
            let ids = found(late);
            if let Some(once) = once {
                assert_eq!(ids, found(once), "{part:?} {standing:?}");
            }
        }
    }
}

/// Whatever follows the head, or a sound index with damage in it; the sum fits.
fn stored(input: &[u8]) -> Vec<u8> {
    let mut choices = Choices::new(input);
    let mut bytes = match choices.below(3) {
        0 => {
            let ids_end = choices.number(2) as u32;
            let body = input.get(3..).unwrap_or_default();
            [&HEAD[..], &ids_end.to_le_bytes(), body].concat()
        }
        _ => {
            let mut bytes = sound().to_vec();
            for _ in 0..=choices.below(4) {
                if !choices.is_done() {
                    damage_once(&mut bytes, &mut choices);
                }
            }
            // More ids than this are another matter: they take the memory that they take.
            if let Some(high) = bytes.get_mut(10..12) {
                high.fill(0);
            }
            bytes
        }
    };
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

/// A sound index without its sum: lists of all lengths, and exceptions.
fn sound() -> &'static [u8] {
    static SOUND: OnceLock<Vec<u8>> = OnceLock::new();
    SOUND.get_or_init(|| {
        let index = SearchIndex::new();
        for id in 1..300_u32 {
            let mut text = String::from(if id % 9 == 0 { "COMMON" } else { " common" });
            for token in [1, 2, 7, 40, 150] {
                if id % token == 0 {
                    text += &format!(" t{token}");
                }
            }
            index.insert(KeyId(id), text.as_bytes(), 1);
        }
        let mut bytes = Vec::new();
        index.write_to(&mut bytes).expect("memory to write to");
        bytes.truncate(bytes.len() - 4);
        bytes
    })
}
