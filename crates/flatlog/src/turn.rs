//! The right to be the one write transaction.
//!
//! Invariant: the store is `busy` exactly while one turn is held or its commit is being queued.

use std::sync::Arc;

use kv_api::{Error, Result};

use crate::shared::Shared;

/// Looks at a turn that is taken before going to sleep, and pauses between them. Most transactions
/// are shorter than falling asleep and waking up.
const LOOKS: u32 = 20;
const PAUSES: u32 = 10;

/// Held by a transaction until it commits or is dropped.
pub(crate) struct Turn {
    pub(crate) shared: Arc<Shared>,
    /// Given back by committing.
    held: bool,
}

/// What the next commit is built on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base {
    /// The index of the last commit queued.
    pub(crate) last_index: u64,
    pub(crate) next_space: u32,
    /// How often queued commits had been refused.
    pub(crate) refusals: u64,
}

impl Turn {
    /// Takes the turn once it is free; at once or not at all if `tries`.
    pub(crate) fn take(shared: &Arc<Shared>, tries: bool) -> Result<Option<(Turn, Base)>> {
        if shared.options.read_only {
            return Err(Error::ReadOnly);
        }
        let mut state = shared.lock();
        let mut looks = LOOKS;
        loop {
            let refused = match state.root {
                Some(_) => state.refuse_poisoned(),
                None => Err(Error::Closed),
            };
            if let Err(error) = refused {
                // The turn stays free for others, who must learn the same.
                shared.release(state);
                return Err(error);
            }
            match (state.busy, tries) {
                (false, _) => break,
                (true, true) => return Ok(None),
                (true, false) if looks > 0 => {
                    looks -= 1;
                    drop(state);
                    (0..PAUSES).for_each(|_| std::hint::spin_loop());
                    state = shared.lock();
                }
                (true, false) => state = shared.wait_for_turn(state),
            }
        }
        state.busy = true;
        let base = Base {
            last_index: state.last_index,
            next_space: state.next_space,
            refusals: state.refusals,
        };
        let turn = Turn {
            shared: Arc::clone(shared),
            held: true,
        };
        Ok(Some((turn, base)))
    }

    /// Leaves it to the commit to give the turn back.
    pub(crate) fn hand_over(&mut self) {
        self.held = false;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.held {
            let mut state = self.shared.lock();
            state.busy = false;
            self.shared.release(state);
        }
    }
}
