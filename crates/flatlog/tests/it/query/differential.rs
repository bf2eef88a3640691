//! Random queries over random data give what looking at every row gives.

use std::hash::{BuildHasher, RandomState};

use flatlog::query::{Limits, RowSource, explain, parse};
use quickcheck::Gen;

use super::memory::{Memory, Snapshot};
use super::oracle::{Model, Question, Shape};

/// So many queries, each asked with and without the value index.
const QUERIES: usize = 100_000;

const SIGNS: [&str; 6] = ["=", "!=", "<", "<=", ">", ">="];
const WORDS: [&str; 18] = [
    "error",
    "Error",
    "critical",
    "uncritical",
    "criticality",
    "a",
    "ab",
    "abc",
    "b",
    "42",
    "x1",
    "über",
    "ÜBER",
    "é",
    "İx",
    "日本",
    "disk",
    "DISK",
];
const GAPS: [&[u8]; 12] = [
    b" ", b" ", b", ", b"-", b"*", b"?", b"\xFF", b"\xC3", b"\xA9", b"\\", b"\"", b"\n",
];
const KEY_PARTS: [&[u8]; 14] = [
    b"user:",
    b"log:",
    b"a",
    b"b",
    b"1",
    b"2",
    b"3",
    "é".as_bytes(),
    b"\0",
    b"\xFF",
    b"*",
    b"?",
    b"\xC3",
    b"9",
];

/// What happens by chance.
pub struct Chance(pub Gen);

impl Chance {
    /// Seeded anew each time; a failing test shows the seed.
    pub fn fresh() -> Chance {
        let seed = RandomState::new().hash_one(0);
        println!("seed {seed}");
        Chance(Gen::from_size_and_seed(100, seed))
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        *self.0.choose(from).unwrap()
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0.random_range_like(end)
    }

    pub fn key(&mut self) -> Vec<u8> {
        let parts = 1 + self.below(4);
        (0..parts)
            .flat_map(|_| self.pick(&KEY_PARTS).to_vec())
            .collect()
    }

    pub fn value(&mut self) -> Vec<u8> {
        let mut value = Vec::new();
        for _ in 0..self.below(7) {
            value.extend_from_slice(self.pick(&WORDS).as_bytes());
            if self.below(5) > 0 {
                value.extend_from_slice(self.pick(&GAPS));
            }
        }
        value
    }

    /// A part of what there may be, with wildcards in it.
    fn shape(&mut self, source: &[u8]) -> Vec<Shape> {
        let from = self.below(source.len() + 1);
        let to = from + self.below(source.len() - from + 1);
        let mut shape: Vec<Shape> = source[from..to]
            .iter()
            .map(|&byte| Shape::Byte(byte))
            .collect();
        for _ in 0..self.below(3) {
            let at = self.below(shape.len() + 1);
            if at < shape.len() && self.below(2) == 0 {
                shape.remove(at);
            }
            shape.insert(at, self.pick(&[Shape::One, Shape::Run]));
        }
        if self.below(2) == 0 {
            shape.insert(0, Shape::Run);
        }
        if self.below(2) == 0 {
            shape.push(Shape::Run);
        }
        shape
    }

    /// A part of a word with runs around it, in most cases cut where a character is.
    fn fragment(&mut self, before: &[u8]) -> Vec<Shape> {
        let word = self.pick(&WORDS).as_bytes();
        let from = self.below(word.len());
        let to = from + 1 + self.below(word.len() - from);
        let bytes = before.iter().chain(&word[from..to]);
        let run = [Shape::Run];
        let literal = bytes.map(|&byte| Shape::Byte(byte));
        run.into_iter().chain(literal).chain(run).collect()
    }

    fn leaf(&mut self, snapshot: &Snapshot) -> Model {
        let rows = snapshot.all().count();
        let place = self.below(rows.max(1));
        let row = snapshot.all().nth(place).filter(|_| self.below(4) > 0);
        let (key, value) = match row {
            Some((key, kept)) => (key.to_vec(), kept.value.clone()),
            None => (self.key(), self.value()),
        };
        match self.below(14) {
            0..3 => Model::Key(self.pick(&SIGNS), key),
            3..5 => Model::KeyLike(self.shape(&key)),
            5 => Model::Value(self.pick(&["=", "!="]), value),
            6..9 => Model::ValueLike(self.shape(&value)),
            9..11 => {
                let words =
                    (0..1 + self.below(2)).flat_map(|_| self.pick(&WORDS).bytes().chain([b' ']));
                Model::ValueLike(words.map(Shape::Byte).collect())
            }
            11 => Model::ValueLike(self.fragment(b"")),
            12 => Model::ValueLike(self.fragment(b" ")),
            _ => {
                let index = self.below(snapshot.commit_index as usize + 2) as u64;
                Model::CommitIndex(self.pick(&SIGNS), index)
            }
        }
    }

    fn model(&mut self, snapshot: &Snapshot, depth: usize) -> Model {
        match self.below(if depth == 0 { 1 } else { 7 }) {
            0..3 => self.leaf(snapshot),
            3..5 => Model::And(self.models(snapshot, depth)),
            5 => Model::Or(self.models(snapshot, depth)),
            _ => Model::Not(Box::new(self.model(snapshot, depth - 1))),
        }
    }

    fn models(&mut self, snapshot: &Snapshot, depth: usize) -> Vec<Model> {
        let terms = 2 + self.below(2);
        (0..terms)
            .map(|_| self.model(snapshot, depth - 1))
            .collect()
    }

    pub fn question(&mut self, snapshot: &Snapshot) -> Question {
        Question {
            filter: (self.below(20) > 0).then(|| self.model(snapshot, 3)),
            by_commit_index: self.below(4) == 0,
            descending: self.below(3) == 0,
            limit: (self.below(3) == 0).then(|| self.below(20) as u64),
            offset: if self.below(4) == 0 {
                self.below(10) as u64
            } else {
                0
            },
        }
    }

    /// Limits under which each way is taken, also where it does not pay.
    pub fn limits(&mut self) -> Limits {
        Limits {
            index_rows_min: self.pick(&[0, 0, 32]),
            few_rows: self.pick(&[0, 0, 64]),
            lookup_cost: self.pick(&[0, 0, 1, 12, 1000]),
            sort_bytes_max: self.pick(&[0, 64 << 20]),
            time_budget: None,
            ..Limits::default()
        }
    }
}

trait Below {
    fn random_range_like(&mut self, end: usize) -> usize;
}

impl Below for Gen {
    fn random_range_like(&mut self, end: usize) -> usize {
        let number = <u64 as quickcheck::Arbitrary>::arbitrary(self);
        // Its numbers are uniform over all bits, but for some favoured ones.
        (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33) as usize % end
    }
}

/// Two stores with the same content, one of them indexed, and snapshots of some versions.
struct World {
    plain: Memory,
    indexed: Memory,
    alive: Vec<(Snapshot, Snapshot)>,
}

impl World {
    fn new() -> World {
        World {
            plain: Memory::new(false),
            indexed: Memory::new(true),
            alive: Vec::new(),
        }
    }

    fn change(&mut self, chance: &mut Chance) {
        let space = u8::from(chance.below(5) == 0);
        match chance.below(40) {
            0..24 => {
                let (key, value) = (chance.key(), chance.value());
                self.plain.put(space, &key, &value);
                self.indexed.put(space, &key, &value);
            }
            24..38 => {
                let keys: Vec<_> = self
                    .plain
                    .snapshot(space)
                    .all()
                    .map(|row| row.0.to_vec())
                    .collect();
                if !keys.is_empty() {
                    let key = &keys[chance.below(keys.len())];
                    if chance.below(2) == 0 {
                        self.plain.delete(space, key);
                        self.indexed.delete(space, key);
                    } else {
                        let value = chance.value();
                        self.plain.put(space, key, &value);
                        self.indexed.put(space, key, &value);
                    }
                }
            }
            38 => self.indexed.reopen(),
            _ => {
                if let Some((plain, indexed)) = self.alive.pop() {
                    self.plain.restore(&plain);
                    self.indexed.restore(&indexed);
                }
            }
        }
        if chance.below(12) == 0 {
            self.alive
                .push((self.plain.snapshot(0), self.indexed.snapshot(0)));
        }
        if self.alive.len() > 3 {
            let gone = chance.below(4);
            self.alive.remove(gone);
        }
        if chance.below(60) == 0 {
            self.alive.clear();
        }
    }

    fn ask(&mut self, chance: &mut Chance, shortcuts: &mut Shortcuts) -> usize {
        let mut pairs = self.alive.clone();
        pairs.push((self.plain.snapshot(0), self.indexed.snapshot(0)));
        let (plain, indexed) = &pairs[chance.below(pairs.len())];
        let question = chance.question(plain);
        let text = question.print(&mut chance.0);
        let expected = question.answer(plain);
        for snapshot in [plain, indexed] {
            let limits = chance.limits();
            let (rows, _) = snapshot.ask(&text, &limits);
            assert_eq!(rows, expected, "{text}\n{limits:?}");
            shortcuts.note(snapshot, &text, &limits);
        }
        expected.len()
    }
}

/// How often the index decided about a glob without the value, in which way.
#[derive(Debug, Default)]
pub struct Shortcuts {
    exactly: usize,
    in_doubt: usize,
    changed: usize,
    turned_down: usize,
}

impl Shortcuts {
    pub fn note<S: RowSource>(&mut self, source: &S, text: &str, limits: &Limits) {
        let told = explain(&parse(text, limits).unwrap(), source, limits).unwrap();
        let (plan, touched) = (told.to_string(), told.touched);
        let glob = plan.lines().any(|line| {
            line.contains("value like") && (line.contains("exactly") || line.contains("in doubt"))
        });
        // Fewer values than rows: some rows were answered by the index alone.
        if !glob || touched.rows <= touched.values {
            return;
        }
        if plan.contains("in doubt") {
            self.in_doubt += usize::from(touched.values > 0);
            self.turned_down += usize::from(touched.keys > touched.rows);
        } else {
            self.exactly += usize::from(touched.values == 0);
        }
        self.changed += usize::from(plan.contains("changed since"));
    }

    /// Each way was taken often enough to be tested by it.
    pub fn were_taken(&self, times: usize) {
        let Shortcuts {
            exactly,
            in_doubt,
            changed,
            turned_down,
        } = self;
        let least = exactly.min(in_doubt).min(changed).min(turned_down);
        assert!(*least >= times, "{self:?}");
    }
}

#[test]
fn any_query_gives_what_looking_at_every_row_gives() {
    let mut chance = Chance::fresh();
    let (mut asked, mut rows) = (0, 0);
    let mut shortcuts = Shortcuts::default();
    while asked < QUERIES {
        let mut world = World::new();
        for _ in 0..50 + chance.below(150) {
            world.change(&mut chance);
        }
        for _ in 0..100 {
            for _ in 0..chance.below(3) {
                world.change(&mut chance);
            }
            for _ in 0..10 {
                rows += world.ask(&mut chance, &mut shortcuts);
                asked += 1;
            }
        }
    }
    // A comparison of empty answers would prove little.
    assert!(rows > 5 * asked, "{rows} rows in {asked} answers");
    shortcuts.were_taken(100);
}
