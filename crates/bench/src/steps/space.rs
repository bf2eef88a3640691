//! W10: what the store takes on the device, and its own compaction.

use std::time::Instant;

use crate::engine::{Keeping, Result};
use crate::figure::Figure;
use crate::machine::bytes_on_disk;
use crate::steps::Chain;

impl Chain {
    /// Notes the size of the store over the bytes of `live` entries.
    #[expect(clippy::cast_precision_loss, reason = "bytes of one run fit 53 bits")]
    pub(super) fn note_space(&self, name: &str, live: u64) -> Result<()> {
        let live_bytes = live * self.plan.data.entry_bytes();
        let share = bytes_on_disk(&self.plan.directory)? as f64 / live_bytes as f64;
        self.note(Figure::still(name, share, "x"))
    }

    /// The size after everything so far, the time of a compaction, and the size after it.
    pub(super) fn compaction(&mut self) -> Result<()> {
        if !self.wants("W10") {
            return Ok(());
        }
        let live = self.count()?;
        self.note_space("W10-removed", live)?;
        let seconds = self.compact()?;
        self.note(Figure::still("W10-compaction", seconds, "s"))?;
        self.note_space("W10-compacted", live)?;
        let left = self.count()?;
        if self.wants("W8") {
            self.full_scan("W8-compacted", false)?;
        }
        if left == live {
            Ok(())
        } else {
            Err(format!("compaction left {left} of {live} entries").into())
        }
    }

    /// Compacts the store; answers the seconds that took. Closes and opens it again, so that
    /// what an engine removes at those moments is gone.
    pub(super) fn compact(&mut self) -> Result<f64> {
        self.store = None;
        let began = Instant::now();
        (self.plan.kind.compact)(&self.plan.directory)?;
        let seconds = began.elapsed().as_secs_f64();
        self.store(Keeping::Durable)?;
        self.store = None;
        Ok(seconds)
    }
}
