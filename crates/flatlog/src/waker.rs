//! What wakes the background thread.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Wakes the thread.
#[derive(Clone, Debug)]
pub(crate) struct Waker(SyncSender<()>);

impl Waker {
    /// There may be something to do.
    pub(crate) fn wake(&self) {
        match self.0.try_send(()) {
            // Awake already, or gone with its store.
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }
}

/// A waker, and what its thread waits on.
pub(crate) fn waker() -> (Waker, Receiver<()>) {
    let (sender, receiver) = sync_channel(1);
    (Waker(sender), receiver)
}
