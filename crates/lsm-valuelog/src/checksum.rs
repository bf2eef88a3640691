//! When the checksums of blocks are verified.

/// When the checksums of tables' blocks are verified.
///
/// Checksums of what finds blocks (footers, indexes, filters, the manifest) and of logs are
/// always verified before they are used. Those of values in the value log are verified whenever a
/// value is read, unless nothing is to be. In an encrypted store every block and value is
/// authenticated by being opened, whatever is chosen here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChecksumMode {
    /// Not at all. Damage may then be read as if it had been written; it is never worse than
    /// that.
    Never,
    /// All blocks of all tables when the store is opened, and not again: damage that is there is
    /// found at once, and opening takes as long as reading all tables.
    OnOpen,
    /// A block when it is read first, or whenever it is read where tables are not mapped.
    #[default]
    OnRead,
    /// Both.
    OnOpenAndRead,
}

impl ChecksumMode {
    pub(crate) const fn is_on_open(self) -> bool {
        matches!(self, ChecksumMode::OnOpen | ChecksumMode::OnOpenAndRead)
    }

    pub(crate) const fn is_on_read(self) -> bool {
        matches!(self, ChecksumMode::OnRead | ChecksumMode::OnOpenAndRead)
    }
}
