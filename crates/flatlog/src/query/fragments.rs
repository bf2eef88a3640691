//! What tokens a value must have to match a pattern.
//!
//! A run of letters and digits in a pattern's literal lies in one token of every value that
//! matches, and folding it gives that part of the folded token. It is the whole token on a side
//! where the value ends or where a character stands that is neither letter nor digit. Next to a
//! wildcard, or to a byte that may become a character together with unknown bytes, the token may
//! go on.

use crate::query::pattern::{Part, Pattern};
use crate::search::{Character, Characters, Side, Standing, fold};

/// Parts of tokens that every value of this shape has, the most telling kinds first.
pub(super) fn fragments(pattern: &Pattern) -> Vec<(Vec<u8>, Side)> {
    let segments = pattern.segments();
    let mut found = Vec::new();
    for (number, segment) in segments.iter().enumerate() {
        for (place, part) in segment.iter().enumerate() {
            let Part::Literal(literal) = part else {
                continue;
            };
            let begins = number == 0 && place == 0;
            let ends = number + 1 == segments.len() && place + 1 == segment.len();
            of_literal(literal, begins, ends, &mut found);
        }
    }
    found.sort_by_key(|(part, side)| (rank(*side), std::cmp::Reverse(part.len())));
    found.dedup();
    found
}

/// If matching the pattern is having a token, just so written, with this part in it: `*part*`,
/// and `* part*` for a token behind a blank that begins with the part. The part is letters and
/// digits which folding leaves as they are.
pub(super) fn sole_fragment(pattern: &Pattern) -> Option<(Vec<u8>, Standing)> {
    let [before, middle, behind] = pattern.segments() else {
        return None;
    };
    let [Part::Literal(literal)] = middle.as_slice() else {
        return None;
    };
    if !before.is_empty() || !behind.is_empty() {
        return None;
    }
    let (part, standing) = match literal.split_first() {
        Some((b' ', part)) => (part, Standing::BeginningBehindBlank),
        _ => (literal.as_slice(), Standing::Inside),
    };
    let mut folded = Vec::with_capacity(part.len());
    for character in Characters::new(part) {
        match character {
            Character::Valid(letter) if character.is_word() => fold(letter, &mut folded),
            _ => return None,
        }
    }
    (!part.is_empty() && folded == part).then_some((folded, standing))
}

fn rank(side: Side) -> u8 {
    match side {
        Side::Whole => 0,
        Side::Beginning => 1,
        Side::End => 2,
        Side::Inside => 3,
    }
}

/// The runs in one literal, which begins and ends the value or not.
fn of_literal(literal: &[u8], begins: bool, ends: bool, found: &mut Vec<(Vec<u8>, Side)>) {
    let mut run = Vec::new();
    let mut closed_before = begins;
    for character in Characters::new(literal) {
        if let Character::Valid(letter) = character
            && character.is_word()
        {
            fold(letter, &mut run);
            continue;
        }
        let closes = matches!(character, Character::Valid(_));
        push(&mut run, closed_before, closes, found);
        closed_before = closes;
    }
    push(&mut run, closed_before, ends, found);
}

fn push(run: &mut Vec<u8>, before: bool, behind: bool, found: &mut Vec<(Vec<u8>, Side)>) {
    if run.is_empty() {
        return;
    }
    let side = match (before, behind) {
        (true, true) => Side::Whole,
        (true, false) => Side::Beginning,
        (false, true) => Side::End,
        (false, false) => Side::Inside,
    };
    found.push((std::mem::take(run), side));
}
