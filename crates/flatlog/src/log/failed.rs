//! What a failed step of writing means for what goes on.

use kv_api::Error;

/// A step that failed, and what that means.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: Error,
    /// Nothing may be written any more.
    pub(crate) poisons: bool,
    /// What was to be committed may be found after reopening.
    pub(crate) in_doubt: bool,
}

impl Failed {
    /// Nothing happened, and all may go on.
    pub(crate) fn refused(error: Error) -> Failed {
        Failed {
            error,
            poisons: false,
            in_doubt: false,
        }
    }

    /// Nothing was committed, but nothing more may be.
    pub(crate) fn broken(error: Error) -> Failed {
        Failed {
            error,
            poisons: true,
            in_doubt: false,
        }
    }

    /// Reopening tells.
    pub(crate) fn doubtful(error: Error) -> Failed {
        Failed {
            error,
            poisons: true,
            in_doubt: true,
        }
    }

    /// A refusal for space is harmless, anything else is not.
    pub(crate) fn by_kind(error: Error) -> Failed {
        match error {
            Error::NoSpace { .. } => Failed::refused(error),
            _ => Failed::broken(error),
        }
    }
}
