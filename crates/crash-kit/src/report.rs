//! What an exploration found.

use std::fmt;

/// What is wrong with a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// A promised commit is missing.
    Lost,
    /// The contents are those of no moment in the run.
    Partial,
    /// A commit is visible that was refused, or before it was durable.
    Phantom,
    /// Opening failed, a check found damage, a promise of a view was broken, a call panicked.
    Other,
}

/// One bad state.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What is wrong.
    pub class: Class,
    /// What was seen.
    pub what: String,
    /// Names the state for [`replay`](crate::replay).
    pub id: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {} [replay {}]", self.class, self.what, self.id)
    }
}

/// What an exploration did and found. `{}` is one line; `{:#}` adds the failures kept.
#[derive(Clone, Debug)]
pub struct Report {
    /// The subject's name.
    pub engine: String,
    /// Workloads run.
    pub workloads: u64,
    /// Distinct states after one crash.
    pub states: u64,
    /// Distinct states after a crash during recovery.
    pub double: u64,
    /// States with a promised commit missing.
    pub lost: u64,
    /// States with contents of no moment.
    pub partial: u64,
    /// States with a commit that must not be there.
    pub phantom: u64,
    /// States bad in another way.
    pub other: u64,
    /// Time taken.
    pub secs: f64,
    /// The first failures.
    pub failures: Vec<Failure>,
}

impl Report {
    /// Whether every state was good. No states are no proof: look at the counts as well.
    pub fn is_clean(&self) -> bool {
        self.failed() == 0
    }

    /// The number of bad states.
    pub fn failed(&self) -> u64 {
        self.lost + self.partial + self.phantom + self.other
    }

    /// Whether a failure of this class was met.
    pub fn found(&self, class: Class) -> bool {
        0 < match class {
            Class::Lost => self.lost,
            Class::Partial => self.partial,
            Class::Phantom => self.phantom,
            Class::Other => self.other,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "crash engine={} states={} double={} lost={} partial={} phantom={}",
            self.engine, self.states, self.double, self.lost, self.partial, self.phantom
        )?;
        if self.other > 0 {
            write!(f, " other={}", self.other)?;
        }
        write!(f, " secs={:.1}", self.secs)?;
        if f.alternate() {
            for failure in &self.failures {
                write!(f, "\n  {failure}")?;
            }
        }
        Ok(())
    }
}
