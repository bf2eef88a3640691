//! The state behind a crash disk and all its handles.
//!
//! Invariants:
//! * every change goes to the live volume and, where there is a recorder, to its log and medium in
//!   the same step, so the log replayed from its start always gives the medium;
//! * a violation is kept for ever: a run that once broke the promise of a view stays broken.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ::disk::LockKind;

use crate::event::Event;
use crate::fault::{Call, Faults, Passage};
use crate::image::{IMAGE_BYTES_MAX, Image};
use crate::lent::Lent;
use crate::medium::Medium;
use crate::volume::{Effect, ROOT, Volume};

/// Devices of memory are numbered far above those of any machine, so that the process-wide
/// claims of one disk never meet another's.
static NEXT_DEVICE: AtomicU64 = AtomicU64::new(1 << 48);

/// Everything that was done to a disk since it was made.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) start: Medium,
    pub(crate) medium: Medium,
    pub(crate) log: Vec<Event>,
}

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) device: u64,
    pub(crate) live: Volume,
    pub(crate) recorder: Option<Recorder>,
    pub(crate) faults: Faults,
    pub(crate) violations: Vec<String>,
    pub(crate) views: Vec<Weak<Lent>>,
    locks: BTreeMap<u64, Vec<(u64, LockKind)>>,
    last_number: u64,
}

pub(crate) type Shared = Arc<Mutex<Core>>;

pub(crate) fn lock(core: &Shared) -> MutexGuard<'_, Core> {
    // A panic of the store under test must not hide the disk from whoever looks into it.
    core.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    pub(crate) fn new(volume: Volume, record: bool) -> Core {
        let recorder = record.then(|| Recorder {
            start: Medium::new(volume.clone()),
            medium: Medium::new(volume.clone()),
            log: Vec::new(),
        });
        // Numbers of a survivor's files are below those of its past, but it may hold any of them.
        let last_number = volume.last_number().max(ROOT);
        Core {
            device: NEXT_DEVICE.fetch_add(1, Ordering::Relaxed),
            live: volume,
            recorder,
            faults: Faults::default(),
            violations: Vec::new(),
            views: Vec::new(),
            locks: BTreeMap::new(),
            last_number,
        }
    }

    /// A number that no file, directory or handle of this disk has had.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(crate) fn record(&mut self, event: Event) {
        if let Some(recorder) = &mut self.recorder {
            recorder.medium.apply(&event);
            recorder.log.push(event);
        }
    }

    pub(crate) fn change(&mut self, effect: Effect) {
        self.change_tied(effect, false);
    }

    pub(crate) fn change_tied(&mut self, effect: Effect, tied: bool) {
        self.live.apply(&effect);
        self.record(Event::Change { effect, tied });
    }

    /// Lets a call that is no sync through, or fails it. Answers how many bytes it may move.
    pub(crate) fn pass(&mut self, call: Call) -> io::Result<usize> {
        match self.faults.pass(call) {
            Passage::Free | Passage::Lie => Ok(usize::MAX),
            Passage::Short(bytes) => Ok(bytes),
            Passage::Refused { errno, .. } => {
                self.record(Event::Failed { call });
                Err(Passage::error(errno))
            }
        }
    }

    /// Lets a sync of a file or directory through, or fails it.
    pub(crate) fn sync(&mut self, call: Call, node: u64) -> io::Result<()> {
        let synced = match call {
            Call::SyncDirectory => Event::SyncDirectory { directory: node },
            _ => Event::SyncFile {
                inode: node,
                all: call == Call::SyncAll,
            },
        };
        self.sync_as(call, node, synced)
    }

    /// The same for bytes of a file that were written a moment ago.
    pub(crate) fn sync_bytes(&mut self, inode: u64, start: u64, end: u64) -> io::Result<()> {
        let synced = Event::SyncBytes { inode, start, end };
        self.sync_as(Call::SyncData, inode, synced)
    }

    fn sync_as(&mut self, call: Call, node: u64, synced: Event) -> io::Result<()> {
        match self.faults.pass(call) {
            Passage::Lie => Ok(()),
            Passage::Refused { errno, reverts } => {
                let reverted = reverts && call != Call::SyncDirectory;
                self.record(Event::FailedSync { node, reverted });
                if reverted {
                    self.revert(node);
                }
                Err(Passage::error(errno))
            }
            Passage::Free | Passage::Short(_) => {
                self.record(synced);
                Ok(())
            }
        }
    }

    fn revert(&mut self, inode: u64) {
        if let Some(recorder) = &self.recorder {
            let settled = recorder.medium.settled_file(inode);
            self.live.replace_file(inode, settled);
        }
    }

    pub(crate) fn write(&mut self, inode: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > IMAGE_BYTES_MAX) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.watch_write(inode, offset, bytes);
        self.change(Effect::Write {
            inode,
            offset,
            bytes: bytes.into(),
        });
        Ok(())
    }

    pub(crate) fn set_len(&mut self, inode: u64, len: u64) -> io::Result<()> {
        if len > IMAGE_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let len_before = self.live.file_len(inode);
        for lent in self.lent(inode) {
            if let Some((start, end)) = lent.beyond(len) {
                self.violations
                    .push(format!("file cut to {len} while {start}..{end} is lent"));
            }
        }
        self.change(Effect::SetLen {
            inode,
            len,
            len_before,
        });
        Ok(())
    }

    fn lent(&self, inode: u64) -> Vec<Arc<Lent>> {
        let views = self.views.iter().filter_map(Weak::upgrade);
        views.filter(|lent| lent.inode == inode).collect()
    }

    /// Notes a write that changes bytes which a living view has lent.
    fn watch_write(&mut self, inode: u64, offset: u64, bytes: &[u8]) {
        for lent in self.lent(inode) {
            for (start, end) in lent.overlaps(offset, offset + bytes.len() as u64) {
                let inside = |at: u64| usize::try_from(at - offset).unwrap_or(usize::MAX);
                let part = bytes.get(inside(start)..inside(end)).unwrap_or_default();
                let image = self.live.file(inode);
                if image.is_some_and(|image| image.differs(start, part)) {
                    self.violations
                        .push(format!("write changes {start}..{end} while it is lent"));
                }
            }
        }
    }

    pub(crate) fn image(&self, inode: u64) -> io::Result<&Image> {
        self.live
            .file(inode)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(crate) fn try_lock(&mut self, inode: u64, handle: u64, kind: LockKind) -> bool {
        let holders = self.locks.entry(inode).or_default();
        let free = holders.iter().all(|(holder, held)| {
            *holder == handle || (kind == LockKind::Shared && *held == LockKind::Shared)
        });
        if free {
            holders.retain(|(holder, _)| *holder != handle);
            holders.push((handle, kind));
        }
        free
    }

    pub(crate) fn unlock(&mut self, inode: u64, handle: u64) {
        if let Some(holders) = self.locks.get_mut(&inode) {
            holders.retain(|(holder, _)| *holder != handle);
        }
    }
}
