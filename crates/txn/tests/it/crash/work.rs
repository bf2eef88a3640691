//! What a step of a workload does, from its numbers alone.

use crash_kit::{Rng, Step};
use kv_api::Durability;

use super::change::{Change, NAMES, Path};

/// How a step ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Commit(Durability),
    Rollback,
    /// Makes earlier commits durable, by `sync` or by a commit that changes nothing.
    Sync,
    EmptyCommit,
    /// Closes the database and opens it again.
    Reopen,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Work {
    pub deed: Deed,
    pub changes: Vec<Change>,
    /// Whether a reader is held from before this step on.
    pub holds: bool,
    /// Whether the oldest reader held is let go before this step.
    pub releases: bool,
}

/// What a workload is made of, in percent of steps.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Commits at `Deferred`.
    pub deferred: usize,
    /// Ends that are no commit of changes.
    pub other_ends: usize,
    /// Changes that write or delete some tens of kilobytes.
    pub bulk: usize,
}

/// A bucket to change. Some paths are only ever made by moves.
fn path(rng: &mut Rng) -> Path {
    const PATHS: [&[&str]; 9] = [
        &["a"],
        &["a"],
        &["b"],
        &["b"],
        &["c"],
        &["a", "x"],
        &["b", "y"],
        &["a", "x", "y"],
        &[],
    ];
    PATHS[rng.below(PATHS.len())].to_vec()
}

/// Where a bucket that is moved or removed may be.
fn anywhere(rng: &mut Rng) -> Path {
    let depth = 1 + rng.below(2);
    (0..depth).map(|_| NAMES[rng.below(NAMES.len())]).collect()
}

fn key(number: usize) -> Vec<u8> {
    format!("k-{number:03}").into_bytes()
}

fn value(rng: &mut Rng, bytes: usize) -> Vec<u8> {
    let mut value = vec![0; bytes];
    rng.fill(&mut value);
    value
}

/// Mostly a few bytes, so that buckets stay within their parent's page; now and then a page or
/// several, so that they leave it.
fn value_bytes(rng: &mut Rng) -> usize {
    match rng.below(10) {
        0..5 => rng.below(40),
        5..8 => 60 + rng.below(400),
        _ => 900 + rng.below(2_400),
    }
}

fn change(rng: &mut Rng, changes: &mut Vec<Change>) {
    let path = path(rng);
    match rng.below(100) {
        0..52 => {
            let (key, bytes) = (key(rng.below(30)), value_bytes(rng));
            changes.push(Change::Put(path, key, value(rng, bytes)));
        }
        52..70 => changes.push(Change::Delete(path, key(rng.below(30)))),
        70..77 => {
            // Enough small pairs for a tree of several leaves.
            let first = rng.below(60);
            for number in first..first + 25 {
                changes.push(Change::Put(path.clone(), key(number), value(rng, 70)));
            }
        }
        77..85 => {
            let first = rng.below(60);
            let keys = key(first)..key(first + 1 + rng.below(40));
            changes.push(Change::DeleteRange(path, keys));
        }
        85..90 => changes.push(Change::Sequence(path, 1 + rng.next_u64() % 1_000)),
        90..94 => changes.push(Change::Drop(anywhere(rng))),
        _ => {
            let into = if rng.percent(30) {
                Vec::new()
            } else {
                vec![NAMES[rng.below(3)]]
            };
            changes.push(Change::Move(anywhere(rng), into));
        }
    }
}

/// So much that the pages given back no longer fit a list of one page.
fn bulk(rng: &mut Rng, changes: &mut Vec<Change>) {
    let path = vec!["c"];
    if rng.percent(50) {
        changes.push(Change::DeleteRange(path, key(0)..key(999)));
        return;
    }
    for _ in 0..10 {
        let number = rng.below(40);
        let value = value(rng, 6_000);
        changes.push(Change::Put(path.clone(), key(number), value));
    }
}

fn deed(rng: &mut Rng, mix: &Mix) -> Deed {
    if rng.percent(mix.other_ends) {
        return match rng.below(5) {
            0 => Deed::Rollback,
            1 => Deed::Sync,
            2 => Deed::EmptyCommit,
            _ => Deed::Reopen,
        };
    }
    if rng.percent(mix.deferred) {
        Deed::Commit(Durability::Deferred)
    } else {
        Deed::Commit(Durability::Sync)
    }
}

impl Work {
    /// What `step` does.
    pub fn of(step: Step, mix: &Mix) -> Work {
        let (seed, index) = match step {
            Step::Probe { depth } => return Work::probe(depth),
            Step::Work { seed, index } => (seed, index),
        };
        let mut rng = Rng::new(seed << 16 | index as u64);
        let deed = deed(&mut rng, mix);
        let mut changes = Vec::new();
        if matches!(deed, Deed::Commit(_) | Deed::Rollback) {
            for _ in 0..1 + rng.below(4) {
                change(&mut rng, &mut changes);
            }
            if rng.percent(mix.bulk) {
                bulk(&mut rng, &mut changes);
            }
            // No two versions are alike, so that each can be told from all others.
            let step = format!("{index}").into_bytes();
            changes.push(Change::Put(vec!["mark"], b"step".to_vec(), step));
        }
        Work {
            deed,
            changes,
            holds: rng.percent(30),
            releases: rng.percent(25),
        }
    }

    /// Takes pages of all kinds, so that a page wrongly taken for free is overwritten.
    fn probe(depth: usize) -> Work {
        let mut rng = Rng::new(depth as u64);
        let mut put = |name: String, bytes| {
            let value = value(&mut rng, bytes);
            Change::Put(vec!["probe"], format!("{name}-{depth}").into_bytes(), value)
        };
        let mut changes: Vec<Change> = (0..6).map(|n| put(format!("page-{n}"), 700)).collect();
        changes.push(put("run".to_string(), 3_000));
        Work {
            deed: Deed::Commit(Durability::Sync),
            changes,
            holds: false,
            releases: false,
        }
    }
}
