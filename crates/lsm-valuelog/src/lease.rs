//! The store's directory, claimed within this process and locked against others.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use disk::{Claim, Create, Disk, File, LockKind, OpenOptions};
use kv_api::{Error, Result};

use crate::options::Options;

/// The name of the file that carries the lock.
pub(crate) const NAME: &str = "LOCK";

/// How often a lock that another process holds is tried again.
const LOCK_RETRY: Duration = Duration::from_millis(50);

/// The right to use a store's directory; dropping it gives it up.
#[derive(Debug)]
pub(crate) struct Lease {
    _claim: Option<Claim>,
    _file: Option<Arc<dyn File>>,
}

impl Lease {
    /// No right at all, for those who say they know better.
    pub fn none() -> Lease {
        Lease {
            _claim: None,
            _file: None,
        }
    }

    /// Takes the right to use `directory` as the options say.
    pub fn of(directory: &Path, options: &Options) -> Result<Lease> {
        if options.bypasses_lock || options.is_in_memory {
            return Ok(Lease::none());
        }
        let kind = if options.is_read_only {
            LockKind::Shared
        } else {
            LockKind::Exclusive
        };
        Lease::take(&*options.disk, directory, kind, options.lock_timeout)
    }

    /// Claims and locks `directory`, waiting at most `timeout` for another process.
    fn take(
        disk: &dyn Disk,
        directory: &Path,
        kind: LockKind,
        timeout: Option<Duration>,
    ) -> Result<Lease> {
        let how = match kind {
            LockKind::Shared => OpenOptions::READ,
            LockKind::Exclusive => OpenOptions {
                create: Create::IfMissing,
                ..OpenOptions::READ_WRITE
            },
        };
        let file = match disk.open(&directory.join(NAME), &how) {
            // Whoever only reads makes no file. A copy without one has no writer to fear.
            Err(error)
                if kind == LockKind::Shared && error.kind() == std::io::ErrorKind::NotFound =>
            {
                return Ok(Lease::none());
            }
            other => other.map_err(|error| Error::io("opening the lock file", error))?,
        };
        let identity = file
            .identity()
            .map_err(|error| Error::io("identifying the lock file", error))?;
        let claim = Claim::take(identity).ok_or_else(|| Error::AlreadyOpen {
            path: directory.to_path_buf(),
        })?;
        let began = Instant::now();
        while !file
            .try_lock(kind)
            .map_err(|error| Error::io("locking the store", error))?
        {
            let waited = began.elapsed();
            if timeout.is_some_and(|timeout| waited + LOCK_RETRY > timeout) {
                let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
                return Err(Error::Locked {
                    path: directory.to_path_buf(),
                    waited_ms,
                });
            }
            std::thread::sleep(LOCK_RETRY);
        }
        Ok(Lease {
            _claim: Some(claim),
            _file: Some(file),
        })
    }
}
