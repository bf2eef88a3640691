//! What patterns match.

use flatlog::query::Pattern;
use flatlog::search::tokens;
use quickcheck::quickcheck;

use super::memory::Memory;
use super::oracle::{Shape, matches, words};

/// Whether a pattern, given with its wildcards bare, matches a value.
fn is_like(pattern: &[u8], value: &[u8]) -> bool {
    let wildcards: Vec<_> = (0..pattern.len())
        .filter(|&place| matches!(pattern[place], b'*' | b'?'))
        .collect();
    let shape: Vec<_> = pattern
        .iter()
        .map(|&byte| match byte {
            b'*' => Shape::Run,
            b'?' => Shape::One,
            byte => Shape::Byte(byte),
        })
        .collect();
    let found = Pattern::new(pattern, &wildcards).matches(value);
    assert_eq!(
        found,
        matches(&shape, value),
        "{} {}",
        pattern.escape_ascii(),
        value.escape_ascii()
    );
    found
}

#[test]
fn a_star_is_any_run_and_a_question_mark_one_character() {
    for (pattern, value, expected) in [
        ("", "", true),
        ("", "a", false),
        ("*", "", true),
        ("**", "abc", true),
        ("?", "", false),
        ("?", "é", true),
        ("??", "é", false),
        ("*?", "é", true),
        ("*??", "€", false),
        ("a*", "a", true),
        ("*a", "ba", true),
        ("*a*", "bab", true),
        ("a*a", "a", false),
        ("a*b*c", "axxbxxc", true),
        ("a*b*c", "axxcxxb", false),
        ("*ab?d*", "abxabcd", true),
        ("*aab*", "aaab", true),
        ("?*?", "é", false),
        ("日?語", "日本語", true),
        ("*issip*ss*", "mississippi", false),
        ("*iss*ip*", "mississippi", true),
        ("a?", "ab", true),
        ("a?", "a", false),
    ] {
        assert_eq!(
            is_like(pattern.as_bytes(), value.as_bytes()),
            expected,
            "{pattern} {value}"
        );
    }
}

#[test]
fn a_byte_that_is_no_utf8_is_one_character() {
    assert!(is_like(b"a?b", b"a\xFFb"));
    assert!(is_like(b"??", b"\xE2\x82"));
    assert!(!is_like(b"?", b"\xE2\x82"));
    assert!(is_like(b"?", b"\xE2\x82\xAC"));
    assert!(
        !is_like(b"\xE2?*", b"\xE2\x82\xAC"),
        "a character begins elsewhere"
    );
    assert!(is_like(b"\xE2*", b"\xE2\x82\xAC"), "a star is bytes");
    assert!(is_like(b"?", b"\xC0") && !is_like(b"?", b"\xC0\x80"));
    assert!(is_like(b"??", b"\xC3\xFF") && is_like(b"???", b"\xED\xA0\x80"));
}

#[test]
fn without_a_wildcard_a_value_pattern_asks_for_words() {
    for indexed in [false, true] {
        let pairs = [
            ("1", "Error: disk FULL"),
            ("2", "errors on disk"),
            ("3", "disk,error"),
            ("4", ""),
            ("5", "über disk"),
        ];
        let snapshot = Memory::with(indexed, &pairs).snapshot(0);
        assert_eq!(snapshot.keys("value like 'ERROR'"), ["1", "3"]);
        assert_eq!(snapshot.keys("value like 'disk; error!'"), ["1", "3"]);
        assert_eq!(snapshot.keys("value like 'ÜBER'"), ["5"]);
        assert_eq!(snapshot.keys(r"value like '\*error\?'"), ["1", "3"]);
        assert_eq!(
            snapshot.keys("value like ''").len(),
            5,
            "no words are in every value"
        );
        assert_eq!(snapshot.keys("value like ', .'").len(), 5);
        assert_eq!(snapshot.keys("not value like ''").len(), 0);
        assert_eq!(snapshot.keys("not value like 'disk'"), ["4"]);
    }
}

#[test]
fn with_a_wildcard_a_value_pattern_is_about_the_whole_value() {
    for indexed in [false, true] {
        let pairs = [
            ("1", "uncritical"),
            ("2", "critical"),
            ("3", "Critical"),
            ("4", "a*b"),
            ("5", "a critical b"),
        ];
        let snapshot = Memory::with(indexed, &pairs).snapshot(0);
        assert_eq!(snapshot.keys("value like 'critical*'"), ["2"]);
        assert_eq!(snapshot.keys("value like '*critical'"), ["1", "2"]);
        assert_eq!(snapshot.keys("value like '*critical*'"), ["1", "2", "5"]);
        assert_eq!(snapshot.keys("value like '?ritical'"), ["2", "3"]);
        assert_eq!(snapshot.keys(r"value like '*\**'"), ["4"]);
        assert_eq!(snapshot.keys("value like '* critical *'"), ["5"]);
        assert_eq!(snapshot.keys("value like '*'").len(), 5);
    }
}

#[test]
fn a_key_pattern_without_wildcards_is_the_key() {
    let snapshot = Memory::with(false, &[("a", ""), ("ab", ""), ("a*", "")]).snapshot(0);
    assert_eq!(snapshot.keys("key like 'a'"), ["a"]);
    assert_eq!(snapshot.keys(r"key like 'a\*'"), ["a*"]);
    assert_eq!(snapshot.keys("key like 'a*'"), ["a", "a*", "ab"]);
    assert_eq!(snapshot.keys("not key like 'a?'"), ["a"]);
}

/// Few different bytes, so that they meet: letters, wildcards, and parts of characters.
fn few(bytes: &[u8]) -> Vec<u8> {
    const FEW: &[u8] = b"aAb0 *?\xC3\xA9\xE2\x82\xAC\xFF\xF0\x9F\x98\x80,";
    bytes
        .iter()
        .map(|&byte| FEW[byte as usize % FEW.len()])
        .collect()
}

#[test]
fn patterns_match_as_the_naive_matcher_says() {
    fn same(pattern: Vec<u8>, value: Vec<u8>) -> bool {
        is_like(&few(&pattern), &few(&value));
        // A pattern made of the value matches more often.
        let mut cut = few(&value);
        for byte in pattern.iter().take(3) {
            if !cut.is_empty() {
                let place = *byte as usize % cut.len();
                cut[place] = if byte % 2 == 0 { b'*' } else { b'?' };
            }
        }
        is_like(&cut, &few(&value));
        true
    }
    for _ in 0..100 {
        quickcheck(same as fn(Vec<u8>, Vec<u8>) -> bool);
    }
}

#[test]
fn tokens_are_what_the_naive_splitter_finds() {
    fn same(bytes: Vec<u8>, text: String) -> bool {
        [few(&bytes), bytes, text.into_bytes()].iter().all(|value| {
            let expected: Vec<_> = words(value).into_iter().map(String::into_bytes).collect();
            tokens(value) == expected
        })
    }
    for _ in 0..20 {
        quickcheck(same as fn(Vec<u8>, String) -> bool);
    }
}

#[test]
fn tokens_are_runs_of_letters_and_digits_in_lower_case() {
    let found = tokens("Das Haus-Nr. ４２ ist ΣΟΦΟΣ_x İ 日本".as_bytes());
    let expected = [
        "das",
        "haus",
        "nr",
        "４２",
        "ist",
        "σοφοσ",
        "x",
        "i\u{307}",
        "日本",
    ];
    assert_eq!(found, expected.map(|token| token.as_bytes().to_vec()));
}
