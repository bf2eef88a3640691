//! What the store does by itself: compacts segments and writes checkpoints.

use kv_api::Result;

use crate::close::checkpoint;
use crate::compact::compact_worst;
use crate::db::Db;
use crate::shared::Shared;

impl Db {
    /// Does at once what the background thread does when a segment was ended: compacts segments
    /// with many dead bytes, and writes a checkpoint if the log behind the last one is long.
    pub fn tidy(&self) -> Result<()> {
        tidy(&self.shared, &|| true)
    }
}

/// Compacts what is worth it, then writes a checkpoint if the log behind the last one is long; as
/// long as `goes_on` says so.
pub(crate) fn tidy(shared: &Shared, goes_on: &dyn Fn() -> bool) -> Result<()> {
    while goes_on() && compact_worst(shared, shared.options.dead_percent, goes_on)? {}
    if !goes_on() {
        return Ok(());
    }
    let behind = shared.lead(|log, _| Ok((log.since_checkpoint, None)))?;
    if behind >= shared.options.checkpoint_bytes && goes_on() {
        checkpoint(shared)?;
    }
    Ok(())
}
