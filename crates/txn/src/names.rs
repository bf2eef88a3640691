//! Names of files: one nobody else uses, and making one durable.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use disk::{Disk, File, OpenOptions};
use kv_api::{Error, Result};

/// A new file beside `path`, under a name that nothing ever opens.
pub(crate) fn new_temporary(
    disk: &dyn Disk,
    path: &Path,
    mode: u32,
) -> Result<(PathBuf, Arc<dyn File>)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().ok_or(Error::Invalid {
        what: "a path without a file name",
    })?;
    let how = OpenOptions {
        mode,
        ..OpenOptions::NEW
    };
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".tmp-{}-{count}", std::process::id()));
        let temporary = path.with_file_name(temporary);
        match disk.open(&temporary, &how) {
            Ok(file) => return Ok((temporary, file)),
            // Left behind by a process that died and had this one's number, as in a container
            // every process has.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("making a temporary file", error)),
        }
    }
}

/// Makes the name `path` durable.
pub(crate) fn sync_parent(disk: &dyn Disk, path: &Path) -> pager::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    disk.sync_directory(parent)
        .map_err(|source| pager::Error::Io {
            doing: "syncing the directory",
            source,
        })
}
