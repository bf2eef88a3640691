//! A space resolved to a small copyable id.

/// A named set of pairs inside a store, resolved once per snapshot or transaction.
///
/// A `Space` is only meaningful to the reader that resolved it: `owner` is that reader's stamp,
/// and an engine answers [`Error::ForeignSpace`](crate::Error::ForeignSpace) to another's.
/// [`Space::DEFAULT`] exists in every store and belongs to every reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Space {
    id: u64,
    owner: u64,
}

impl Space {
    /// The space every store has from the beginning and cannot drop.
    pub const DEFAULT: Space = Space {
        id: u64::MAX,
        owner: 0,
    };

    /// For engines: an id of your own choosing with the stamp of the reader that resolved it.
    /// A stamp is never 0.
    pub const fn new(id: u64, owner: u64) -> Space {
        Space { id, owner }
    }

    /// The engine's own id.
    pub const fn id(self) -> u64 {
        self.id
    }

    /// The stamp of the reader that resolved this space; 0 for the default space.
    pub const fn owner(self) -> u64 {
        self.owner
    }

    /// Whether this is [`Space::DEFAULT`].
    pub const fn is_default(self) -> bool {
        self.owner == 0
    }
}
