//! Tokens: maximal runs of letters and digits (Unicode's), each character folded to lower case.
//!
//! Bytes that are not UTF-8 separate tokens (see [`Character`]). Folding is per character and
//! whole: a character whose lower case is several characters gives all of them, also where they
//! are not letters themselves. So folding a part of a word gives that part of the folded word.

use crate::search::characters::Character;

/// The tokens of some bytes, in their order, each as often as it occurs.
pub type Tokens = Vec<Vec<u8>>;

/// The tokens of `bytes`.
///
/// ```
/// use flatlog::search::tokens;
/// assert_eq!(tokens("Disk 7: ÜBER-full".as_bytes()), [&b"disk"[..], b"7", "über".as_bytes(), b"full"]);
/// assert_eq!(tokens(b"a\xFFb"), [b"a", b"b"]);
/// ```
pub fn tokens(bytes: &[u8]) -> Tokens {
    let mut all = Vec::new();
    for_each_token(bytes, |token| all.push(token.to_vec()));
    all
}

/// Calls `visit` with each token of `bytes`, without keeping them.
pub fn for_each_token(bytes: &[u8], mut visit: impl FnMut(&[u8])) {
    let mut token = Vec::with_capacity(64);
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        let folded = fold_ascii(byte);
        if folded != 0 {
            token.push(folded);
            rest = after;
            continue;
        }
        if byte >= 0x80
            && let Some(Character::Valid(character)) = Character::first(rest)
            && character.is_alphanumeric()
        {
            fold(character, &mut token);
            rest = rest.get(character.len_utf8()..).unwrap_or_default();
            continue;
        }
        if !token.is_empty() {
            visit(&token);
            token.clear();
        }
        rest = after;
    }
    if !token.is_empty() {
        visit(&token);
    }
}

/// Appends the lower case of `character`.
pub fn fold(character: char, to: &mut Vec<u8>) {
    let mut buffer = [0; 4];
    for lower in character.to_lowercase() {
        to.extend_from_slice(lower.encode_utf8(&mut buffer).as_bytes());
    }
}

/// The lower case of an ASCII letter or digit; 0 for all other bytes.
fn fold_ascii(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' | b'a'..=b'z' => byte,
        b'A'..=b'Z' => byte | 0x20,
        _ => 0,
    }
}
