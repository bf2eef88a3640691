//! Options as text: `name=value; name=value`, for command lines and settings.

use std::str::FromStr;
use std::time::Duration;

use kv_api::{Error, Result};

use crate::checksum::ChecksumMode;
use crate::options::Options;
use crate::table::Compression;
use crate::wire::to_usize;

impl FromStr for Options {
    type Err = Error;

    /// The defaults with what `text` says; see [`set`](Options::set).
    fn from_str(text: &str) -> Result<Options> {
        Options::new().set(text)
    }
}

impl Options {
    /// These options with what `text` says: names and values with `=` between them, and `;` between
    /// pairs. A name is that of the function here that it stands for, as far as that takes numbers,
    /// times, `true` or `false`, or a choice. Bytes may end with `KiB`, `MiB` or `GiB`; times are
    /// seconds, or end with `ms`; compression is `none`, `lz4`, `snappy` or `zstd:` and a level;
    /// checksums are `never`, `on_open`, `on_read` or `on_open_and_read`; the numbers of
    /// `level_zero_tables` have commas between them.
    ///
    /// ```
    /// # fn main() -> kv_api::Result<()> {
    /// # let directory = tempfile::tempdir().expect("a temporary directory");
    /// # let path = directory.path().join("store");
    /// use lsm_valuelog::Options;
    ///
    /// let options: Options = "memtable_bytes=16MiB; compression=zstd:3; idle=200ms".parse()?;
    /// let db = options.open(&path)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `Other`, which tells the pair, for a name that is not known and a value that makes no sense.
    pub fn set(mut self, text: &str) -> Result<Options> {
        let pairs = text.split(';').map(str::trim);
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (name.trim(), value.trim());
            let set = with_tree(&self, name, value);
            let set = set.or_else(|| with_sizes(&self, name, value));
            let set = set.or_else(|| with_choices(&self, name, value));
            let wrong = || Error::other(format!("no option can be set by `{pair}`"));
            self = set.ok_or_else(wrong)?;
        }
        Ok(self)
    }
}

fn bytes(value: &str) -> Option<u64> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let unit = units.iter().find(|(unit, _)| value.ends_with(unit));
    let (digits, shift) = unit.map_or((value, 0), |(unit, shift)| {
        (value.trim_end_matches(unit).trim_end(), *shift)
    });
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

fn length(value: &str) -> Option<usize> {
    bytes(value).map(to_usize)
}

fn time(value: &str) -> Option<Duration> {
    match value.strip_suffix("ms") {
        Some(ms) => ms.trim_end().parse().ok().map(Duration::from_millis),
        None => value.parse().ok().map(Duration::from_secs),
    }
}

fn compression(value: &str) -> Option<Compression> {
    Some(match value.split_once(':') {
        None if value == "none" => Compression::None,
        None if value == "lz4" => Compression::Lz4,
        None if value == "snappy" => Compression::Snappy,
        Some(("zstd", level)) => Compression::Zstd(level.trim().parse().ok()?),
        _ => return None,
    })
}

fn three(value: &str) -> Option<(usize, usize, usize)> {
    let mut numbers = value.split(',').map(|number| number.trim().parse().ok());
    let three = (numbers.next()??, numbers.next()??, numbers.next()??);
    numbers.next().is_none().then_some(three)
}

/// Levels, tables and blocks.
fn with_tree(options: &Options, name: &str, value: &str) -> Option<Options> {
    let options = options.clone();
    Some(match name {
        "table_bytes" => options.table_bytes(bytes(value)?),
        "base_level_bytes" => options.base_level_bytes(bytes(value)?),
        "level_multiplier" => options.level_multiplier(value.parse().ok()?),
        "level_zero_tables" => {
            let (compact, slow, wait) = three(value)?;
            options.level_zero_tables(compact, slow, wait)
        }
        "block_bytes" => options.block_bytes(length(value)?),
        "filter_bits_per_key" => options.filter_bits_per_key(value.parse().ok()?),
        "compression" => options.compression(compression(value)?),
        "compaction_threads" => options.compaction_threads(value.parse().ok()?),
        _ => return None,
    })
}

/// Memory, and files of the value log.
fn with_sizes(options: &Options, name: &str, value: &str) -> Option<Options> {
    let options = options.clone();
    Some(match name {
        "memtable_bytes" => options.memtable_bytes(length(value)?),
        "sealed_memtables_max" => options.sealed_memtables_max(value.parse().ok()?),
        "value_threshold_bytes" => options.value_threshold_bytes(length(value)?),
        "value_threshold_percentile" => options.value_threshold_percentile(value.parse().ok()?),
        "value_file_bytes" => options.value_file_bytes(bytes(value)?),
        "garbage_percent" => options.garbage_percent(value.parse().ok()?),
        "block_cache_bytes" => options.block_cache_bytes(bytes(value)?),
        "index_cache_bytes" => options.index_cache_bytes(bytes(value)?),
        "memory_bytes_max" => options.memory_bytes_max(bytes(value)?),
        _ => return None,
    })
}

/// How the store behaves.
fn with_choices(options: &Options, name: &str, value: &str) -> Option<Options> {
    let options = options.clone();
    let choice = || value.parse().ok();
    Some(match name {
        "lock_timeout" => options.lock_timeout(time(value)?),
        "bypass_lock" => options.bypass_lock(choice()?),
        "read_only" => options.read_only(choice()?),
        "read_without_mapping" => options.read_without_mapping(choice()?),
        "background" => options.background(choice()?),
        "versions_to_keep" => options.versions_to_keep(match value {
            "all" => usize::MAX,
            count => count.parse().ok()?,
        }),
        "keep_history" => options.keep_history(choice()?),
        "versions_in_any_order" => options.versions_in_any_order(choice()?),
        "detect_conflicts" => options.detect_conflicts(choice()?),
        "namespace_offset" => options.namespace_offset(value.parse().ok()?),
        "external_magic" => options.external_magic(value.parse().ok()?),
        "idle" => options.idle(time(value)?),
        "data_key_period" => options.data_key_period(time(value)?),
        "checksums" => options.checksums(match value {
            "never" => ChecksumMode::Never,
            "on_open" => ChecksumMode::OnOpen,
            "on_read" => ChecksumMode::OnRead,
            "on_open_and_read" => ChecksumMode::OnOpenAndRead,
            _ => return None,
        }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<Options> {
        text.parse().ok()
    }

    #[test]
    fn a_text_sets_what_its_names_say_and_nothing_else() {
        let text = " table_bytes = 1 MiB;level_zero_tables=3, 5,9;; compression=zstd:7;\
            memtable_bytes=64KiB; value_threshold_percentile=0.5; idle=20ms; lock_timeout=3;\
            versions_to_keep=all; keep_history=true; checksums=never; external_magic=7; ";
        let set = shown(text).map(|set| {
            assert_eq!(set.table_bytes, 1 << 20);
            assert_eq!(set.level_zero_tables, 3);
            assert_eq!(
                (set.level_zero_tables_slow, set.level_zero_tables_max),
                (5, 9)
            );
            assert!(
                set.compression
                    .iter()
                    .all(|one| *one == Compression::Zstd(7))
            );
            assert_eq!(set.memtable_bytes, 64 << 10);
            assert!((set.value_share - 0.5).abs() < 1e-9);
            assert_eq!(set.idle, Duration::from_millis(20));
            assert_eq!(set.lock_timeout, Some(Duration::from_secs(3)));
            assert_eq!(set.versions_to_keep, usize::MAX);
            assert!(set.keeps_history && set.detects_conflicts);
            assert_eq!(set.checksums, ChecksumMode::Never);
            assert_eq!(set.external_magic, 7);
            assert_eq!(set.block_bytes, Options::new().block_bytes);
        });
        assert!(set.is_some());
        let twice = shown("block_bytes=1KiB").and_then(|set| set.set("block_bytes=2KiB").ok());
        assert_eq!(twice.map(|set| set.block_bytes), Some(2 << 10));
        assert!(shown("").is_some());
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_told() {
        let wrong = [
            "block_byte=1",
            "block_bytes",
            "block_bytes=",
            "block_bytes=1TiB",
            "block_bytes=-1",
            "table_bytes=18446744073709551615KiB",
            "level_zero_tables=1,2",
            "level_zero_tables=1,2,3,4",
            "compression=zstd",
            "compression=brotli",
            "keep_history=yes",
            "checksums=sometimes",
            "external_magic=65536",
        ];
        for text in wrong {
            let both = format!("idle=1; {text}");
            let told = both.parse::<Options>().map_err(|error| error.to_string());
            assert!(told.is_err_and(|told| told.contains(text)), "{text}");
        }
    }
}
