//! How an engine brings its store to the laws.

use kv_api::{Result, Store};

use crate::Question;

/// One store in a place of its own.
///
/// A law makes a fixture, opens the store, and may close or drop it and open it again. At most
/// one handle is open at a time, and what it lent is dropped before it is opened again. The
/// fixture is dropped after everything else.
pub trait Fixture: Sized + 'static {
    /// The store under test.
    type Store: Store;

    /// A fresh place, with no store in it yet. It lasts as long as the fixture.
    fn new() -> Self;

    /// Opens the store of this place; the first time, makes it.
    fn open(&self) -> Result<Self::Store>;
}

/// A fixture whose engine can also open what it wrote as a backup.
pub trait BackupFixture: Fixture {
    /// Opens a second store, in a place of its own inside this fixture, made from the bytes of a
    /// backup.
    fn open_backup(&self, backup: &[u8]) -> Result<Self::Store>;
}

/// A fixture whose engine answers queries.
pub trait SearchFixture: Fixture {
    /// The question as the engine's snapshots read it.
    fn query(question: &Question) -> String;

    /// A text that they do not take for a query.
    fn not_a_query() -> &'static str;
}
