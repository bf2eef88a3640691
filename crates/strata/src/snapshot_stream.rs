//! A whole version as a stream of bytes, and a store's contents taken from one.

use std::io::{Read, Write};

use kv_api::Result;

/// How far a stream has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamProgress {
    /// Pairs done.
    pub pairs: u64,
    /// Pairs in all.
    pub pairs_total: u64,
    /// Bytes of the stream done.
    pub bytes: u64,
}

/// Told how far a stream has come; answers whether to go on.
pub type StreamReport<'a> = &'a mut dyn FnMut(StreamProgress) -> bool;

/// A snapshot that can be written out whole.
pub trait SnapshotStream: Sync {
    /// Writes all spaces and pairs to `to` and answers the number of bytes. Others read and write
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// `Io` where `to` fails or `report` answers `false`.
    fn write_stream(&self, to: &mut dyn Write, report: StreamReport<'_>) -> Result<u64>;
}

/// A store that takes its whole contents from a stream of its own engine.
///
/// Law: interrupted anywhere, cancelled, or fed a stream that is cut or changed, the store is
/// what it was; else it is what the stream's snapshot was, commit indexes included.
pub trait Restore {
    /// Replaces everything by what `from` holds.
    ///
    /// # Errors
    ///
    /// `Corrupt` for bytes that are no whole stream, `Io` where `from` fails or `report` answers
    /// `false`.
    fn restore_stream(&self, from: &mut dyn Read, report: StreamReport<'_>) -> Result<()>;
}
