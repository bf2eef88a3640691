//! Looking for damage.

use crate::{Place, Result};

/// One thing found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub place: Place,
    /// What.
    pub what: String,
}

/// What a check looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckSummary {
    /// Findings reported.
    pub findings: u64,
    /// Units examined: pages, blocks or records, whatever the engine is made of.
    pub units: u64,
}

/// A store that can account for every byte it believes to own.
///
/// Law: a store that only this engine wrote has no findings, whatever was done to it.
pub trait Check {
    /// Examines the newest version, reporting each finding as it is met.
    ///
    /// # Errors
    ///
    /// Only failures that keep the check from going on; damage is a finding.
    fn check(&self, report: &mut dyn FnMut(Finding)) -> Result<CheckSummary>;
}
