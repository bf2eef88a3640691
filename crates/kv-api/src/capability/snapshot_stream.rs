//! The whole state as a stream of bytes, and back: how a Raft group brings a new member up to date.

use std::io::{Read, Write};

use crate::Result;

/// How far a snapshot stream has been written or read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Pairs done.
    pub pairs: u64,
    /// Pairs in all; 0 while that is not known.
    pub pairs_total: u64,
    /// Bytes of the stream done.
    pub bytes: u64,
}

/// Told about progress; answers whether to go on.
pub type ReportProgress<'a> = &'a mut dyn FnMut(Progress) -> bool;

/// A store whose whole state can be written to a stream and replaced from one.
///
/// Law: a store restored from a stream equals the version it was written from, pair by pair. A
/// stream that is cut, damaged or refused leaves the state that was there.
pub trait SnapshotStream {
    /// Writes the newest version to `to` and answers the number of bytes. Commits go on meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) where `to` fails or `report` answers `false`.
    fn write_snapshot(&self, to: &mut dyn Write, report: ReportProgress<'_>) -> Result<u64>;

    /// Replaces everything by what `from` holds, durably and in one step. Snapshots taken before
    /// stay what they are. Waits for the open write transaction.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`](crate::Error::Corrupt) for a stream that is not whole or was changed,
    /// `Io` where `from` fails or `report` answers `false`; the old state stays.
    fn restore_snapshot(&self, from: &mut dyn Read, report: ReportProgress<'_>) -> Result<()>;
}
