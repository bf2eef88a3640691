//! Opening a store: make it or find it, lock it, find the end of its log, build its index.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use disk::{Disk, File, OpenOptions, read_exact_at};
use kv_api::{Error, Place, Result};

use crate::background::Background;
use crate::checkpoint;
use crate::create::{create, make_directory};
use crate::db::Db;
use crate::ids::SegmentId;
use crate::lease::Lease;
use crate::log::cache::Cache;
use crate::log::covered::Covered;
use crate::log::frame::Seal;
use crate::log::new_segment::LogRules;
use crate::log::segment::{SEGMENT_HEADER_BYTES, Segment, encode_header};
use crate::log::table::SegmentTable;
use crate::log::watcher::Watcher;
use crate::log::writer::Log;
use crate::maintenance::tidy;
use crate::names;
use crate::options::Options;
use crate::recovery::{self, Recovery, Tail};
use crate::replay::Replay;
use crate::root::Root;
use crate::shared::Shared;
use crate::state_file::StateFile;
use crate::value_index::ValueWatcher;
use crate::waker::waker;

impl Db {
    /// Opens the store in the directory `path` with default [`Options`], making it if there is
    /// none.
    pub fn open(path: impl AsRef<Path>) -> Result<Db> {
        Options::new().open(path)
    }
}

impl Options {
    /// Opens the store in the directory `path`, making it if there is none and it may be written.
    ///
    /// # Errors
    ///
    /// `AlreadyOpen` if this process has it open, `Locked` if another one does and the time to
    /// wait has passed, `Corrupt` for damage, with file and offset, `Io` for what the system
    /// refuses. Nothing is changed before damage is ruled out.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Db> {
        let path = path.as_ref();
        let span = tracing::debug_span!("open", path = %path.display());
        let _entered = span.enter();
        Opening::begin(self, path)?.finish()
    }
}

/// Replays what the checkpoint does not cover. Answers where the log ended, and how many bytes a
/// next opening would replay as they came.
fn replay_all(
    replay: &mut Replay<'_>,
    segments: &[Arc<Segment>],
    state: &StateFile,
    covered: Option<Covered>,
    end: u32,
) -> Result<(Covered, u64)> {
    let from = match covered {
        Some(covered) => {
            let here = segments
                .iter()
                .position(|segment| segment.id() == covered.segment);
            here.ok_or_else(|| {
                Error::corrupt(
                    Place::Store,
                    "the checkpoint covers a segment that is not there",
                )
            })?
        }
        None => 0,
    };
    let (mut ended, mut bytes) = (Covered::nothing_of(SegmentId(0)), 0);
    for (index, (segment, entry)) in segments.iter().zip(&state.segments).enumerate().skip(from) {
        let begin = covered.filter(|_| index == from);
        let begin = begin.unwrap_or(Covered::nothing_of(segment.id()));
        ended = replay.segment(segment, begin)?;
        let is_last = index + 1 == segments.len();
        if ended.at != if is_last { end } else { entry.len } {
            let what = "a damaged commit in a finished part of the log";
            return Err(segment.damaged(ended.at, what));
        }
        if !entry.sorted {
            bytes += u64::from(ended.at.saturating_sub(begin.at));
        }
    }
    Ok((ended, bytes))
}

/// The watcher, lent.
fn watched(watcher: &mut Option<ValueWatcher>) -> Option<&mut dyn Watcher> {
    watcher.as_mut().map(|watcher| watcher as &mut dyn Watcher)
}

struct Opening {
    options: Options,
    lease: Arc<Lease>,
    rules: LogRules,
    state: StateFile,
    recovery: Recovery,
}

impl Opening {
    fn begin(options: Options, directory: &Path) -> Result<Opening> {
        let disk = &*options.disk;
        if !options.read_only {
            make_directory(disk, directory)?;
        }
        let lease = Lease::take(
            Arc::clone(&options.disk),
            directory,
            options.read_only,
            options.lock_timeout,
        )?;
        let cache = options
            .read_without_mapping
            .then(|| Arc::new(Cache::new(options.cache_bytes)));
        let rules = LogRules {
            segment_bytes: options.segment_bytes,
            prewrite_bytes: options.prewrite_bytes,
            cache,
        };
        let state = match StateFile::read(disk, directory)? {
            Some(state) => state,
            None if options.read_only => {
                let missing = std::io::ErrorKind::NotFound;
                return Err(Error::io("opening the store", missing.into()));
            }
            None => create(&options, directory, &rules)?,
        };
        let recovery = Recovery {
            was_closed: state.clean,
            ..Recovery::default()
        };
        Ok(Opening {
            options,
            lease: Arc::new(lease),
            rules,
            state,
            recovery,
        })
    }

    fn finish(mut self) -> Result<Db> {
        let read_only = self.options.read_only;
        if !read_only && !self.state.clean {
            // What the last process renamed may not have reached the disk.
            let synced = self.options.disk.sync_directory(&self.lease.directory);
            synced.map_err(|error| Error::io("syncing the directory", error))?;
        }
        let files = self.open_files()?;
        let mut tail = self.find_tail(&files)?;
        let segments = self.segments(files, &tail)?;
        let table = Arc::new(SegmentTable::new(segments.clone()));
        let mut root = Root::new(table, Arc::clone(&self.lease));
        root.last_commit_index = self.state.last_commit_index;
        let mut watcher = self.options.value_index.then(ValueWatcher::new);
        root.values = watcher.as_mut().map(Watcher::view);
        let covered = match self.state.checkpoint {
            Some(number) => Some(checkpoint::read(&mut root, number, watcher.as_mut())?),
            None => None,
        };
        let mut replay = Replay::new(&mut root, watched(&mut watcher));
        let (ended, replayed_bytes) =
            replay_all(&mut replay, &segments, &self.state, covered, tail.end)?;
        self.recovery.replayed_commits = replay.commits;
        let next_space = replay.next_space.max(self.state.next_space);
        let read = watcher.as_ref().map(|watcher| watcher.read);
        let read = read.unwrap_or_default();
        self.recovery.values_read = read.values;
        let active = segments.last().cloned();
        let active = active.ok_or_else(|| Error::corrupt(Place::Store, "no segment"))?;
        if !read_only {
            // Damage is ruled out, so far as opening looks.
            self.settle(&active, &mut tail)?;
            remove_strays(&*self.options.disk, &root.lease.directory, &self.state);
        }
        self.recovery.torn = tail.torn;
        let next_segment = self.state.next_segment;
        let mut log = Log {
            disk: Arc::clone(&self.options.disk),
            directory: root.lease.directory.clone(),
            rules: self.rules,
            state: self.state,
            active,
            end: tail.end,
            head_sum: ended.head_sum,
            synced: tail.end,
            zeroed: tail.end,
            pending: Vec::new(),
            gathered: Vec::new(),
            next_segment: Arc::new(AtomicU32::new(next_segment)),
            next_space,
            since_checkpoint: replayed_bytes.max(read.bytes),
            waker: None,
            watcher: watcher.map(|watcher| Box::new(watcher) as Box<dyn Watcher>),
        };
        tracing::debug!(index = root.last_commit_index, "opened");
        let directory = log.directory.clone();
        let woken = (self.options.background && !read_only).then(|| {
            let (waker, woken) = waker();
            log.waker = Some(waker.clone());
            (waker, woken)
        });
        let shared = Arc::new(Shared::new(self.options, root, log, self.recovery));
        let background = woken
            .map(|(waker, woken)| Background::start(&shared, waker, woken, tidy))
            .transpose()?;
        Ok(Db::new(shared, background, &directory))
    }

    /// Opens every segment's file and checks its header and length.
    fn open_files(&self) -> Result<Vec<(Seal, Arc<dyn File>)>> {
        let active = self.state.active().map(|entry| entry.id);
        let mut files = Vec::with_capacity(self.state.segments.len());
        for entry in &self.state.segments {
            let is_active = Some(entry.id) == active;
            let how = match is_active && !self.options.read_only {
                true => OpenOptions::READ_WRITE,
                false => OpenOptions::READ,
            };
            let seal = Seal {
                store: self.state.store,
                segment: entry.id,
                epoch: entry.epoch,
            };
            let file = self.open_file(&seal, &how)?;
            let len = file
                .len()
                .map_err(|error| Error::io("reading a segment", error))?;
            let exact = !is_active || self.state.clean;
            if len < entry.len.into() || (exact && len != u64::from(entry.len)) {
                let what = format!("the segment is {len} bytes long, not {}", entry.len);
                return Err(damaged(entry.id, len.min(entry.len.into()), what));
            }
            files.push((seal, file));
        }
        Ok(files)
    }

    fn open_file(&self, seal: &Seal, how: &OpenOptions) -> Result<Arc<dyn File>> {
        let path = self.lease.directory.join(names::segment(seal.segment));
        let file = self
            .options
            .disk
            .open(&path, how)
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => damaged(seal.segment, 0, "the segment is missing"),
                _ => Error::io("opening a segment", error),
            })?;
        let expected = encode_header(seal);
        let mut header = [0; SEGMENT_HEADER_BYTES as usize];
        match read_exact_at(&*file, &mut header, 0) {
            Ok(()) if header.as_slice() == expected.as_slice() => Ok(file),
            Ok(()) => Err(damaged(
                seal.segment,
                0,
                "this is not the header of this segment",
            )),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(damaged(
                seal.segment,
                0,
                "the segment is shorter than its header",
            )),
            Err(error) => Err(Error::io("reading a segment", error)),
        }
    }

    /// Finds the end of the log.
    fn find_tail(&self, files: &[(Seal, Arc<dyn File>)]) -> Result<Tail> {
        let nothing = || Error::corrupt(Place::Store, "no segment");
        let certain = self
            .state
            .active()
            .map(|entry| entry.len)
            .ok_or_else(nothing)?;
        let (seal, file) = files.last().ok_or_else(nothing)?;
        if self.state.clean {
            return Ok(Tail {
                end: certain,
                torn: None,
            });
        }
        recovery::find_end(file, *seal, certain)
    }

    /// Cuts off what is behind the end of the log, and makes certain what is before it.
    fn settle(&mut self, active: &Segment, tail: &mut Tail) -> Result<()> {
        let entry = self.state.segments.last_mut();
        let Some(entry) = entry.filter(|_| !self.state.clean) else {
            return Ok(());
        };
        let certain = entry.len;
        let (disk, directory) = (&*self.options.disk, &*self.lease.directory);
        recovery::keep_remains(disk, directory, &*active.file, active.seal, tail)?;
        recovery::make_certain(&*active.file, certain, tail.end)?;
        if tail.end == certain {
            return Ok(());
        }
        entry.len = tail.end;
        self.state.sequence += 1;
        self.state.write_beside(disk, directory)?;
        StateFile::switch(disk, directory)
    }

    fn segments(
        &self,
        files: Vec<(Seal, Arc<dyn File>)>,
        tail: &Tail,
    ) -> Result<Vec<Arc<Segment>>> {
        let active = self.state.active().map(|entry| entry.id);
        let mut segments = Vec::with_capacity(files.len());
        for ((seal, file), entry) in files.into_iter().zip(&self.state.segments) {
            let is_active = Some(entry.id) == active;
            let len = if is_active { tail.end } else { entry.len };
            let capacity = match is_active && !self.options.read_only {
                true => len.max(self.options.segment_bytes),
                false => len,
            };
            let path = self.lease.directory.join(names::segment(entry.id));
            let cache = self.rules.cache.as_ref();
            let segment = Segment::new(seal, path, file, len, capacity, cache)?;
            segments.push(Arc::new(segment));
        }
        Ok(segments)
    }
}

fn damaged(id: SegmentId, offset: u64, what: impl Into<String>) -> Error {
    let place = Place::Offset {
        file: names::segment(id),
        offset,
    };
    Error::corrupt(place, what)
}

/// Removes files that nothing names: what a crash left of a segment or a checkpoint on its way.
fn remove_strays(disk: &dyn Disk, directory: &Path, state: &StateFile) {
    let Ok(found) = disk.list(directory) else {
        return;
    };
    let mut named: Vec<String> = state
        .segments
        .iter()
        .map(|entry| names::segment(entry.id))
        .collect();
    named.extend(state.checkpoint.map(names::checkpoint));
    for name in found {
        let name = name.to_string_lossy();
        if names::is_removable(&name) && !named.iter().any(|other| *other == *name) {
            // Best effort: the next opening tries again.
            let _ = disk.remove(&directory.join(&*name));
        }
    }
}
