//! How far an exploration goes.

use crate::fault::Fault;

/// What the harness does after a step failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterFailure {
    /// Goes on with the same store: it must keep showing what was durable, whether it refuses
    /// further work or not.
    #[default]
    Continue,
    /// Drops the store and opens it again on the same disk, as a restarted process does whose
    /// machine stayed up: reads still show what a failed sync lost. What the opened store shows
    /// must from then on survive.
    Reopen,
}

/// The size and shape of an exploration.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The first workload's seed; the next has the next number.
    pub seed: u64,
    /// New workloads are run until so many states were judged.
    pub states: u64,
    /// But never more than so many workloads.
    pub workloads_max: u64,
    /// Distinct states per point of the log, at most.
    pub states_per_point: usize,
    /// How many of these are kept free for crashes by chance.
    pub random_per_point: usize,
    /// All subsets of the changes under way are tried for up to so many changes, at most 16.
    pub exhaustive_units: usize,
    /// Whether the sector being written may turn to noise (tier T1': no engine that appends to a
    /// sector with promised bytes in it can survive that).
    pub scramble: bool,
    /// The recovery of every so-manieth state is itself crashed everywhere; 0 for none.
    pub double_every: u64,
    /// Distinct states per point of a recovery, at most.
    pub double_per_point: usize,
    /// Threads to judge states on.
    pub threads: usize,
    /// The exploration ends after so many bad states.
    pub failures_max: u64,
    /// Armed anew on every workload's disk.
    pub faults: Vec<Fault>,
    /// What follows a step that failed.
    pub after_failure: AfterFailure,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            seed: 1,
            states: 10_000,
            workloads_max: 1_000,
            states_per_point: 160,
            random_per_point: 16,
            exhaustive_units: 6,
            scramble: false,
            double_every: 100,
            double_per_point: 24,
            threads: 1,
            failures_max: 100,
            faults: Vec::new(),
            after_failure: AfterFailure::Continue,
        }
    }
}
