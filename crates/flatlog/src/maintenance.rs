//! The thread that compacts segments and writes checkpoints by itself.
//!
//! It is woken when a segment was ended, for only then is there something new to look at. It holds
//! the store by a weak reference, so that it never keeps one open.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Weak};

use kv_api::{Error, Result};

use crate::close::checkpoint;
use crate::compact::compact_worst;
use crate::shared::Shared;

/// Starts the thread. It ends with the store: then its waker is gone.
pub(crate) fn start(shared: &Arc<Shared>, woken: Receiver<()>) -> Result<()> {
    let shared = Arc::downgrade(shared);
    let thread = std::thread::Builder::new().name("flatlog".into());
    thread
        .spawn(move || run(&shared, &woken))
        .map(drop)
        .map_err(|error| Error::io("starting the store's own thread", error))
}

fn run(shared: &Weak<Shared>, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if let Err(error) = tidy(&shared) {
            // The writers meet whatever it was themselves; a closed store needs no tidying.
            tracing::debug!(%error, "background work ended early");
        }
    }
}

/// Compacts what is worth it, then writes a checkpoint if the log behind the last one is long.
pub(crate) fn tidy(shared: &Shared) -> Result<()> {
    while compact_worst(shared, shared.options.dead_percent)? {}
    let behind = shared.lead(|log, _| Ok((log.since_checkpoint, None)))?;
    if behind >= shared.options.checkpoint_bytes {
        checkpoint(shared)?;
    }
    Ok(())
}
