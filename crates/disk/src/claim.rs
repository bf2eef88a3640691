//! One owner per file within this process.
//!
//! The operating system's lock keeps other processes out, but it answers a second opening in the
//! same process by waiting for the first, which may be the waiting thread's own.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::FileIdentity;

static CLAIMED: Mutex<BTreeSet<FileIdentity>> = Mutex::new(BTreeSet::new());

fn claimed() -> MutexGuard<'static, BTreeSet<FileIdentity>> {
    // The set is whole after every step, so a panic elsewhere cannot have torn it.
    CLAIMED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that this process has claimed; dropping the claim gives it up.
#[derive(Debug)]
pub struct Claim(FileIdentity);

impl Claim {
    /// Claims a file; `None` if this process holds it already.
    pub fn take(identity: FileIdentity) -> Option<Claim> {
        // Made only when it is to be given: dropping one gives the claim up.
        claimed().insert(identity).then(|| Claim(identity))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        claimed().remove(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_claimed_once_and_again_after_release() {
        let identity = FileIdentity {
            device: u64::MAX,
            inode: 1,
        };
        let claim = Claim::take(identity);
        assert!(claim.is_some());
        assert!(Claim::take(identity).is_none());
        drop(claim);
        assert!(Claim::take(identity).is_some());
    }
}
