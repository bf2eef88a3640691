//! Queries over the engine's own snapshots, against looking at every row of a model.

use std::path::Path;

use flatlog::query::Limits;
use flatlog::{Db, Options, Snapshot};
use kv_api::{Durability, Reader, Transaction};

use super::differential::{Chance, Shortcuts};
use super::memory::{Change, Memory, Snapshot as Model, ask};

/// So many queries over each of the stores where nobody asks for the whole proof.
const QUERIES: usize = 5_000;
/// So many make the proof.
const PROOF_QUERIES: usize = 100_000;
const OTHER: &[u8] = b"other";

fn open(path: &Path, value_index: bool, chance: &mut Chance) -> Db {
    Options::new()
        .value_index(value_index)
        .background(false)
        // Small segments, so that places move.
        .segment_bytes(16 << 10)
        .prewrite_bytes(0)
        .read_without_mapping(chance.below(4) == 0)
        .open(path)
        .unwrap()
}

/// A place in memory where there is one: this is about answers, and syncs take most of the time.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// What happened to the stores under the questions.
#[derive(Debug, Default)]
struct Tally {
    puts: u64,
    overwrites: u64,
    deletes: u64,
    reopens: u64,
    recoveries: u64,
    restores: u64,
    compactions: u64,
    checkpoints: u64,
}

impl Tally {
    fn add(&mut self, more: &Tally) {
        self.puts += more.puts;
        self.overwrites += more.overwrites;
        self.deletes += more.deletes;
        self.reopens += more.reopens;
        self.recoveries += more.recoveries;
        self.restores += more.restores;
        self.compactions += more.compactions;
        self.checkpoints += more.checkpoints;
    }
}

/// The engine and its model.
struct World {
    tally: Tally,
    directory: tempfile::TempDir,
    indexed: bool,
    db: Db,
    model: Memory,
    alive: Vec<(Snapshot, Model)>,
}

impl World {
    fn new(indexed: bool, chance: &mut Chance) -> World {
        let directory = directory();
        let db = open(&directory.path().join("db"), indexed, chance);
        World {
            tally: Tally::default(),
            directory,
            indexed,
            db,
            model: Memory::new(false),
            alive: Vec::new(),
        }
    }

    fn pair(&mut self) -> (Snapshot, Model) {
        (self.db.snapshot().unwrap(), self.model.snapshot(0))
    }

    fn count(&mut self, changes: &[Change]) {
        let snapshot = self.model.snapshot(0);
        for (space, key, value) in changes {
            let is_there = snapshot.rows.contains_key(&(*space, key.clone()));
            *match (value, is_there) {
                (Some(_), false) => &mut self.tally.puts,
                (Some(_), true) => &mut self.tally.overwrites,
                (None, _) => &mut self.tally.deletes,
            } += 1;
        }
    }

    fn commit(&mut self, changes: &[Change], chance: &mut Chance) {
        self.count(changes);
        self.model.commit(changes);
        let at = self.model.snapshot(0).commit_index;
        let mut tx = self.db.begin_at(at).unwrap();
        for (space, key, value) in changes {
            let space = match space {
                0 => kv_api::Space::DEFAULT,
                _ => match tx.space(OTHER).unwrap() {
                    Some(space) => space,
                    None => tx.create_space(OTHER).unwrap(),
                },
            };
            match value {
                Some(value) => Transaction::put(&mut tx, space, key, value).unwrap(),
                None => Transaction::delete(&mut tx, space, key).unwrap(),
            }
        }
        let levels = [
            Durability::Deferred,
            Durability::Deferred,
            Durability::Buffered,
        ];
        let durability = if chance.below(50) == 0 {
            Durability::Sync
        } else {
            chance.pick(&levels)
        };
        tx.commit_with(durability).unwrap();
    }

    /// Some changes, many of them to keys that there are.
    fn changes(&mut self, chance: &mut Chance) -> Vec<Change> {
        let count = match chance.below(60) {
            0 => 300,
            1..20 => 1 + chance.below(6),
            _ => 1,
        };
        let spaces = [0, 1].map(|space| {
            let snapshot = self.model.snapshot(space);
            snapshot.all().map(|row| row.0.to_vec()).collect::<Vec<_>>()
        });
        (0..count)
            .map(|_| {
                let space = u8::from(chance.below(5) == 0);
                let keys = &spaces[usize::from(space)];
                let known = !keys.is_empty() && chance.below(3) > 0;
                let key = if known {
                    keys[chance.below(keys.len())].clone()
                } else {
                    chance.key()
                };
                let value = (!known || chance.below(2) == 0).then(|| chance.value());
                (space, key, value)
            })
            .collect()
    }

    fn step(&mut self, chance: &mut Chance) {
        match chance.below(200) {
            0 | 1 => self.reopen(chance),
            2 => {
                self.db.compact().unwrap();
                self.tally.compactions += 1;
            }
            3 => {
                self.db.checkpoint().unwrap();
                self.tally.checkpoints += 1;
            }
            4 => self.restore(),
            5 => self.drop_other(),
            _ => {
                let changes = self.changes(chance);
                self.commit(&changes, chance);
            }
        }
        if chance.below(12) == 0 {
            let pair = self.pair();
            self.alive.push(pair);
        }
        if self.alive.len() > 3 {
            self.alive.remove(chance.below(4));
        }
    }

    fn reopen(&mut self, chance: &mut Chance) {
        self.alive.clear();
        if chance.below(2) == 0 {
            self.db.checkpoint().unwrap();
        }
        if chance.below(3) > 0 {
            let changes = self.changes(chance);
            self.commit(&changes, chance);
        }
        self.open_again(self.indexed, chance);
        if self.indexed && chance.below(6) == 0 {
            // Meanwhile somebody keeps no index over values.
            self.open_again(false, chance);
            let changes = self.changes(chance);
            self.commit(&changes, chance);
            if chance.below(2) == 0 {
                self.db.checkpoint().unwrap();
            }
            self.open_again(true, chance);
        }
    }

    /// Closes the store, or leaves it as a process that dies does, and opens it.
    fn open_again(&mut self, indexed: bool, chance: &mut Chance) {
        let path = self.directory.path().join("db");
        match chance.below(3) {
            0 => {
                self.db.sync().unwrap();
                self.tally.recoveries += 1;
            }
            _ => {
                self.db.close().unwrap();
                self.tally.reopens += 1;
            }
        }
        // The lock goes with the last handle, so it must be gone before.
        let elsewhere = open(&self.directory.path().join("elsewhere"), false, chance);
        drop(std::mem::replace(&mut self.db, elsewhere));
        self.db = open(&path, indexed, chance);
    }

    fn restore(&mut self) {
        let (from, model) = self.alive.pop().unwrap_or_else(|| self.pair());
        let mut stream = Vec::new();
        from.write_to(&mut stream, |_| true).unwrap();
        self.db.restore(&mut stream.as_slice(), |_| true).unwrap();
        self.model.restore(&model);
        self.tally.restores += 1;
    }

    fn drop_other(&mut self) {
        let snapshot = self.model.snapshot(1);
        let gone: Vec<Change> = snapshot
            .all()
            .map(|row| (1, row.0.to_vec(), None))
            .collect();
        self.model.commit(&gone);
        let mut tx = self
            .db
            .begin_at(self.model.snapshot(0).commit_index)
            .unwrap();
        tx.drop_space(OTHER).unwrap();
        tx.commit_with(Durability::Buffered).unwrap();
    }

    fn ask(&mut self, chance: &mut Chance, shortcuts: &mut Shortcuts) -> usize {
        let number = chance.below(self.alive.len() + 1);
        let (snapshot, mut model) = match self.alive.get(number) {
            Some((snapshot, model)) => (snapshot.clone(), model.clone()),
            None => self.pair(),
        };
        assert_eq!(snapshot.last_commit_index(), model.commit_index);
        let other = snapshot.space(OTHER).unwrap();
        let other = other.filter(|_| chance.below(5) == 0);
        model.space = u8::from(other.is_some());
        let question = chance.question(&model);
        let text = question.print(&mut chance.0);
        let limits = chance.limits();
        let (rows, _) = match other {
            Some(space) => ask(&snapshot.space_rows(space).unwrap(), &text, &limits),
            None => {
                shortcuts.note(&snapshot, &text, &limits);
                ask(&snapshot, &text, &limits)
            }
        };
        assert_eq!(rows, question.answer(&model), "{text}\n{limits:?}");
        rows.len()
    }
}

/// Asks so many random questions of stores under random changes. Answers what the changes were.
fn any_query_agrees(indexed: bool, queries: usize) -> Tally {
    let mut chance = Chance::fresh();
    let (mut asked, mut rows) = (0, 0);
    let mut shortcuts = Shortcuts::default();
    let mut all = Tally::default();
    while asked < queries {
        let mut world = World::new(indexed, &mut chance);
        for _ in 0..150 {
            world.step(&mut chance);
        }
        for _ in 0..500 {
            for _ in 0..chance.below(3) {
                world.step(&mut chance);
            }
            for _ in 0..5 {
                rows += world.ask(&mut chance, &mut shortcuts);
                asked += 1;
            }
        }
        all.add(&world.tally);
    }
    assert!(rows > 5 * asked, "{rows} rows in {asked} answers");
    if indexed {
        shortcuts.were_taken(10);
    }
    println!(
        "proof queries={asked} value_index={indexed} rows={rows} puts={} overwrites={} deletes={} \
         reopens={} recoveries={} restores={} compactions={} checkpoints={} differences=0",
        all.puts,
        all.overwrites,
        all.deletes,
        all.reopens,
        all.recoveries,
        all.restores,
        all.compactions,
        all.checkpoints
    );
    all
}

#[test]
fn any_query_over_the_engine_gives_what_looking_at_every_row_gives() {
    any_query_agrees(false, QUERIES);
}

#[test]
fn any_query_over_the_engine_with_a_value_index_gives_the_same() {
    any_query_agrees(true, QUERIES);
}

/// `cargo test --release -p flatlog --test it -- --ignored proof --nocapture`
#[test]
#[ignore = "the whole proof takes long in a debug build"]
fn proof_that_queries_give_what_looking_at_every_row_gives() {
    let agrees = |indexed| move || any_query_agrees(indexed, PROOF_QUERIES);
    let (indexed, plain) = std::thread::scope(|scope| {
        let plain = scope.spawn(agrees(false));
        (agrees(true)(), plain.join())
    });
    for all in [plain.unwrap(), indexed] {
        for count in [all.reopens, all.recoveries, all.restores, all.compactions] {
            assert!(count > 20, "{all:?}");
        }
    }
}

#[test]
fn the_engines_index_answers_without_reading_values() {
    let directory = tempfile::tempdir().unwrap();
    let mut chance = Chance::fresh();
    let path = directory.path().join("db");
    let mut db = open(&path, true, &mut chance);
    let mut tx = db.begin().unwrap();
    for number in 0..2000 {
        let value = match number % 100 {
            7 => "an uncritical remark",
            _ => "plain",
        };
        tx.put(format!("log:{number:04}"), value).unwrap();
    }
    tx.commit().unwrap();
    for _ in 0..3 {
        let snapshot = db.snapshot().unwrap();
        let touched = snapshot.explain("value like '*critical*'").unwrap().touched;
        assert_eq!((touched.keys, touched.values, touched.rows), (20, 0, 20));
        let touched = snapshot
            .explain("value like 'remark' limit 5")
            .unwrap()
            .touched;
        assert_eq!((touched.keys, touched.values, touched.rows), (5, 0, 5));
        let touched = snapshot.explain("key = 'log:0500'").unwrap().touched;
        assert_eq!((touched.keys, touched.values, touched.rows), (1, 0, 1));
        let mut rows = snapshot
            .query("key like 'log:1*' and value like 'remark'")
            .unwrap();
        assert_eq!(rows.next().unwrap().unwrap().key(), b"log:1007");
        drop(rows);
        drop(snapshot);
        db.close().unwrap();
        db = open(&path, true, &mut chance);
    }
    let (rows, _) = ask(
        &db.snapshot().unwrap(),
        "value like 'plain'",
        &Limits::default(),
    );
    assert_eq!(rows.len(), 1980);
}
