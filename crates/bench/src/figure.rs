//! What a phase found: one figure, on its way from the child to the report.

use serde::{Deserialize, Serialize};

/// One measured figure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figure {
    /// Its name: a workload's, with a suffix where one yields several (`W5-2`, `W8-back`).
    pub name: String,
    /// The figure.
    pub value: f64,
    /// Its unit.
    pub unit: String,
    /// How long the phase took.
    pub seconds: f64,
    /// How many operations it did.
    pub operations: u64,
    /// Cores that others kept busy meanwhile.
    pub foreign_cores: f64,
}

/// Units of which less is better; of every other, more is.
pub const LESS_IS_BETTER: [&str; 6] = ["us", "ms", "s", "x", "MB", "B"];

impl Figure {
    /// A figure that took no time of its own.
    pub fn still(name: impl Into<String>, value: f64, unit: &str) -> Figure {
        Figure {
            name: name.into(),
            value,
            unit: unit.to_owned(),
            seconds: 0.0,
            operations: 0,
            foreign_cores: 0.0,
        }
    }

    /// Whether a smaller value is the better one.
    pub fn less_is_better(&self) -> bool {
        LESS_IS_BETTER.contains(&self.unit.as_str())
    }
}

/// The workload that yields the figure called `name`.
pub fn workload_of(name: &str) -> &str {
    name.split('-').next().unwrap_or(name)
}
