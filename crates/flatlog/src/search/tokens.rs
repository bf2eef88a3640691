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

/// How a token stands at one place of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Occurrence {
    /// Folding changed nothing.
    pub(super) as_written: bool,
    /// A blank stands before it.
    pub(super) behind_blank: bool,
}

/// Calls `visit` with each token of `bytes`, without keeping them.
pub fn for_each_token(bytes: &[u8], mut visit: impl FnMut(&[u8])) {
    for_each_occurrence(bytes, |token, _| visit(token));
}

/// The same, and how each stands there.
pub(super) fn for_each_occurrence(bytes: &[u8], mut visit: impl FnMut(&[u8], Occurrence)) {
    let mut folded = Vec::new();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let behind_blank = at > 0 && bytes.get(at - 1) == Some(&b' ');
        // Most tokens are lent as they are.
        let plain = rest
            .iter()
            .take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z'));
        let plain = rest.get(..plain.count()).unwrap_or_default();
        let is_whole = rest
            .get(plain.len())
            .is_none_or(|byte| byte.is_ascii() && !byte.is_ascii_alphanumeric());
        let (token, len) = match is_whole {
            true => (plain, plain.len()),
            false => {
                let len = fold_token(rest, plain, &mut folded);
                (folded.as_slice(), len)
            }
        };
        if token.is_empty() {
            at += 1;
            continue;
        }
        let as_written = is_whole || rest.get(..len) == Some(token);
        visit(
            token,
            Occurrence {
                as_written,
                behind_blank,
            },
        );
        at += len;
    }
}

/// Folds the token at the beginning of `rest` into `folded`, which begins with `plain`; answers
/// how many bytes of `rest` it takes.
fn fold_token(rest: &[u8], plain: &[u8], folded: &mut Vec<u8>) -> usize {
    folded.clear();
    folded.extend_from_slice(plain);
    let mut len = plain.len();
    while let Some(rest) = rest.get(len..) {
        match Character::first(rest) {
            Some(Character::Valid(character)) if character.is_ascii_alphanumeric() => {
                folded.push(rest.first().map_or(0, u8::to_ascii_lowercase));
                len += 1;
            }
            Some(Character::Valid(character)) if character.is_alphanumeric() => {
                fold(character, folded);
                len += character.len_utf8();
            }
            _ => break,
        }
    }
    len
}

/// Appends the lower case of `character`.
pub fn fold(character: char, to: &mut Vec<u8>) {
    let mut buffer = [0; 4];
    for lower in character.to_lowercase() {
        to.extend_from_slice(lower.encode_utf8(&mut buffer).as_bytes());
    }
}
