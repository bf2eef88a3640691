//! The laws of `kv-api`, kept by the flat engine.

use std::path::{Path, PathBuf};

use std::sync::atomic::{AtomicU64, Ordering};

use conformance::{BackupFixture, Filter, Fixture, Question, SearchFixture};
use flatlog::{Db, Options, Result};
use kv_api::capability::Check;
use tempfile::TempDir;

/// The engine as it comes.
pub struct FlatFixture {
    directory: TempDir,
    backups: AtomicU64,
}

impl FlatFixture {
    fn path(&self) -> PathBuf {
        self.directory.path().join("store")
    }
}

impl Fixture for FlatFixture {
    type Store = Db;

    fn new() -> FlatFixture {
        FlatFixture {
            directory: tempfile::tempdir().unwrap(),
            backups: AtomicU64::new(0),
        }
    }

    fn open(&self) -> Result<Db> {
        Db::open(self.path())
    }
}

impl BackupFixture for FlatFixture {
    fn open_backup(&self, backup: &[u8]) -> Result<Db> {
        let count = self.backups.fetch_add(1, Ordering::Relaxed);
        let db = Db::open(self.directory.path().join(format!("backup-{count}")))?;
        db.restore(&mut &*backup, |_| true)?;
        Ok(db)
    }
}

/// Bytes between quotes, with nothing in them that means anything else.
fn quoted(bytes: &[u8], before: &str, behind: &str) -> String {
    let bytes = bytes.iter().map(|byte| match byte {
        b'*' | b'?' | b'\\' | b'"' => format!("\\{}", char::from(*byte)),
        b' '..=b'~' => char::from(*byte).to_string(),
        byte => format!("\\x{byte:02X}"),
    });
    format!("\"{before}{}{behind}\"", bytes.collect::<String>())
}

fn written(filter: &Filter) -> String {
    let joined = |filters: &[Filter], by: &str| {
        let filters: Vec<String> = filters.iter().map(written).collect();
        format!("({})", filters.join(by))
    };
    match filter {
        Filter::KeyIs(key) => format!("key = {}", quoted(key, "", "")),
        Filter::KeyBelow(key) => format!("key < {}", quoted(key, "", "")),
        Filter::KeyBegins(key) => format!("key like {}", quoted(key, "", "*")),
        Filter::ValueIs(value) => format!("value = {}", quoted(value, "", "")),
        Filter::ValueHolds(part) => format!("value like {}", quoted(part, "*", "*")),
        Filter::ValueHasWord(word) => format!("value like {}", quoted(word.as_bytes(), "", "")),
        Filter::IndexAbove(index) => format!("CommitIndex > {index}"),
        Filter::All(filters) => joined(filters, " and "),
        Filter::Any(filters) => joined(filters, " or "),
        Filter::Not(filter) => format!("not ({})", written(filter)),
    }
}

/// A question in the words of the engine's queries.
fn query(question: &Question) -> String {
    let mut text = written(&question.filter);
    if question.is_descending {
        text += " order by key desc";
    }
    if let Some(limit) = question.limit {
        text += &format!(" limit {limit}");
    }
    format!("{text} offset {}", question.offset)
}

impl SearchFixture for FlatFixture {
    fn query(question: &Question) -> String {
        query(question)
    }

    fn not_a_query() -> &'static str {
        "key like"
    }
}

/// With an index over values, and segments so small that checkpoints and compaction meet it.
pub struct IndexedValues {
    directory: TempDir,
}

impl Fixture for IndexedValues {
    type Store = Db;

    fn new() -> IndexedValues {
        IndexedValues {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn open(&self) -> Result<Db> {
        Options::new()
            .value_index(true)
            .segment_bytes(8 << 10)
            .prewrite_bytes(1 << 10)
            .checkpoint_bytes(20 << 10)
            .open(self.directory.path())
    }
}

impl SearchFixture for IndexedValues {
    fn query(question: &Question) -> String {
        query(question)
    }

    fn not_a_query() -> &'static str {
        "value like 'without an end"
    }
}

impl Drop for IndexedValues {
    fn drop(&mut self) {
        account(self.directory.path(), Options::new().value_index(true));
    }
}

/// Every byte a law left behind is accounted for.
fn account(path: &Path, options: Options) {
    if std::thread::panicking() || !path.join("meta.state").exists() {
        return;
    }
    let db = options.read_only(true).open(path).unwrap();
    let mut findings = Vec::new();
    db.check(&mut |finding| findings.push(finding)).unwrap();
    assert_eq!(findings, []);
}

impl Drop for FlatFixture {
    fn drop(&mut self) {
        account(&self.path(), Options::new());
    }
}

/// Segments of a few kilobytes and reads without a mapping, through a small cache.
pub struct SmallSegments {
    directory: TempDir,
}

impl Fixture for SmallSegments {
    type Store = Db;

    fn new() -> SmallSegments {
        SmallSegments {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn open(&self) -> Result<Db> {
        Options::new()
            .segment_bytes(64 << 10)
            .prewrite_bytes(4 << 10)
            .read_without_mapping(true)
            .cache_bytes(20_000)
            .open(self.directory.path())
    }
}

conformance::laws!(
    flat,
    FlatFixture,
    check,
    backup,
    commit_indexes,
    snapshot_stream,
    search
);
conformance::laws!(
    indexed_values,
    IndexedValues,
    check,
    commit_indexes,
    snapshot_stream,
    search
);
conformance::laws!(
    small_segments,
    SmallSegments,
    check,
    commit_indexes,
    snapshot_stream
);

impl Drop for SmallSegments {
    fn drop(&mut self) {
        account(self.directory.path(), Options::new());
    }
}
