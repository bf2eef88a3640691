//! A store small enough to be right: all pairs in one run of pages, named by one of two headers.
//!
//! A commit writes a fresh run, syncs, writes the header that is not current, syncs, publishes.
//! Each [`Bug`] breaks one rule of that, and the kit has to notice.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use disk::{Claim, Disk, File, LockKind, MapOptions, OpenOptions, View};
use kv_api::{Error, Place, Result};

pub const PAGE: u64 = 1024;
const MAGIC: u64 = 0x746f_795f_7374_6f72;
const DIRECTORY: &str = "data";
const PATH: &str = "data/toy";
const NEW_PATH: &str = "data/toy.new";

/// One broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    NoDataSync,
    NoHeaderSync,
    HeaderBeforeData,
    AckBeforeSync,
    ReuseLivePages,
    IgnoreShortWrites,
    RetryFailedSync,
    NoDirectorySync,
    NoFileSyncBeforeRename,
    NoHeaderChecksum,
    PublishDespiteFailure,
    DenyCommitInDoubt,
    TrustCacheOnOpen,
    GrowWithoutSync,
    RepairInTwoSteps,
    KeepTornHeader,
    BackwardSkipsOne,
    PoisonedForSpace,
    RefuseWithoutCause,
}

pub type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    txid: u64,
    root: u64,
    len: u64,
    file_pages: u64,
}

/// A version that someone reads.
pub struct Version {
    header: Header,
    view: Arc<dyn View>,
}

pub struct Toy {
    file: Arc<dyn File>,
    _claim: Claim,
    bug: Option<Bug>,
    current: Version,
    reader: Option<Version>,
    poisoned: bool,
    unsynced: bool,
}

fn checksum(bytes: &[u8]) -> u64 {
    let fold = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold)
}

impl Header {
    /// The fields lie in two sectors on purpose: half a header must be told from a whole one.
    fn encode(self) -> Vec<u8> {
        let mut bytes = vec![0; PAGE as usize];
        bytes[0..8].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.txid.to_le_bytes());
        for (at, field) in [(512, self.root), (520, self.len), (528, self.file_pages)] {
            bytes[at..at + 8].copy_from_slice(&field.to_le_bytes());
        }
        let sum = checksum(&bytes[..536]);
        bytes[536..544].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8], bug: Option<Bug>) -> Option<Header> {
        let field = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let whole = field(536) == checksum(&bytes[..536]) || bug == Some(Bug::NoHeaderChecksum);
        (field(0) == MAGIC && whole).then(|| Header {
            txid: field(8),
            root: field(512),
            len: field(520),
            file_pages: field(528),
        })
    }

    fn pages(self) -> std::ops::Range<u64> {
        self.root..self.root + self.len.div_ceil(PAGE)
    }
}

fn encode(pairs: &Pairs) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in pairs {
        for part in [key, value] {
            bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
            bytes.extend_from_slice(part);
        }
    }
    bytes
}

fn decode(mut bytes: &[u8]) -> Result<Pairs> {
    let mut part = || {
        let (len, rest) = bytes.split_first_chunk::<4>()?;
        let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        bytes = rest;
        Some(part.to_vec())
    };
    let mut pairs = Pairs::new();
    while let Some(key) = part() {
        let value = part().ok_or(Error::corrupt(Place::Store, "a key without a value"))?;
        pairs.insert(key, value);
    }
    match bytes {
        [] => Ok(pairs),
        _ => Err(Error::corrupt(Place::Store, "bytes after the last pair")),
    }
}

fn failed(doing: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |error| Error::io(doing, error)
}

impl Version {
    fn new(file: &Arc<dyn File>, header: Header) -> Result<Version> {
        let options = MapOptions {
            len: header.file_pages * PAGE,
            ..MapOptions::default()
        };
        #[allow(unsafe_code)]
        // SAFETY: this file is memory that the kit watches; a broken promise is what it reports.
        let view = unsafe { file.map(&options) }.map_err(failed("mapping"))?;
        Ok(Version { header, view })
    }

    pub fn pairs(&self) -> Result<Pairs> {
        let Header { root, len, .. } = self.header;
        let bytes = self.view.bytes(root * PAGE, len as usize);
        decode(bytes.map_err(failed("reading"))?)
    }
}

impl Toy {
    pub fn open(disk: &dyn Disk, bug: Option<Bug>) -> Result<Toy> {
        let file = match disk.open(Path::new(PATH), &OpenOptions::READ_WRITE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(disk, bug)?,
            opened => opened.map_err(failed("opening"))?,
        };
        let path = || Path::new(PATH).to_path_buf();
        let claim = file.identity().ok().and_then(Claim::take);
        let claim = claim.ok_or_else(|| Error::AlreadyOpen { path: path() })?;
        if !file
            .try_lock(LockKind::Exclusive)
            .map_err(failed("locking"))?
        {
            return Err(Error::Locked {
                path: path(),
                waited_ms: 0,
            });
        }
        let (header, torn) = newest_header(&*file, bug)?;
        if file.len().map_err(failed("measuring"))? < header.file_pages * PAGE {
            return Err(Error::corrupt(Place::Store, "shorter than its header says"));
        }
        // What was read may live in the cache only, after a sync that failed.
        if bug != Some(Bug::TrustCacheOnOpen) {
            persist_again(disk, &*file, (header, torn), bug).map_err(failed("persisting"))?;
        }
        Ok(Toy {
            current: Version::new(&file, header)?,
            file,
            _claim: claim,
            bug,
            reader: None,
            poisoned: false,
            unsynced: false,
        })
    }

    pub fn current(&self) -> &Version {
        &self.current
    }

    pub fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Keeps the current version readable, or lets the kept one go.
    pub fn toggle_reader(&mut self) -> Result<()> {
        self.reader = match self.reader.take() {
            Some(kept) => kept.pairs().map(|_| None)?,
            None => {
                let kept = Version::new(&self.file, self.current.header)?;
                kept.pairs()?;
                Some(kept)
            }
        };
        Ok(())
    }

    pub fn commit(&mut self, pairs: &Pairs) -> Result<()> {
        if self.poisoned {
            if self.has(Bug::RefuseWithoutCause) {
                return Err(Error::Closed);
            }
            let cause = Arc::new(Error::Closed);
            return Err(Error::Poisoned { cause });
        }
        if std::mem::take(&mut self.unsynced) {
            self.sync().map_err(failed("syncing late"))?;
        }
        let bytes = encode(pairs);
        let mut header = self.place(bytes.len() as u64);
        if let Err(error) = self.write_data(&mut header, &bytes) {
            let error = Error::io("writing data", error);
            self.poisoned = !matches!(error, Error::NoSpace { .. });
            return Err(error);
        }
        // After the header nothing may fail but the header itself: a refusal would be a lie.
        let version = Version::new(&self.file, header)?;
        let committed = self.write_header(header);
        if let Err(error) = committed {
            let cause = Arc::new(Error::io("writing the header", error));
            self.poisoned = true;
            if self.has(Bug::PublishDespiteFailure) {
                self.current = version;
                self.poisoned = false;
            }
            return Err(match self.has(Bug::DenyCommitInDoubt) {
                true => Error::clone(&cause),
                false => Error::InDoubt {
                    txid: header.txid,
                    cause,
                },
            });
        }
        self.current = version;
        Ok(())
    }

    /// Work that no commit waits for: if it fails, the next one is told.
    pub fn tidy(&mut self) {
        if let Err(error) = self.sync().map_err(failed("tidying")) {
            let is_refusal = matches!(error, Error::NoSpace { .. });
            self.poisoned = !is_refusal || self.has(Bug::PoisonedForSpace);
        }
    }

    /// Finds the lowest run that no version in use overlaps.
    fn place(&self, len: u64) -> Header {
        let current = self.current.header;
        let kept = self.reader.iter().map(|version| version.header.pages());
        let mut used: Vec<_> = kept.chain([current.pages()]).collect();
        used.sort_by_key(|run| run.start);
        let mut root = 2;
        for run in used {
            if root + len.div_ceil(PAGE) > run.start && !self.has(Bug::ReuseLivePages) {
                root = root.max(run.end);
            }
        }
        Header {
            txid: current.txid + 1,
            root,
            len,
            file_pages: current.file_pages,
        }
    }

    fn write_data(&self, header: &mut Header, bytes: &[u8]) -> io::Result<()> {
        if header.pages().end > header.file_pages {
            header.file_pages = header.pages().end.next_multiple_of(8);
            self.file.set_len(header.file_pages * PAGE)?;
            if !self.has(Bug::GrowWithoutSync) {
                self.file.sync_all()?;
            }
        }
        if self.has(Bug::HeaderBeforeData) {
            self.write(&header.encode(), header.txid % 2 * PAGE)?;
        }
        for (number, page) in bytes.chunks(PAGE as usize).enumerate().rev() {
            self.write(page, (header.root + number as u64) * PAGE)?;
        }
        if self.has(Bug::NoDataSync) || self.has(Bug::HeaderBeforeData) {
            return Ok(());
        }
        self.sync()
    }

    fn write_header(&mut self, header: Header) -> io::Result<()> {
        if !self.has(Bug::HeaderBeforeData) {
            self.write(&header.encode(), header.txid % 2 * PAGE)?;
        }
        match self.bug {
            Some(Bug::NoHeaderSync) => Ok(()),
            Some(Bug::AckBeforeSync) => {
                self.unsynced = true;
                Ok(())
            }
            _ => self.sync(),
        }
    }

    fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.has(Bug::IgnoreShortWrites) {
            return self.file.write_at(bytes, offset).map(drop);
        }
        disk::write_all_at(&*self.file, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        match self.file.sync_data() {
            Err(_) if self.has(Bug::RetryFailedSync) => self.file.sync_data(),
            synced => synced,
        }
    }
}

/// Makes the file whole under another name, then gives it its own.
fn create(disk: &dyn Disk, bug: Option<Bug>) -> Result<Arc<dyn File>> {
    let (path, new_path) = (Path::new(PATH), Path::new(NEW_PATH));
    let make = || {
        match disk.create_directory(Path::new(DIRECTORY)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        if disk
            .list(Path::new(DIRECTORY))?
            .iter()
            .any(|name| name == "toy.new")
        {
            disk.remove(new_path)?;
        }
        let file = disk.open(new_path, &OpenOptions::NEW)?;
        for txid in 0..2 {
            let header = Header {
                txid,
                root: 2,
                len: 0,
                file_pages: 2,
            };
            disk::write_all_at(&*file, &header.encode(), txid * PAGE)?;
        }
        if bug != Some(Bug::NoFileSyncBeforeRename) {
            file.sync_all()?;
        }
        disk.rename_new(new_path, path)?;
        Ok(file)
    };
    make().map_err(failed("creating"))
}

/// The newest whole header, and the number of a slot that holds none.
fn newest_header(file: &dyn File, bug: Option<Bug>) -> Result<(Header, Option<u64>)> {
    let mut bytes = vec![0; 2 * PAGE as usize];
    disk::read_up_to_at(file, &mut bytes, 0).map_err(failed("reading headers"))?;
    let headers = bytes.chunks(PAGE as usize);
    let headers: Vec<_> = headers.map(|header| Header::decode(header, bug)).collect();
    let torn = headers.iter().position(Option::is_none);
    let newest = headers
        .into_iter()
        .flatten()
        .max_by_key(|header| header.txid);
    let newest = newest.ok_or(Error::corrupt(Place::Store, "no whole header"))?;
    Ok((newest, torn.map(|slot| slot as u64)))
}

fn persist_again(
    disk: &dyn Disk,
    file: &dyn File,
    (header, torn): (Header, Option<u64>),
    bug: Option<Bug>,
) -> io::Result<()> {
    let offset = header.txid % 2 * PAGE;
    if bug == Some(Bug::RepairInTwoSteps) {
        disk::write_all_at(file, &[0; PAGE as usize], offset)?;
        file.sync_all()?;
    }
    disk::write_all_at(file, &header.encode(), offset)?;
    // The next transaction gets the number of the one that was torn. Torn at the same place, its
    // half and the half left here would make a whole header of a commit that never was. (The kit
    // found this; it takes two crashes.)
    if let Some(torn) = torn.filter(|_| bug != Some(Bug::KeepTornHeader)) {
        disk::write_all_at(file, &[0; PAGE as usize], torn * PAGE)?;
    }
    file.sync_all()?;
    if bug != Some(Bug::NoDirectorySync) {
        disk.sync_directory(Path::new(DIRECTORY))?;
        disk.sync_directory(Path::new(""))?;
    }
    Ok(())
}
