//! Names of files: one nobody else uses, and making one durable.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use disk::Disk;
use kv_api::{Error, Result};

/// A name beside `path` that nothing else uses.
pub(crate) fn temporary_name(path: &Path) -> Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or(Error::Invalid {
        what: "a path without a file name",
    })?;
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".tmp-{}-{count}", std::process::id()));
    Ok(path.with_file_name(temporary))
}

/// Makes the name `path` durable.
pub(crate) fn sync_parent(disk: &dyn Disk, path: &Path) -> Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    disk.sync_directory(parent)
        .map_err(|error| Error::io("syncing the directory", error))
}
