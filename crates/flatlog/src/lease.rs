//! The right to a store: this process's claim and the lock that keeps other processes out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use disk::{Claim, Create, Disk, File, LockKind, OpenOptions};
use kv_api::{Error, Result};

use crate::names;

/// How often a lock that another process holds is tried again.
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// Held by every version of an open store; the lock is released when the last one goes.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: PathBuf,
    // Given up first, while the file still keeps its identity.
    _claim: Claim,
    _file: Arc<dyn File>,
}

impl Lease {
    /// Takes the store in `directory` for this process.
    pub(crate) fn take(
        disk: Arc<dyn Disk>,
        directory: &Path,
        read_only: bool,
        timeout: Option<Duration>,
    ) -> Result<Lease> {
        let failed = |error| Error::io("locking the store", error);
        let how = match read_only {
            true => OpenOptions::READ,
            false => OpenOptions {
                create: Create::IfMissing,
                ..OpenOptions::READ_WRITE
            },
        };
        let file = disk
            .open(&directory.join(names::LOCK), &how)
            .map_err(failed)?;
        let identity = file.identity().map_err(failed)?;
        let already_open = || Error::AlreadyOpen {
            path: directory.to_path_buf(),
        };
        let claim = Claim::take(identity).ok_or_else(already_open)?;
        wait_for_lock(&*file, directory, read_only, timeout)?;
        Ok(Lease {
            disk,
            directory: directory.to_path_buf(),
            _claim: claim,
            _file: file,
        })
    }
}

fn wait_for_lock(
    file: &dyn File,
    directory: &Path,
    read_only: bool,
    timeout: Option<Duration>,
) -> Result<()> {
    let kind = if read_only {
        LockKind::Shared
    } else {
        LockKind::Exclusive
    };
    let began = Instant::now();
    while !file
        .try_lock(kind)
        .map_err(|error| Error::io("locking the store", error))?
    {
        let waited = began.elapsed();
        if timeout.is_some_and(|timeout| waited + LOCK_RETRY > timeout) {
            return Err(Error::Locked {
                path: directory.to_path_buf(),
                waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX),
            });
        }
        std::thread::sleep(LOCK_RETRY);
    }
    Ok(())
}
