//! Opening a database: find or make the file, claim it, lock it, choose its meta.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use disk::{Access, Claim, Create, File, LockKind, OpenOptions, write_all_at};
use kv_api::{Error, Result};
use pager::{OpenedFile, PAGE_BYTES_MAX, PAGE_BYTES_MIN, Pager, TxId, initial_image};

use crate::counters::Counters;
use crate::db::Db;
use crate::error::from_pager;
use crate::gate::Gate;
use crate::names::{new_temporary, sync_parent};
use crate::options::Options;
use crate::shared::Shared;
use crate::version::{Lease, Version};
use crate::writer::{CommitRules, Writer};

/// How often a lock that another process holds is tried again.
const LOCK_RETRY: Duration = Duration::from_millis(50);

impl Db {
    /// Opens the database at `path` with default [`Options`], making it if it does not exist.
    pub fn open(path: impl AsRef<Path>) -> Result<Db> {
        Options::new().open(path)
    }
}

impl Options {
    /// Opens the database at `path`, making it if it does not exist and may be written.
    ///
    /// # Errors
    ///
    /// `AlreadyOpen` if this process has it open, `Locked` if another does and the time to wait
    /// has passed, `InterruptedInit` for a file whose creation was cut short, `Corrupt` for a
    /// file that is not a database, `Io` for everything the system refuses.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Db> {
        open(path.as_ref(), self)
    }

    /// Opens a file that nobody vouches for: for reading only, and without mapping it, so that
    /// even a file that changes or shrinks meanwhile is an error and nothing worse.
    pub fn open_untrusted(mut self, path: impl AsRef<Path>) -> Result<Db> {
        self.read_only = true;
        self.file.read_without_mapping = true;
        self.open(path)
    }
}

fn open(path: &Path, options: Options) -> Result<Db> {
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

fn write_initial(file: &dyn File, page_bytes: u32) -> Result<()> {
    let failed = |error| Error::io("initialising the file", error);
    write_all_at(file, &initial_image(page_bytes), 0).map_err(failed)?;
    file.sync_all().map_err(failed)
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
        Err(pager::Error::InterruptedInit)
            if options.initialize_interrupted && !options.read_only =>
        {
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
    // Between creating and locking, another process may have committed and died.
    let persisted = created && meta.txid == TxId(1);
    let writer = Writer::new(pager, rules, Arc::clone(&version), slot, persisted);
    let gate = Gate::new((!options.read_only).then(|| Box::new(writer)));
    Ok(Db::new(Shared::new(
        path.to_path_buf(),
        options,
        gate,
        version,
        counters,
    )))
}
