//! What can be wrong with a history, and what was found.

use std::fmt;

use crate::history::record::{Key, TransactionId, Version};

/// Why one transaction comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Edge {
    /// The second replaced what the first wrote.
    WriteWrite,
    /// The second read what the first wrote.
    WriteRead,
    /// The second replaced what the first read.
    ReadWrite,
    /// The second put a key where the first, reading a range, found none.
    Phantom,
    /// The first had ended when the second began.
    Time,
}

/// What a cycle is called, by the edges it is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CycleKind {
    /// Writes alone: two transactions each overwrote the other.
    WriteCycle,
    /// Writes and reads of them: information flowed in a circle.
    CircularInformation,
    /// One read that was overtaken: a transaction saw part of another.
    ReadSkew,
    /// Several reads that were overtaken: each acted on what the other changed.
    WriteSkew,
    /// The same, where a range was read into which the other put a key.
    Phantom,
    /// It takes the clock to close it: somebody saw what was no longer so.
    Stale,
}

/// One step of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The transaction.
    pub transaction: TransactionId,
    /// Why it comes before the next one.
    pub edge: Edge,
}

/// Something that serializable transactions cannot have seen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Anomaly {
    /// A value was read that nobody wrote to this key.
    Garbage {
        /// Who read it.
        reader: TransactionId,
        /// The key.
        key: Key,
        /// What was read.
        version: Version,
    },
    /// A value was read whose transaction was rolled back.
    AbortedRead {
        /// Who read it.
        reader: TransactionId,
        /// The key.
        key: Key,
        /// What was read.
        version: Version,
    },
    /// A value was read that its own transaction replaced.
    IntermediateRead {
        /// Who read it.
        reader: TransactionId,
        /// The key.
        key: Key,
        /// What was read.
        version: Version,
    },
    /// A transaction did not see its own write, or saw a key in two ways.
    Internal {
        /// Who read it.
        reader: TransactionId,
        /// The key.
        key: Key,
        /// What it must have seen.
        expected: Option<Version>,
        /// What it saw.
        found: Option<Version>,
    },
    /// Two transactions replaced the same version.
    LostUpdate {
        /// The key.
        key: Key,
        /// The version that both replaced.
        replaced: Option<Version>,
        /// Who did.
        writers: [TransactionId; 2],
    },
    /// Each of these comes before the next, and the last before the first.
    Cycle {
        /// What it is called.
        kind: CycleKind,
        /// Its steps.
        steps: Vec<Step>,
    },
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Anomaly::Cycle { kind, steps } => {
                write!(f, "{kind:?}:")?;
                for step in steps {
                    write!(f, " {} -{:?}->", step.transaction.0, step.edge)?;
                }
                Ok(())
            }
            other => write!(f, "{other:?}"),
        }
    }
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Anomalies, the first ones of them.
    pub anomalies: Vec<Anomaly>,
    /// How many there are.
    pub count: u64,
    /// Acknowledged transactions that were looked at.
    pub transactions: u64,
    /// Dependencies among them, the clock's included.
    pub edges: u64,
    pub(crate) kept_max: usize,
}

impl Findings {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.count == 0
    }

    /// Whether a cycle of this kind is among those kept.
    pub fn has_cycle(&self, wanted: CycleKind) -> bool {
        self.anomalies
            .iter()
            .any(|anomaly| matches!(anomaly, Anomaly::Cycle { kind, .. } if *kind == wanted))
    }

    pub(crate) fn report(&mut self, anomaly: Anomaly) {
        self.count += 1;
        if self.anomalies.len() < self.kept_max {
            self.anomalies.push(anomaly);
        }
    }
}
