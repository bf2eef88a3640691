//! W16: reads from the device: the page cache dropped, and data larger than a memory limit.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use crate::engine::{Keeping, Result};
use crate::machine::bytes_on_disk;
use crate::measure::{Caps, EACH, READS, measure};
use crate::steps::Chain;
use crate::steps::commits::TO_THE_END;
use crate::steps::reads::{read_at_random, scan};

/// Bytes that this program and an engine without a cache need beside the data.
const FLOOR_BYTES: u64 = 32 << 20;

impl Chain {
    /// Random reads, nothing of the store in memory when they begin.
    pub(super) fn cold(&mut self) -> Result<()> {
        self.load()?;
        self.store = None;
        drop_from_memory(&self.plan.directory)?;
        self.cold_reads("W16-cold")?;
        self.store = None;
        drop_from_memory(&self.plan.directory)?;
        self.cold_scan()
    }

    /// One scan of everything, nothing of the store in memory when it begins. It goes to the end,
    /// for what is read ahead at its beginning is no fair sample.
    fn cold_scan(&mut self) -> Result<()> {
        let caps = Caps {
            seconds: TO_THE_END,
            operations: self.plan.keys,
        };
        let store = self.store(Keeping::Durable)?;
        let measured = measure(caps, READS, 1, |_, budget| {
            scan(store, false, budget).map(drop)
        })?;
        self.note(measured.rate("W16-scan", 1.0, "entries/s"))
    }

    /// Random reads under a limit of a quarter of the store's size.
    pub(super) fn tight(&mut self) -> Result<()> {
        self.load()?;
        self.store = None;
        drop_from_memory(&self.plan.directory)?;
        let limit = FLOOR_BYTES + bytes_on_disk(&self.plan.directory)? / 4;
        let Some(group) = MemoryLimit::enter(limit) else {
            crate::report::complain("skipped: W16-tight, no control group for memory can be made");
            return Ok(());
        };
        // A cache that is larger than the limit would have the process killed.
        self.cache_bytes = usize::try_from((limit - FLOOR_BYTES) / 2)?;
        let read = self.cold_reads("W16-tight");
        self.store = None;
        drop(group);
        read
    }

    fn cold_reads(&mut self, name: &str) -> Result<()> {
        let (data, keys, caps) = (self.plan.data, self.plan.keys, self.plan.caps);
        let store = self.store(Keeping::Durable)?;
        let measured = measure(caps, EACH, 1, |_, budget| {
            read_at_random(store, data, keys, 1600, budget)
        })?;
        self.note(measured.rate(name, 1.0, "ops/s"))
    }
}

/// Writes everything out and lets the system forget the files under `path`. Works for any user:
/// the store is closed, so no mapping holds its pages.
fn drop_from_memory(path: &Path) -> Result<()> {
    if path.is_dir() {
        return fs::read_dir(path)?.try_for_each(|entry| drop_from_memory(&entry?.path()));
    }
    let file = File::open(path)?;
    file.sync_all()?;
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    Ok(())
}

/// A control group with a memory limit that this process is in.
struct MemoryLimit {
    group: PathBuf,
    outside: PathBuf,
}

impl MemoryLimit {
    /// Makes a group and moves this process into it; none where that is not allowed. Tries
    /// version 2 of the interface, then version 1.
    fn enter(bytes: u64) -> Option<MemoryLimit> {
        let ways = [
            ("/sys/fs/cgroup", "memory.max"),
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        ];
        ways.iter().find_map(|(root, file)| {
            let outside = PathBuf::from(root);
            let group = outside.join(format!("bench-{}", std::process::id()));
            fs::create_dir(&group).ok()?;
            let entered = fs::write(group.join(file), bytes.to_string())
                .and_then(|()| fs::write(group.join("cgroup.procs"), "0"));
            let limit = MemoryLimit { group, outside };
            // Dropped on failure, the group is removed.
            entered.ok().map(|()| limit)
        })
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        // What cannot be undone ends with the process; an empty group costs nothing.
        drop(fs::write(self.outside.join("cgroup.procs"), "0"));
        drop(fs::remove_dir(&self.group));
    }
}
