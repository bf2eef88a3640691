//! A database with one acknowledged commit, on a disk that can be made to fail.

use crash_kit::{Action, Call, CrashDisk, Fault, Survivors};
use kv_api::{Durability, Outcome};
use txn::{Db, ErrorKind, Options, Result};

use super::subject::PATH;

pub const EIO: i32 = 5;
pub const EINTR: i32 = 4;
pub const ENOSPC: i32 = 28;
/// ENOSPC, EDQUOT and EFBIG.
pub const FULL: [i32; 3] = [ENOSPC, 122, 27];
pub const ALL: [i32; 5] = [EIO, EINTR, ENOSPC, 122, 27];

pub struct Stage {
    pub disk: CrashDisk,
    pub db: Db,
}

/// What a failed commit means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub outcome: Outcome,
    pub kind: ErrorKind,
    /// Whether the handle goes on writing.
    pub lives: bool,
}

impl Refusal {
    pub const NO_SPACE: Refusal = Refusal {
        outcome: Outcome::NotCommitted,
        kind: ErrorKind::NoSpace,
        lives: true,
    };
    pub const PASSING: Refusal = Refusal {
        kind: ErrorKind::Io,
        ..Refusal::NO_SPACE
    };
    pub const STOPPED: Refusal = Refusal {
        lives: false,
        ..Refusal::PASSING
    };
    pub const IN_DOUBT: Refusal = Refusal {
        outcome: Outcome::InDoubt,
        kind: ErrorKind::InDoubt,
        lives: false,
    };
}

pub fn options(disk: &CrashDisk) -> Options {
    Options::new()
        .page_bytes(1024)
        .strict(true)
        .disk(disk.as_dyn())
}

pub fn open(disk: &CrashDisk) -> Db {
    options(disk).open(PATH).unwrap()
}

/// The database as a power cut at this moment leaves it, all that was not synced being lost.
pub fn after_power_cut(disk: &CrashDisk) -> Db {
    open(&disk.after_crash(Survivors::Synced))
}

pub fn put_with(db: &Db, key: &str, bytes: usize, durability: Durability) -> Result<()> {
    let mut tx = db.begin()?;
    let mut bucket = tx.create_bucket_if_missing("bucket")?;
    bucket.put(key, vec![7; bytes])?;
    tx.commit_with(durability)
}

pub fn put(db: &Db, key: &str) -> Result<()> {
    put_with(db, key, 2_000, Durability::Sync)
}

/// The keys of the newest version, after a check of all of it.
pub fn keys(db: &Db) -> Vec<String> {
    let snapshot = db.snapshot().unwrap();
    let mut findings = Vec::new();
    txn::check(&snapshot, &mut |finding| findings.push(finding)).unwrap();
    assert_eq!(findings, []);
    let Some(bucket) = snapshot.bucket_if_exists("bucket").unwrap() else {
        return Vec::new();
    };
    let keys = bucket
        .range(..)
        .map(|pair| String::from_utf8_lossy(pair.unwrap().0).into_owned());
    keys.collect()
}

/// How many calls that `call` covers `work` makes.
pub fn count(disk: &CrashDisk, call: Call, work: impl FnOnce()) -> u64 {
    let before = disk.struck();
    // Struck without any effect.
    disk.arm(Fault::from(call, 1, Action::Short(usize::MAX)));
    work();
    disk.disarm();
    disk.struck() - before
}

impl Stage {
    /// `acked` is durable, and the handle has written before.
    pub fn new() -> Stage {
        let disk = CrashDisk::new();
        let db = open(&disk);
        put(&db, "acked").unwrap();
        Stage { disk, db }
    }

    /// The same with a handle that has not written yet.
    pub fn reopened() -> Stage {
        let Stage { disk, db } = Stage::new();
        db.close().unwrap();
        drop(db);
        let db = open(&disk);
        Stage { disk, db }
    }

    pub fn arm(&self, faults: &[Fault]) {
        faults.iter().for_each(|fault| self.disk.arm(*fault));
    }

    /// A commit of `bytes` meets `faults` and is refused as told, with all that follows from it.
    pub fn refuses(self, bytes: usize, faults: &[Fault], expected: Refusal) {
        let reader = self.db.snapshot().unwrap();
        self.arm(faults);
        let refused = put_with(&self.db, "refused", bytes, Durability::Sync);
        let error = refused.unwrap_err();
        self.disk.disarm();
        assert_eq!(
            (error.outcome(), error.kind()),
            (expected.outcome, expected.kind),
            "{error}"
        );
        assert_eq!(
            keys(&self.db),
            ["acked"],
            "readers keep the last durable version"
        );
        assert_eq!(reader.id(), self.db.snapshot().unwrap().id());
        drop(reader);
        if expected.lives {
            self.lives_on();
        } else {
            self.is_stopped(expected.outcome);
        }
    }

    fn lives_on(&self) {
        put(&self.db, "next").unwrap();
        assert_eq!(keys(&self.db), ["acked", "next"]);
        assert_eq!(keys(&after_power_cut(&self.disk)), ["acked", "next"]);
    }

    fn is_stopped(&self, outcome: Outcome) {
        // The disk works again, and still nothing is written: a second sync would prove nothing.
        assert_eq!(self.db.begin().unwrap_err().kind(), ErrorKind::Poisoned);
        assert_eq!(self.db.try_begin().unwrap_err().kind(), ErrorKind::Poisoned);
        assert_eq!(self.db.sync().unwrap_err().kind(), ErrorKind::Poisoned);
        assert_eq!(keys(&self.db), ["acked"]);
        self.may_show(&after_power_cut(&self.disk), outcome);
        self.db.close().unwrap();
        assert_eq!(
            keys_of_reopened(&self.disk, outcome),
            keys(&after_power_cut(&self.disk))
        );
    }

    fn may_show(&self, db: &Db, outcome: Outcome) {
        let shown = keys(db);
        let whole = shown == ["acked", "refused"] && outcome == Outcome::InDoubt;
        assert!(shown == ["acked"] || whole, "{shown:?}");
    }
}

/// Reopens where the machine stayed up, and commits there.
fn keys_of_reopened(disk: &CrashDisk, outcome: Outcome) -> Vec<String> {
    let db = open(disk);
    let mut expected = keys(&db);
    assert!(
        outcome == Outcome::InDoubt || expected == ["acked"],
        "{expected:?}"
    );
    put(&db, "next").unwrap();
    expected.push("next".to_string());
    expected.sort();
    assert_eq!(keys(&db), expected);
    expected
}
