//! What is counted while a tree changes.

use std::iter::Sum;
use std::ops::Add;

/// What was counted while trees changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeCounts {
    /// Pages brought into memory as nodes.
    pub nodes: u64,
    /// Nodes merged or dropped because too little was left in them.
    pub rebalances: u64,
    /// Nodes added by splits.
    pub splits: u64,
    /// Nodes written to pages.
    pub spills: u64,
}

impl Add for TreeCounts {
    type Output = TreeCounts;

    fn add(self, other: TreeCounts) -> TreeCounts {
        TreeCounts {
            nodes: self.nodes + other.nodes,
            rebalances: self.rebalances + other.rebalances,
            splits: self.splits + other.splits,
            spills: self.spills + other.spills,
        }
    }
}

impl Sum for TreeCounts {
    fn sum<I: Iterator<Item = TreeCounts>>(counts: I) -> TreeCounts {
        counts.fold(TreeCounts::default(), Add::add)
    }
}

impl TreeCounts {
    /// What was counted since `earlier`.
    pub fn since(self, earlier: TreeCounts) -> TreeCounts {
        TreeCounts {
            nodes: self.nodes.saturating_sub(earlier.nodes),
            rebalances: self.rebalances.saturating_sub(earlier.rebalances),
            splits: self.splits.saturating_sub(earlier.splits),
            spills: self.spills.saturating_sub(earlier.spills),
        }
    }
}
