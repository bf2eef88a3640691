//! Whose turn it is to write.
//!
//! Invariant: `taken` is true exactly while one [`Turn`] lives.

use std::sync::{Arc, Condvar, Mutex};

#[derive(Default)]
pub(super) struct Turns {
    taken: Mutex<bool>,
    given_back: Condvar,
}

/// The right to write; dropping it gives it back.
pub(super) struct Turn {
    turns: Arc<Turns>,
}

impl Turns {
    pub(super) fn take(turns: &Arc<Turns>) -> Turn {
        let taken = turns.taken.lock().unwrap();
        let mut taken = turns.given_back.wait_while(taken, |taken| *taken).unwrap();
        *taken = true;
        Turn {
            turns: Arc::clone(turns),
        }
    }

    pub(super) fn try_take(turns: &Arc<Turns>) -> Option<Turn> {
        let mut taken = turns.taken.lock().unwrap();
        if *taken {
            return None;
        }
        *taken = true;
        Some(Turn {
            turns: Arc::clone(turns),
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *self.turns.taken.lock().unwrap() = false;
        self.turns.given_back.notify_one();
    }
}
