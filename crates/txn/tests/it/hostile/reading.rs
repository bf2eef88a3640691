//! Everything that can be read from a file, twice: mapped and untrusted. Both must tell the same.

use std::collections::BTreeSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use disk::Disk;
use kv_api::Reader;
use kv_api::capability::{BucketVisitor, NestedReader};
use txn::{Bucket, Db, Entry, Error, ErrorKind, Options, Result, Snapshot};

/// What one way of reading answered: a digest, or an error.
type Answers = Vec<(&'static str, Result<u64>)>;

type Way = fn(&Snapshot) -> Result<u64>;

/// What an untrusted view answers to runs that lie on each other: it would have to hold the same
/// bytes more often than the file has them. A mapping costs nothing, so it may go on.
const OVERLAP: &str = "runs of blocks overlap";

/// The way whose answers depend on what is kept beside the pages of a damaged tree.
const GETS: &str = "gets";

/// Reads the file in both ways and compares; answers whether it is sound by its own check.
///
/// # Panics
///
/// On anything but equal answers or typed errors, and on reading more than the file holds.
pub fn read_both_ways(disk: &Arc<dyn Disk>, path: &str) -> bool {
    let options = || Options::new().disk(Arc::clone(disk)).read_only(true);
    let mapped = options().open(path).map(|db| read_all(&db));
    let untrusted = options().open_untrusted(path).map(|db| read_all(&db));
    let (mapped, untrusted) = match (mapped, untrusted) {
        (Ok(mapped), Ok(untrusted)) => (mapped, untrusted),
        (Err(mapped), Err(untrusted)) => {
            assert_eq!(mapped.kind(), untrusted.kind(), "{mapped} / {untrusted}");
            let typed = [ErrorKind::Corrupt, ErrorKind::InterruptedInit];
            assert!(typed.contains(&mapped.kind()), "opening: {mapped:?}");
            return false;
        }
        (mapped, untrusted) => panic!("opened one way only: {mapped:?} / {untrusted:?}"),
    };
    let sound = checked_clean(&mapped);
    assert_eq!(sound, checked_clean(&untrusted), "one check, two answers");
    for ((what, mapped), (_, untrusted)) in mapped.iter().zip(&untrusted) {
        // A key on the wrong side of its separator may be found or not: see ADR 0021.
        if *what != GETS || sound {
            compare(what, mapped, untrusted);
        }
    }
    for (what, answer) in mapped.iter().chain(&untrusted).filter(|_| sound) {
        assert!(answer.is_ok(), "checked clean, but {what}: {answer:?}");
    }
    sound
}

/// A file is sound if its own check finds nothing. Whether it then reads is put to the test.
fn checked_clean(answers: &Answers) -> bool {
    let check = answers.iter().find(|(what, _)| *what == "check");
    check.is_some_and(|(_, answer)| answer.is_ok())
}

fn compare(what: &str, mapped: &Result<u64>, untrusted: &Result<u64>) {
    if let Err(error) = mapped {
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error:?}");
    }
    match (mapped, untrusted) {
        (_, Err(error)) if error.to_string().contains(OVERLAP) => {}
        (Ok(mapped), Ok(untrusted)) => assert_eq!(mapped, untrusted, "{what}"),
        (Err(mapped), Err(untrusted)) => assert_eq!(mapped.kind(), untrusted.kind(), "{what}"),
        _ => panic!("{what}: mapped {mapped:?}, untrusted {untrusted:?}"),
    }
}

/// Reads all there is, in every way there is.
pub fn read_all(db: &Db) -> Answers {
    let snapshot = db.snapshot().unwrap();
    let ways: [(&str, Way); 10] = [
        ("check", check),
        ("visit", visit),
        ("inspect", inspect),
        ("backward", backward),
        (GETS, gets),
        ("seeks", seeks),
        ("spaces", spaces),
        ("free pages", free_pages),
        ("pages", pages),
        ("backup", backup),
    ];
    let mut answers: Answers = ways.map(|(what, way)| (what, way(&snapshot))).into();
    answers.push(("statistics", db.statistics().map(|found| found.free_pages)));
    answers
}

fn hash(parts: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

/// The file's own check as an answer: its first finding is the error.
fn check(snapshot: &Snapshot) -> Result<u64> {
    let (mut first, mut count, mut overlap) = (None, 0, false);
    let summary = txn::check(snapshot, &mut |finding| {
        overlap |= finding.what.contains(OVERLAP);
        count += 1;
        first.get_or_insert(Error::corrupt(finding.place, finding.what));
    })?;
    assert_eq!(summary.findings, count);
    if overlap {
        return Err(Error::corrupt(kv_api::Place::Store, OVERLAP));
    }
    first.map_or(Ok(summary.units), Err)
}

/// Gathers what a visit lends. Nothing is lent twice, so it cannot be more than the file.
struct Digest {
    hasher: DefaultHasher,
    lent_bytes: u64,
    size_bytes: u64,
}

impl Digest {
    fn of(snapshot: &Snapshot) -> Digest {
        Digest {
            hasher: DefaultHasher::new(),
            lent_bytes: 0,
            size_bytes: snapshot.size_bytes(),
        }
    }

    fn entry(&mut self, key: &[u8], value: Option<&[u8]>) {
        (key, value).hash(&mut self.hasher);
        // Sixteen for the element itself.
        self.lent_bytes += 16 + (key.len() + value.map_or(0, <[u8]>::len)) as u64;
        assert!(
            self.lent_bytes <= self.size_bytes,
            "more was lent than there is"
        );
    }
}

impl BucketVisitor for Digest {
    fn enter(&mut self, name: &[u8], sequence: u64) -> Result<()> {
        sequence.hash(&mut self.hasher);
        self.entry(name, None);
        Ok(())
    }

    fn pair(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.entry(key, Some(value));
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        1_u8.hash(&mut self.hasher);
        Ok(())
    }
}

fn visit(snapshot: &Snapshot) -> Result<u64> {
    let mut digest = Digest::of(snapshot);
    snapshot.visit(&mut digest)?;
    Ok(digest.hasher.finish())
}

fn inspect(snapshot: &Snapshot) -> Result<u64> {
    let tree = snapshot.inspect()?;
    let (mut keys, mut open) = (0, vec![&tree]);
    while let Some(bucket) = open.pop() {
        keys += bucket.keys;
        open.extend(&bucket.buckets);
    }
    Ok(keys)
}

/// The first buckets of a file, each page's once.
fn some_buckets<'a>(snapshot: &'a Snapshot, count_max: usize) -> Vec<Bucket<'a>> {
    let (mut found, mut roots) = (vec![snapshot.root()], BTreeSet::new());
    let mut next = 0;
    while let Some(bucket) = found.get(next).copied() {
        next += 1;
        let mut cursor = bucket.cursor();
        let mut entry = cursor.first();
        while let Ok(Some((_, value))) = entry {
            if found.len() >= count_max {
                return found;
            }
            if value.is_none()
                && let Ok(Some(inside)) = cursor.bucket()
                && (inside.root_page() == 0 || roots.insert(inside.root_page()))
            {
                found.push(inside);
            }
            entry = cursor.next();
        }
    }
    found
}

/// Every tree from its end to its beginning.
fn backward(snapshot: &Snapshot) -> Result<u64> {
    let mut all = 0;
    for bucket in some_buckets(snapshot, 50) {
        let mut digest = Digest::of(snapshot);
        let mut cursor = bucket.cursor();
        let mut entry = cursor.last()?;
        while let Some((key, value)) = entry {
            digest.entry(key, value);
            entry = cursor.prev()?;
        }
        all = hash((all, digest.hasher.finish()));
    }
    Ok(all)
}

/// Keys that are there, and keys beside them.
fn some_keys(bucket: &Bucket<'_>) -> Result<Vec<Vec<u8>>> {
    let mut keys = vec![Vec::new(), vec![0], b"alpha".to_vec(), vec![0xFF; 40]];
    let mut cursor = bucket.cursor();
    let mut entry = cursor.first()?;
    while let Some((key, _)) = entry.filter(|_| keys.len() < 40) {
        keys.push(key.to_vec());
        keys.push([key, &[0]].concat());
        entry = cursor.next()?;
    }
    Ok(keys)
}

/// Keys asked for by name.
fn gets(snapshot: &Snapshot) -> Result<u64> {
    let mut all = 0;
    for bucket in some_buckets(snapshot, 12) {
        for key in some_keys(&bucket)? {
            let inner = bucket.bucket_if_exists(&key)?;
            let sequence = inner.map(|inner| inner.sequence());
            all = hash((all, bucket.get(&key)?, sequence));
        }
    }
    Ok(all)
}

/// Keys looked for from every side.
fn seeks(snapshot: &Snapshot) -> Result<u64> {
    let mut all = 0;
    for bucket in some_buckets(snapshot, 12) {
        let mut cursor = bucket.cursor();
        for key in some_keys(&bucket)? {
            let from = cursor.seek(&key)?;
            let around = [cursor.next()?, cursor.prev()?, cursor.current()?];
            let back: [Option<Entry<'_>>; 2] = [cursor.seek_for_prev(&key)?, cursor.prev()?];
            all = hash((all, from, around, back));
        }
        all = hash((
            all,
            bucket.range(..).rev().take(5).collect::<Result<Vec<_>>>()?,
        ));
    }
    Ok(all)
}

/// The same contents through `kv-api`.
fn spaces(snapshot: &Snapshot) -> Result<u64> {
    use kv_api::{Cursor, Snapshot as _};
    let mut all = 0;
    for name in snapshot.space_names()?.into_iter().take(20) {
        let Some(space) = snapshot.space(&name)? else {
            continue;
        };
        let mut cursor = Reader::cursor(snapshot, space)?;
        let mut pair = cursor.first()?;
        for _ in 0..20 {
            let Some((key, value)) = pair else { break };
            let bytes = snapshot.get_bytes(space, key)?;
            all = hash((all, key, value, bytes));
            pair = cursor.next()?;
        }
    }
    Ok(all)
}

/// A damaged list of free pages, told by the question about any one page.
fn free_pages(snapshot: &Snapshot) -> Result<u64> {
    let usage = |id| {
        snapshot
            .page(id)
            .map(|page| page.map(|page| format!("{page:?}")))
    };
    let all = (0..=snapshot.info().high_water.min(300)).map(usage);
    Ok(hash(all.collect::<Result<Vec<_>>>()?))
}

fn pages(snapshot: &Snapshot) -> Result<u64> {
    let mut all = 0;
    for id in 0..snapshot.info().high_water.min(300) {
        all = hash((all, snapshot.page_image(id)?));
    }
    let run = snapshot.run_image(snapshot.info().root_page)?;
    Ok(hash((all, run.len())))
}

fn backup(snapshot: &Snapshot) -> Result<u64> {
    let mut copy = Vec::new();
    assert_eq!(snapshot.write_to(&mut copy)?, copy.len() as u64);
    assert_eq!(copy.len() as u64, snapshot.size_bytes());
    Ok(hash(copy))
}
