//! The workloads, as steps of a chain on one store.

mod commits;
mod reads;

use std::path::PathBuf;

use crate::data::Data;
use crate::engine::{Engine, Keeping, Kind, Result};
use crate::figure::{Figure, workload_of};
use crate::machine;
use crate::measure::{Caps, EACH, measure};
use crate::steps::reads::check_get;

/// A store under test and what it is filled with.
pub struct Chain {
    pub kind: &'static Kind,
    pub directory: PathBuf,
    pub data: Data,
    /// Keys 0 to this are loaded.
    pub keys: u64,
    pub caps: Caps,
    /// Workloads that were asked for.
    pub wanted: Vec<String>,
    store: Option<(Keeping, Box<dyn Engine>)>,
    figures: Vec<Figure>,
}

impl Chain {
    /// A chain that has not begun.
    pub fn new(
        kind: &'static Kind,
        directory: PathBuf,
        data: Data,
        keys: u64,
        caps: Caps,
        wanted: Vec<String>,
    ) -> Chain {
        Chain {
            kind,
            directory,
            data,
            keys,
            caps,
            wanted,
            store: None,
            figures: Vec::new(),
        }
    }

    /// Whether the workload was asked for.
    fn wants(&self, workload: &str) -> bool {
        self.wanted.iter().any(|wanted| wanted == workload)
    }

    /// The store, opened as `keeping` says; reopened if it was open otherwise.
    fn store(&mut self, keeping: Keeping) -> Result<&dyn Engine> {
        let fits = |(as_it_is, _): &(Keeping, _)| *as_it_is == keeping;
        if !self.store.as_ref().is_some_and(fits) {
            // The old handle first: most engines refuse to be opened twice.
            self.store = None;
            let opened = (self.kind.open)(&self.directory, keeping)?;
            self.store = Some((keeping, opened));
        }
        let (_, store) = self.store.as_ref().ok_or("the store is closed")?;
        Ok(&**store)
    }

    /// Notes a figure, if its workload was asked for, and prints it at once: what a child that
    /// dies later has measured is not lost.
    fn note(&mut self, figure: Figure) -> Result<()> {
        if self.wants(workload_of(&figure.name)) {
            use std::io::Write;
            let mut out = std::io::stdout().lock();
            serde_json::to_writer(&mut out, &figure)?;
            writeln!(out)?;
            out.flush()?;
            self.figures.push(figure);
        }
        Ok(())
    }

    /// Runs every step that was asked for, in the order that leaves later ones their data.
    pub fn run(&mut self) -> Result<()> {
        let memory = machine::MemoryWatch::start();
        self.load()?;
        self.reads()?;
        self.durable_commits()?;
        self.unsynced_commits()?;
        self.removals()?;
        self.store = None;
        if self.wants("W14") {
            let peak = memory.peak_bytes();
            self.note(Figure::still("W14-anon", megabytes(peak), "MB"))?;
        }
        Ok(())
    }
}

impl Chain {
    /// W13: opens the closed store and reads one key, in a process that has done nothing else.
    pub fn open_once(&mut self) -> Result<()> {
        let key = self.data.key(1);
        let caps = Caps {
            operations: 1,
            ..self.caps
        };
        let (kind, directory) = (self.kind, self.directory.clone());
        let measured = measure(caps, EACH, 1, |_, budget| {
            budget.spend(1);
            let store = (kind.open)(&directory, Keeping::Durable)?;
            store.read(&mut |reader| check_get(reader, &key))?;
            // Closing is not part of it.
            std::mem::forget(store);
            Ok(())
        })?;
        let milliseconds = measured.seconds() * 1000.0;
        self.note(measured.figure("W13", milliseconds, "ms"))
    }
}

/// Bytes as megabytes.
#[expect(clippy::cast_precision_loss, reason = "bytes of one run fit 53 bits")]
pub fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
