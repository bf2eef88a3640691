//! The engines by name.

use std::fmt;

use kv_api::{Error, Result};

/// An engine, whether or not this build has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// A copy-on-write B+tree in one file of bbolt's format.
    Bolt,
    /// A log-structured merge tree with a value log, in a directory.
    Lsm,
    /// Sorted arrays in memory with an append log, in a directory.
    Flat,
}

impl Engine {
    /// Every engine, in the order they are named in lists.
    pub const ALL: [Engine; 3] = [Engine::Bolt, Engine::Lsm, Engine::Flat];

    /// The name, which is also the scheme of a [`Location`](crate::Location).
    pub fn name(self) -> &'static str {
        match self {
            Engine::Bolt => "bolt",
            Engine::Lsm => "lsm",
            Engine::Flat => "flat",
        }
    }

    /// The engine called `name`.
    pub fn from_name(name: &str) -> Option<Engine> {
        Engine::ALL.into_iter().find(|engine| engine.name() == name)
    }

    /// Whether this build can open it.
    pub fn is_built_in(self) -> bool {
        match self {
            Engine::Bolt => cfg!(feature = "bolt"),
            Engine::Flat => cfg!(feature = "flat"),
            Engine::Lsm => cfg!(feature = "lsm"),
        }
    }

    /// The engines this build can open.
    pub fn built_in() -> impl Iterator<Item = Engine> {
        Engine::ALL
            .into_iter()
            .filter(|engine| engine.is_built_in())
    }

    /// Refuses an engine that this build does not have.
    pub(crate) fn require(self) -> Result<()> {
        if self.is_built_in() {
            return Ok(());
        }
        Err(Error::Unsupported {
            what: match self {
                Engine::Bolt => "this build has no bolt engine",
                Engine::Lsm => "this build has no lsm engine",
                Engine::Flat => "this build has no flat engine",
            },
        })
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
