//! What is recorded: one entry per call that changed the disk, and the harness's own marks.

use std::fmt;

use kv_api::Durability;

use crate::fault::Call;
use crate::model::Digest;
use crate::subject::Step;
use crate::volume::Effect;

/// An entry of the log; its sequence number is its place.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A change that is not durable yet. `tied` means: never without the change before it.
    Change { effect: Effect, tied: bool },
    /// A file's sync succeeded; `all` for everything, otherwise what reading back needs.
    SyncFile { inode: u64, all: bool },
    /// These bytes of a file were made durable, and as much of its length as they need.
    SyncBytes { inode: u64, start: u64, end: u64 },
    /// A directory's sync succeeded.
    SyncDirectory { directory: u64 },
    /// A sync of a file or directory failed. `reverted`: what was pending in the file is gone for
    /// certain; otherwise it may be on the disk or not, and no later sync will bring it there.
    FailedSync { node: u64, reverted: bool },
    /// Another call failed and changed nothing.
    Failed { call: Call },
    /// Something the harness knows.
    Mark(Mark),
}

/// What the harness tells the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The store is open.
    Opened,
    /// A store that was just opened showed these contents.
    Seen(Digest),
    /// A step begins.
    Begin(Step),
    /// The step that began last is promised.
    Ack(Durability),
    /// It is refused: it must never be seen.
    Nack,
    /// It may be seen or not.
    InDoubt,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Change { effect, .. } => match effect {
                Effect::Write {
                    inode,
                    offset,
                    bytes,
                } => write!(f, "write file {inode} at {offset}, {} bytes", bytes.len()),
                Effect::SetLen { inode, len, .. } => write!(f, "set_len file {inode} to {len}"),
                Effect::Name {
                    directory,
                    name,
                    entry: Some(entry),
                } => write!(f, "name {name:?} in {directory} is {entry:?}"),
                Effect::Name {
                    directory, name, ..
                } => write!(f, "name {name:?} in {directory} is gone"),
            },
            Event::SyncFile { inode, all: true } => write!(f, "sync_all file {inode}"),
            Event::SyncFile { inode, all: false } => write!(f, "sync_data file {inode}"),
            Event::SyncBytes { inode, start, end } => {
                write!(f, "sync bytes {start}..{end} of file {inode}")
            }
            Event::SyncDirectory { directory } => write!(f, "sync_directory {directory}"),
            Event::FailedSync { node, .. } => write!(f, "sync of {node} FAILS"),
            Event::Failed { call } => write!(f, "{call:?} FAILS"),
            Event::Mark(mark) => write!(f, "-- {mark:?}"),
        }
    }
}
