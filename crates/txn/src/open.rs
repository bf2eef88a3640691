//! Opening a database: find or make the file, claim it, lock it, choose its meta.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use disk::{Access, Claim, Create, Disk, File, LockKind, OpenOptions, write_all_at};
use kv_api::{Error, Result};
use pager::{OpenedFile, PAGE_BYTES_MAX, PAGE_BYTES_MIN, Pager, initial_image};

use crate::counters::Counters;
use crate::db::{Db, Shared};
use crate::error::from_pager;
use crate::gate::Gate;
use crate::options::Options;
use crate::version::{Lease, Version};
use crate::writer::{CommitRules, Writer};

/// How often a lock that another process holds is tried again.
const LOCK_RETRY: Duration = Duration::from_millis(50);

/// Opens the database at `path`.
pub(crate) fn open(path: &Path, options: Options) -> Result<Db> {
    let span = tracing::debug_span!("open", path = %path.display());
    let _entered = span.enter();
    let page_bytes = new_page_bytes(&options)?;
    let (file, created) = find_or_create(path, &options, page_bytes)?;
    let identity = file
        .identity()
        .map_err(|error| Error::io("identifying the file", error))?;
    let claim = Claim::take(identity).ok_or_else(|| Error::AlreadyOpen {
        path: path.to_path_buf(),
    })?;
    lock(&*file, path, &options)?;
    let created = created || initialize_if_empty(&*file, path, &options, page_bytes)?;
    let opened = open_pager(&file, path, &options, page_bytes)?;
    let disk = Arc::clone(&options.disk);
    let lease = Lease {
        disk,
        path: path.to_path_buf(),
        file,
        _claim: claim,
    };
    assemble(path, options, lease, opened, created)
}

fn new_page_bytes(options: &Options) -> Result<u32> {
    let page_bytes = options.page_bytes.unwrap_or_else(disk::os_page_bytes);
    if !(PAGE_BYTES_MIN..=PAGE_BYTES_MAX).contains(&page_bytes) {
        return Err(Error::Invalid {
            what: "a page size below 1 KiB or above 16 MiB",
        });
    }
    Ok(page_bytes)
}

/// The file, and whether it was just made by this call.
fn find_or_create(
    path: &Path,
    options: &Options,
    page_bytes: u32,
) -> Result<(Arc<dyn File>, bool)> {
    let access = if options.read_only {
        Access::Read
    } else {
        Access::ReadWrite
    };
    let how = OpenOptions {
        access,
        create: Create::Never,
        mode: options.mode,
        direct: false,
    };
    let opening = |error| Error::io("opening the file", error);
    match options.disk.open(path, &how) {
        Ok(file) => return Ok((file, false)),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(opening(error)),
        Err(error) if options.read_only => return Err(opening(error)),
        Err(_) => {}
    }
    let created = create(path, options, page_bytes)?;
    Ok((options.disk.open(path, &how).map_err(opening)?, created))
}

/// Makes the file whole under another name, then gives it its own: no crash leaves half of it.
/// Answers `false` if someone else made it meanwhile.
fn create(path: &Path, options: &Options, page_bytes: u32) -> Result<bool> {
    let disk = &*options.disk;
    let (temporary, file) = new_temporary(disk, path, options.mode)?;
    let made =
        write_initial(&*file, page_bytes).and_then(|()| match disk.rename_new(&temporary, path) {
            Ok(()) => sync_parent(disk, path).map_err(from_pager).map(|()| true),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(Error::io("naming the new file", error)),
        });
    if !matches!(made, Ok(true)) {
        // Best effort: what is left carries a name that nothing ever opens.
        let _ = disk.remove(&temporary);
    }
    made
}

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
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".tmp-{}-{count}", std::process::id()));
        let temporary = path.with_file_name(temporary);
        match disk.open(&temporary, &how) {
            Ok(file) => return Ok((temporary, file)),
            // Left behind by a process that died and had this one's number, as in a container
            // every process has.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("making a temporary file", error)),
        }
    }
}

fn write_initial(file: &dyn File, page_bytes: u32) -> Result<()> {
    let failed = |error| Error::io("initialising the file", error);
    write_all_at(file, &initial_image(page_bytes), 0).map_err(failed)?;
    file.sync_all().map_err(failed)
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

/// Waits for the file's lock as long as the options allow.
fn lock(file: &dyn File, path: &Path, options: &Options) -> Result<()> {
    let kind = if options.read_only {
        LockKind::Shared
    } else {
        LockKind::Exclusive
    };
    let began = Instant::now();
    while !file
        .try_lock(kind)
        .map_err(|error| Error::io("locking the file", error))?
    {
        let waited = began.elapsed();
        if options
            .lock_timeout
            .is_some_and(|timeout| waited + LOCK_RETRY > timeout)
        {
            let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
            return Err(Error::Locked {
                path: path.to_path_buf(),
                waited_ms,
            });
        }
        std::thread::sleep(LOCK_RETRY);
    }
    Ok(())
}

/// Initialises an existing empty file, whose name is its owner's choice and stays.
fn initialize_if_empty(
    file: &dyn File,
    path: &Path,
    options: &Options,
    page_bytes: u32,
) -> Result<bool> {
    let empty = file
        .is_empty()
        .map_err(|error| Error::io("reading the file's length", error))?;
    if !empty || options.read_only {
        return Ok(false);
    }
    initialize_in_place(file, page_bytes)?;
    // Whoever made the file need not have made its name durable.
    sync_parent(&*options.disk, path).map_err(from_pager)?;
    Ok(true)
}

/// Initialises a file under the name it will be found by, so that a crash leaves either the
/// remains that [`Pager::open`] knows or the whole. First nothing but a length, so that no page
/// can be a stranger's bytes; then the pages; then the metas, which claim that the pages are there.
fn initialize_in_place(file: &dyn File, page_bytes: u32) -> Result<()> {
    let image = initial_image(page_bytes);
    let metas_bytes = 2 * u64::from(page_bytes);
    let (metas, pages) = image.split_at(image.len() / 2);
    file.set_len(0)
        .and_then(|()| file.set_len(image.len() as u64))
        .and_then(|()| file.sync_all())
        .and_then(|()| write_all_at(file, pages, metas_bytes))
        .and_then(|()| file.sync_all())
        .and_then(|()| write_all_at(file, metas, 0))
        .and_then(|()| file.sync_all())
        .map_err(|error| Error::io("initialising the file", error))
}

fn open_pager(
    file: &Arc<dyn File>,
    path: &Path,
    options: &Options,
    page_bytes: u32,
) -> Result<OpenedFile> {
    match Pager::open(Arc::clone(file), options.file) {
        Err(pager::Error::InterruptedInit) if options.initialize_interrupted => {
            initialize_in_place(&**file, page_bytes)?;
            Pager::open(Arc::clone(file), options.file).map_err(from_pager)
        }
        Err(pager::Error::InterruptedInit) => Err(Error::InterruptedInit {
            path: path.to_path_buf(),
        }),
        other => other.map_err(from_pager),
    }
}

fn assemble(
    path: &Path,
    options: Options,
    lease: Lease,
    opened: OpenedFile,
    created: bool,
) -> Result<Db> {
    let OpenedFile {
        mut pager,
        meta,
        slot,
    } = opened;
    let counters = Arc::new(Counters {
        off: options.no_statistics,
        ..Counters::default()
    });
    let pages = pager.view(meta.high_water).map_err(from_pager)?;
    let page_bytes = pager.page_bytes();
    let version = Arc::new(Version::new(
        meta,
        pages,
        Arc::clone(&counters),
        Arc::new(lease),
    ));
    if options.preload_freelist {
        version.free_pages()?;
    }
    let rules = CommitRules {
        no_sync: options.no_sync,
        strict: options.strict,
        freelist: options.freelist,
        freelist_kind: options.freelist_kind,
    };
    tracing::debug!(txid = meta.txid.0, page_bytes, created, "opened");
    let writer = Writer::new(pager, rules, Arc::clone(&version), slot, created);
    let gate = Gate::new((!options.read_only).then(|| Box::new(writer)));
    Ok(Db::new(Shared::new(
        path.to_path_buf(),
        options,
        gate,
        version,
        counters,
    )))
}
