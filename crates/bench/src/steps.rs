//! The workloads, as chains of steps on one store.
//!
//! Invariant: what a step leaves behind does not depend on how fast the engine is, but for the
//! keys that W12 E adds, so each engine does the later steps on the same data.

mod commits;
mod growth;
mod large_values;
mod latency;
mod reads;
mod space;
mod texts;
mod tight;
mod ycsb;

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use crate::data::Data;
use crate::engine::{CACHE_BYTES, Engine, Keeping, Kind, Opening, Result};
use crate::figure::{Figure, workload_of};
use crate::machine;
use crate::measure::Caps;
use crate::steps::commits::put;
use crate::steps::reads::check_get;

/// Every workload, and the chain that yields it.
pub const WORKLOADS: &[(&str, &str)] = &[
    ("W1", "main"),
    ("W2", "main"),
    ("W3", "main"),
    ("W4", "main"),
    ("W5", "main"),
    ("W5t", "main"),
    ("W6", "main"),
    ("W7", "main"),
    ("W8", "main"),
    ("W9", "main"),
    ("W10", "main"),
    ("W11", "4k"),
    ("W11", "64k"),
    ("W12", "main"),
    ("W13", "open"),
    ("W13w", "open-write"),
    ("W14", "main"),
    ("W15", "main"),
    ("W16", "cold"),
    ("W16", "tight"),
    ("W17", "main"),
    ("W20", "main"),
    ("W18", "growth"),
    ("W18", "text-growth"),
    ("W19", "index"),
    ("W19", "reopen"),
    ("S1", "texts"),
    ("S2", "texts"),
    ("S3", "texts"),
    ("S4", "texts"),
];

/// The chain whose closed store `chain` begins with; every other begins with nothing.
pub fn follows(chain: &str) -> Option<&'static str> {
    match chain {
        "open" | "open-write" => Some("main"),
        "reopen" => Some("index"),
        _ => None,
    }
}

/// Whether a chain shows how time grows with the store, which one round of it does.
pub fn grows(chain: &str) -> bool {
    matches!(chain, "growth" | "text-growth")
}

/// What a chain is told.
pub struct Plan {
    /// The engine under test.
    pub kind: &'static Kind,
    /// Where its store lies.
    pub directory: PathBuf,
    /// What keys and values look like.
    pub data: Data,
    /// Keys 0 to this are loaded.
    pub keys: u64,
    /// What bounds each phase.
    pub caps: Caps,
    /// Seconds that W18 may take.
    pub growth_seconds: f64,
    /// Workloads that were asked for.
    pub workloads: Vec<String>,
}

/// A store under test.
pub struct Chain {
    plan: Plan,
    cache_bytes: usize,
    store: Option<(Opening, Box<dyn Engine>)>,
    /// Keys added behind the loaded ones.
    added: u64,
}

impl Chain {
    /// A chain that has not begun.
    pub fn new(plan: Plan) -> Chain {
        Chain {
            plan,
            cache_bytes: CACHE_BYTES,
            store: None,
            added: 0,
        }
    }

    /// Whether the workload was asked for.
    fn wants(&self, workload: &str) -> bool {
        self.plan.workloads.iter().any(|wanted| wanted == workload)
    }

    /// Whether any of them was.
    fn wants_any(&self, workloads: &[&str]) -> bool {
        workloads.iter().any(|workload| self.wants(workload))
    }

    /// The store, opened as `keeping` says; reopened if it was open otherwise.
    fn store(&mut self, keeping: Keeping) -> Result<&dyn Engine> {
        let opening = Opening {
            keeping,
            cache_bytes: self.cache_bytes,
        };
        if self
            .store
            .as_ref()
            .is_none_or(|(as_it_is, _)| *as_it_is != opening)
        {
            // The old handle first: most engines refuse to be opened twice.
            self.store = None;
            let opened = (self.plan.kind.open)(&self.plan.directory, opening)?;
            self.store = Some((opening, opened));
        }
        let (_, store) = self.store.as_ref().ok_or("the store is closed")?;
        Ok(&**store)
    }

    /// Prints a figure, if its workload was asked for, and at once: what a child that dies later
    /// has measured is not lost.
    fn note(&self, figure: Figure) -> Result<()> {
        if self.wants(workload_of(&figure.name)) {
            let mut out = std::io::stdout().lock();
            serde_json::to_writer(&mut out, &figure)?;
            writeln!(out)?;
            out.flush()?;
        }
        Ok(())
    }

    /// Runs the chain called `name`.
    pub fn run(&mut self, name: &str) -> Result<()> {
        match name {
            "main" => self.main(),
            "open" => self.open_and_read("W13"),
            "open-write" => self.open_and_commit(),
            "index" => self.count_memory(),
            "reopen" => self.open_and_read("W19-open"),
            "texts" => self.texts(),
            "text-growth" => self.text_growth(),
            "4k" => self.large_values("4k", 4 << 10),
            "64k" => self.large_values("64k", 64 << 10),
            "cold" => self.cold(),
            "tight" => self.tight(),
            "growth" => self.growth(),
            _ => Err(format!("no chain is called {name}").into()),
        }
    }

    /// The steps that share one store, in the order that leaves later ones their data.
    fn main(&mut self) -> Result<()> {
        let memory = machine::MemoryWatch::start();
        self.load()?;
        self.reads()?;
        self.durable_commits()?;
        self.read_beside_commits()?;
        self.commits_beside_compaction()?;
        self.unsynced_commits()?;
        self.ycsb()?;
        self.removals()?;
        self.note(Figure::still(
            "W14-anon",
            machine::megabytes(memory.peak_bytes()),
            "MB",
        ))?;
        self.compaction()
    }

    /// Opens the closed store and reads one key, in a process that has done nothing else: W13
    /// after all that the main chain did, W19 after a load alone.
    fn open_and_read(&mut self, name: &str) -> Result<()> {
        let key = self.plan.data.key(1);
        self.open_and(name, |store| {
            store.read(&mut |reader| check_get(reader, &key))
        })
    }

    /// W13w: opens the closed store and commits one key durably, so what an engine puts off when
    /// it opens is counted.
    fn open_and_commit(&mut self) -> Result<()> {
        let (data, mut value) = (self.plan.data, Vec::new());
        self.open_and("W13w", |store| {
            store.write(&mut |writer| put(writer, data, 1, 1, &mut value))
        })
    }

    fn open_and(&self, name: &str, mut work: impl FnMut(&dyn Engine) -> Result<()>) -> Result<()> {
        let opening = Opening {
            keeping: Keeping::Durable,
            cache_bytes: self.cache_bytes,
        };
        let began = Instant::now();
        let store = (self.plan.kind.open)(&self.plan.directory, opening)?;
        work(&*store)?;
        let milliseconds = began.elapsed().as_secs_f64() * 1000.0;
        // Closed after that, so that the next to open finds what it would find any day.
        drop(store);
        self.note(Figure::still(name, milliseconds, "ms"))
    }

    /// W19: what the engine counts of its memory for each key, after a load.
    fn count_memory(&mut self) -> Result<()> {
        let keys = self.plan.keys;
        self.put_all(0, keys, u64::MAX, Keeping::Durable)?;
        if let Some(memory) = self.store(Keeping::Durable)?.memory()? {
            if memory.keys != keys {
                return Err(format!("the engine counts {} of {keys} keys", memory.keys).into());
            }
            self.note(Figure::still("W19-memory", memory.beside_key_bytes, "B"))?;
        }
        self.store = None;
        Ok(())
    }
}
