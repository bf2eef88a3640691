//! Calls that fail on demand.
//!
//! Invariant: a fault counts only the calls it covers, from the moment it is armed, over all
//! files and threads of its disk; the same run therefore meets the same fault at the same call.

use std::io;

/// A call of `disk::Disk` or `disk::File`, or a family of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Any call at all.
    Any,
    /// Any call that changes the disk or makes it durable.
    AnyChange,
    /// `sync_data`, `sync_all` and `sync_directory`.
    AnySync,
    /// `open`.
    Open,
    /// `rename` and `rename_new`.
    Rename,
    /// `remove`.
    Remove,
    /// `create_directory`.
    CreateDirectory,
    /// `list`.
    List,
    /// `sync_directory`.
    SyncDirectory,
    /// `read_at`.
    Read,
    /// `write_at` and `write_vectored_at`.
    Write,
    /// `len`.
    Len,
    /// `set_len`.
    SetLen,
    /// `sync_data`.
    SyncData,
    /// `sync_all`.
    SyncAll,
    /// `try_lock`.
    Lock,
    /// `map`.
    Map,
}

impl Call {
    fn covers(self, call: Call) -> bool {
        let is_sync = matches!(call, Call::SyncData | Call::SyncAll | Call::SyncDirectory);
        match self {
            Call::Any => true,
            Call::AnySync => is_sync,
            Call::AnyChange => {
                use Call::{CreateDirectory, Remove, Rename, SetLen, Write};
                is_sync || matches!(call, CreateDirectory | Remove | Rename | SetLen | Write)
            }
            other => other == call,
        }
    }
}

/// What a struck call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Fails with this errno and changes nothing. A sync fails the way ext4 and XFS do: the
    /// pages are marked clean, so they may be lost for ever while reads still show them.
    Fail(i32),
    /// Like [`Fail`](Action::Fail), but a sync fails the way btrfs does: reads show again what
    /// was durable before.
    FailAndRevert(i32),
    /// Reads or writes at most so many bytes and says so. Other calls are not touched.
    Short(usize),
    /// A sync answers that all is well and does nothing. Other calls are not touched.
    Lie,
}

/// A plan to strike the `nth` call (counted from 1) that `call` covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which calls are counted.
    pub call: Call,
    /// Which of them is struck.
    pub nth: u64,
    /// How.
    pub action: Action,
    /// Whether all later ones are struck as well.
    pub sticky: bool,
}

impl Fault {
    /// Strikes once.
    pub fn once(call: Call, nth: u64, action: Action) -> Fault {
        Fault {
            call,
            nth,
            action,
            sticky: false,
        }
    }

    /// Strikes from the `nth` call on.
    pub fn from(call: Call, nth: u64, action: Action) -> Fault {
        Fault {
            sticky: true,
            ..Fault::once(call, nth, action)
        }
    }
}

/// What a system answers that has no more room: ENOSPC, EFBIG, EDQUOT.
const NO_SPACE: [i32; 3] = [28, 27, 122];

/// What became of a call at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    Free,
    Short(usize),
    Lie,
    Refused { errno: i32, reverts: bool },
}

impl Passage {
    pub(crate) fn error(errno: i32) -> io::Error {
        io::Error::from_raw_os_error(errno)
    }
}

/// The faults armed on one disk.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Vec<(Fault, u64)>,
    struck: u64,
    broken: u64,
}

impl Faults {
    pub(crate) fn arm(&mut self, fault: Fault) {
        self.armed.push((fault, 0));
    }

    pub(crate) fn disarm(&mut self) {
        self.armed.clear();
    }

    pub(crate) fn struck(&self) -> u64 {
        self.struck
    }

    /// How many calls failed with what is no want of space.
    pub(crate) fn broken(&self) -> u64 {
        self.broken
    }

    pub(crate) fn pass(&mut self, call: Call) -> Passage {
        let mut passage = Passage::Free;
        for (fault, seen) in &mut self.armed {
            if !fault.call.covers(call) {
                continue;
            }
            *seen += 1;
            let hit = *seen == fault.nth || (fault.sticky && *seen > fault.nth);
            if hit && passage == Passage::Free {
                passage = match fault.action {
                    Action::Fail(errno) => Passage::Refused {
                        errno,
                        reverts: false,
                    },
                    Action::FailAndRevert(errno) => Passage::Refused {
                        errno,
                        reverts: true,
                    },
                    Action::Short(bytes) => Passage::Short(bytes),
                    Action::Lie => Passage::Lie,
                };
            }
        }
        self.struck += u64::from(passage != Passage::Free);
        let is_broken =
            matches!(passage, Passage::Refused { errno, .. } if !NO_SPACE.contains(&errno));
        self.broken += u64::from(is_broken);
        passage
    }
}
