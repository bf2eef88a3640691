//! Words of the command line as bytes, paths and durations.

use std::time::Duration;

use crate::show::from_hex;

/// Bytes: the word itself, or what the digits behind `0x` stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word(pub Vec<u8>);

/// The names of nested buckets, from the root inwards; empty for the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketPath(pub Vec<Vec<u8>>);

impl BucketPath {
    pub fn names(&self) -> Vec<&[u8]> {
        self.0.iter().map(Vec::as_slice).collect()
    }
}

/// Reads bytes.
pub fn word(text: &str) -> Result<Word, String> {
    match text.strip_prefix("0x") {
        None => Ok(Word(text.as_bytes().to_vec())),
        Some(digits) => from_hex(digits)
            .map(Word)
            .ok_or_else(|| format!("{text:?} is not an even number of hexadecimal digits")),
    }
}

/// Reads a path: names parted by `/`, each a word; a name that holds a `/` is written as `0x…`.
pub fn bucket_path(text: &str) -> Result<BucketPath, String> {
    let names = text.split('/').filter(|name| !name.is_empty());
    names
        .map(|name| word(name).map(|word| word.0))
        .collect::<Result<_, _>>()
        .map(BucketPath)
}

/// Reads a duration that is not zero.
pub fn pace(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("a pace of nothing".to_owned()),
        pace => Ok(pace),
    }
}

/// Reads a duration: `250ms`, `10s`, `2m`; a bare number counts seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("{text:?} is no duration like 10s"))?;
    match text.strip_prefix(digits) {
        Some("ms") => Ok(Duration::from_millis(number)),
        Some("" | "s") => Ok(Duration::from_secs(number)),
        Some("m") => number
            .checked_mul(60)
            .map(Duration::from_secs)
            .ok_or_else(|| format!("{text:?} is longer than time can be counted")),
        _ => Err(format!("{text:?} is no duration like 250ms, 10s or 2m")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_part_at_slashes_and_names_may_be_hexadecimal() {
        let names = bucket_path("/users/0x00ff/x").map(|path| path.0);
        assert_eq!(
            names,
            Ok(vec![b"users".to_vec(), vec![0, 255], b"x".to_vec()])
        );
        assert_eq!(bucket_path("/"), Ok(BucketPath::default()));
        assert!(bucket_path("a/0x123").is_err());
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("10"), duration("10s"));
        assert!(duration("soon").is_err());
        assert!(duration("18446744073709551615m").is_err());
        assert!(pace("0s").is_err());
    }
}
