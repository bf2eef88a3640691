//! Counters of a database at one moment, and the difference of two such moments.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::counters::Counters;

/// Counters of a database at one moment.
///
/// The first group are gauges of the last write transaction; the rest only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Pages free for the taking.
    pub free_pages: u64,
    /// Pages freed that a version still held may need.
    pub pending_pages: u64,
    /// Bytes of those pages.
    pub free_bytes: u64,
    /// Bytes the freelist takes, or would take, in the file.
    pub freelist_bytes: u64,
    /// Snapshots open now.
    pub snapshots_open: u64,

    /// Snapshots begun.
    pub snapshots_begun: u64,
    /// Write transactions committed.
    pub commits: u64,
    /// Write transactions rolled back.
    pub rollbacks: u64,
    /// Pages allocated.
    pub pages_allocated: u64,
    /// Bytes of those pages.
    pub allocated_bytes: u64,
    /// Cursors made.
    pub cursors: u64,
    /// Pages brought into memory to be changed.
    pub nodes: u64,
    /// Nodes merged.
    pub rebalances: u64,
    /// Nodes added by splits.
    pub splits: u64,
    /// Nodes written to pages.
    pub spills: u64,
    /// Runs of pages and metas written.
    pub writes: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// Syncs of the file.
    pub syncs: u64,
    /// Time spent merging and splitting.
    pub settle_ns: u64,
    /// Time spent writing.
    pub write_ns: u64,
    /// Time spent syncing.
    pub sync_ns: u64,
}

impl Statistics {
    pub(crate) fn read(counters: &Counters, page_bytes: u64) -> Statistics {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        let (free_pages, pending_pages) = (get(&counters.free_pages), get(&counters.pending_pages));
        // Ended first: a snapshot that ends in between must not make the difference negative.
        let ended = get(&counters.snapshots_ended);
        let begun = get(&counters.snapshots_begun);
        Statistics {
            free_pages,
            pending_pages,
            free_bytes: (free_pages + pending_pages) * page_bytes,
            freelist_bytes: get(&counters.freelist_bytes),
            snapshots_open: begun.saturating_sub(ended),
            snapshots_begun: begun,
            commits: get(&counters.commits),
            rollbacks: get(&counters.rollbacks),
            pages_allocated: get(&counters.pages_allocated),
            allocated_bytes: get(&counters.pages_allocated) * page_bytes,
            cursors: get(&counters.cursors),
            nodes: get(&counters.nodes),
            rebalances: get(&counters.rebalances),
            splits: get(&counters.splits),
            spills: get(&counters.spills),
            writes: get(&counters.writes),
            bytes_written: get(&counters.bytes_written),
            syncs: get(&counters.syncs),
            settle_ns: get(&counters.settle_ns),
            write_ns: get(&counters.write_ns),
            sync_ns: get(&counters.sync_ns),
        }
    }

    /// What happened since `earlier`: gauges as they are now, counters as differences.
    pub fn since(&self, earlier: &Statistics) -> Statistics {
        let mut difference = *self;
        let pairs = difference
            .growing()
            .into_iter()
            .zip({ *earlier }.growing().map(|then| *then));
        for (now, then) in pairs {
            *now = now.saturating_sub(then);
        }
        difference
    }

    fn growing(&mut self) -> [&mut u64; 16] {
        [
            &mut self.snapshots_begun,
            &mut self.commits,
            &mut self.rollbacks,
            &mut self.pages_allocated,
            &mut self.allocated_bytes,
            &mut self.cursors,
            &mut self.nodes,
            &mut self.rebalances,
            &mut self.splits,
            &mut self.spills,
            &mut self.writes,
            &mut self.bytes_written,
            &mut self.syncs,
            &mut self.settle_ns,
            &mut self.write_ns,
            &mut self.sync_ns,
        ]
    }

    /// Every figure with its name, in the order they are declared.
    pub fn fields(&self) -> [(&'static str, u64); 21] {
        [
            ("free_pages", self.free_pages),
            ("pending_pages", self.pending_pages),
            ("free_bytes", self.free_bytes),
            ("freelist_bytes", self.freelist_bytes),
            ("snapshots_open", self.snapshots_open),
            ("snapshots_begun", self.snapshots_begun),
            ("commits", self.commits),
            ("rollbacks", self.rollbacks),
            ("pages_allocated", self.pages_allocated),
            ("allocated_bytes", self.allocated_bytes),
            ("cursors", self.cursors),
            ("nodes", self.nodes),
            ("rebalances", self.rebalances),
            ("splits", self.splits),
            ("spills", self.spills),
            ("writes", self.writes),
            ("bytes_written", self.bytes_written),
            ("syncs", self.syncs),
            ("settle_ns", self.settle_ns),
            ("write_ns", self.write_ns),
            ("sync_ns", self.sync_ns),
        ]
    }
}
