//! What a bank did, and what a store did wrong.

use std::fmt;

use kv_api::Error;

/// What a bank did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BankReport {
    /// Transfers that were acknowledged.
    pub transfers: u64,
    /// Transactions that met a conflict and were tried again.
    pub conflicts: u64,
    /// Transfers given up because an account had too little, or was closed.
    pub abandoned: u64,
    /// Accounts opened or closed.
    pub turnovers: u64,
    /// Audits, each of every account.
    pub audits: u64,
    /// Accounts looked up.
    pub look_ups: u64,
}

/// What a store did wrong.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Violation {
    /// The balances do not add up.
    Sum {
        /// What they should add up to.
        expected: u64,
        /// What they do.
        found: u64,
    },
    /// There are more or fewer accounts than the bank counts.
    Count {
        /// What the bank counts.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// An account that is never closed was not found.
    Missing {
        /// The account.
        account: u32,
    },
    /// Two looks at one account in one snapshot or transaction differ.
    Unstable {
        /// The account.
        account: u32,
    },
    /// A value that nobody wrote.
    Malformed {
        /// Its key.
        key: Vec<u8>,
    },
    /// An acknowledged transfer is missing, or a refused one is there.
    Ledger {
        /// The account.
        account: u32,
        /// The balance that acknowledged transfers add up to; none if it is closed.
        expected: Option<u64>,
        /// The balance it has.
        found: Option<u64>,
    },
    /// The store refused.
    Failed(Error),
}

impl From<Error> for Violation {
    fn from(error: Error) -> Violation {
        Violation::Failed(error)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::Sum { expected, found } => {
                write!(f, "the balances add up to {found}, not {expected}")
            }
            Violation::Count { expected, found } => {
                write!(f, "{found} accounts are open, not {expected}")
            }
            Violation::Missing { account } => write!(f, "account {account} is missing"),
            Violation::Unstable { account } => {
                write!(f, "account {account} changed inside one version")
            }
            Violation::Malformed { key } => write!(f, "nobody wrote the value of {key:?}"),
            Violation::Ledger {
                account,
                expected,
                found,
            } => write!(
                f,
                "account {account} has {found:?}, but the acknowledged transfers make {expected:?}"
            ),
            Violation::Failed(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Violation {}
