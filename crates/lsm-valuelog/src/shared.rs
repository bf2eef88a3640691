//! What every handle of an open store shares.
//!
//! Invariants:
//! * locks are taken in this order: the logs (`core`), then the files (`files`); never the other
//!   way round, and neither is held while a caller's code runs;
//! * `state` is replaced in one step, by whoever holds the logs (a new memtable) or the files (new
//!   tables), each changing only its own part;
//! * once poisoned, nothing is written any more and what was visible stays so.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::ArcSwap;
use kv_api::{Error, Result};

use crate::callbacks::Callbacks;
use crate::commit_queue::CommitQueue;
use crate::counters::Counters;
use crate::error::locked;
use crate::id::{FileId, Sequence};
use crate::log::wal::LogWriter;
use crate::manifest::edit::{Edit, Part, bans};
use crate::manifest::file::Manifest;
use crate::memtable::LogPlace;
use crate::open_logs::Core;
use crate::open_versions::OpenVersions;
use crate::options::Options;
use crate::state::State;
use crate::subscribers::Subscribers;
use crate::table::reader::Reading;
use crate::threshold::Threshold;
use crate::version::Version;
use crate::work::Work;

/// The files of the store, as whoever changes them sees them.
#[derive(Debug)]
pub(crate) struct Files {
    pub manifest: Manifest,
    /// Where commits that are in no table begin in the logs.
    pub logs: LogPlace,
    /// The same, as the manifest says it.
    pub logs_durable: LogPlace,
    /// Tables that a compaction is reading.
    pub busy: BTreeSet<FileId>,
    /// A refused edit may have left bytes behind the manifest's last one.
    pub must_rewrite: bool,
    /// Write-ahead logs that are there and in use.
    pub wals: BTreeSet<FileId>,
    /// Write-ahead logs that are no longer needed and may be written again.
    pub free_logs: Vec<FileId>,
    /// Ranges of keys that compactions under way are writing.
    pub writing: Vec<(FileId, Vec<u8>, Vec<u8>)>,
    /// How many ask that no compaction begin.
    pub halts: usize,
}

/// An open store.
pub(crate) struct Shared {
    pub options: Options,
    pub reading: Reading,
    pub state: ArcSwap<State>,
    /// The newest commit that readers may see.
    visible: AtomicU64,
    pub core: Mutex<Core>,
    pub queue: CommitQueue,
    /// Whoever is told of commits that nobody waits for.
    pub callbacks: Callbacks,
    /// Whoever writes a memtable to a table; one at a time, oldest first.
    pub flushing: Mutex<()>,
    /// Whoever collects the value log.
    pub collecting: Mutex<()>,
    pub files: Mutex<Files>,
    /// The log that the next memtable will have, made ready ahead so that no commit waits for it;
    /// taken after `files` if with it.
    pub ready_log: Mutex<Option<LogWriter>>,
    /// Whether it is wanted or there.
    pub wants_log: AtomicBool,
    next_file: AtomicU64,
    pub next_space: AtomicU64,
    /// The newest version at which everything older was replaced: transactions that read before
    /// it and commit behind it are in conflict with it.
    pub replaced_at: AtomicU64,
    /// Versions that open transactions read at.
    open: Mutex<OpenVersions>,
    /// Where history is kept: the oldest version that may still be asked for.
    pub discard_at: AtomicU64,
    pub subscribers: Subscribers,
    poison: OnceLock<Arc<Error>>,
    is_closed: AtomicBool,
    pub work: Work,
    pub counters: Counters,
    /// What decides which values go to the value log.
    pub threshold: Threshold,
}

/// What a store is made of when it is opened.
pub(crate) struct Parts {
    pub options: Options,
    pub reading: Reading,
    pub state: State,
    pub core: Core,
    pub files: Files,
    pub visible: Sequence,
    pub discarded: Sequence,
    pub next_file: FileId,
    pub next_space: u64,
    /// The threshold of values that an earlier opening has learned.
    pub threshold: Option<u64>,
}

impl Shared {
    pub fn new(parts: Parts) -> Shared {
        let options = &parts.options;
        let (bytes, share) = (options.value_threshold_bytes, options.value_share);
        Shared {
            threshold: Threshold::new(bytes, share, parts.threshold),
            options: parts.options,
            reading: parts.reading,
            state: ArcSwap::from_pointee(parts.state),
            visible: AtomicU64::new(parts.visible.0),
            core: Mutex::new(parts.core),
            queue: CommitQueue::default(),
            callbacks: Callbacks::default(),
            flushing: Mutex::default(),
            collecting: Mutex::default(),
            files: Mutex::new(parts.files),
            ready_log: Mutex::default(),
            wants_log: AtomicBool::new(false),
            next_file: AtomicU64::new(parts.next_file.0),
            next_space: AtomicU64::new(parts.next_space),
            replaced_at: AtomicU64::new(0),
            open: Mutex::default(),
            discard_at: AtomicU64::new(parts.discarded.0),
            subscribers: Subscribers::default(),
            poison: OnceLock::new(),
            is_closed: AtomicBool::new(false),
            work: Work::default(),
            counters: Counters::default(),
        }
    }

    pub fn now(&self) -> u64 {
        (self.options.clock)()
    }

    pub fn new_file_id(&self) -> FileId {
        FileId(self.next_file.fetch_add(1, Ordering::Relaxed))
    }

    pub fn next_file(&self) -> FileId {
        FileId(self.next_file.load(Ordering::Relaxed))
    }

    pub fn visible(&self) -> Sequence {
        Sequence(self.visible.load(Ordering::Acquire))
    }

    /// Lets readers see everything up to `sequence`.
    pub fn publish(&self, sequence: Sequence) {
        self.visible.store(sequence.0, Ordering::Release);
    }

    /// A state, and a version all of whose commits are in it: all that is in its tables too, as
    /// those may have taken the place of what older versions were made of.
    pub fn current(&self) -> (Arc<State>, Sequence) {
        loop {
            let state = self.state.load_full();
            let visible = self.visible().max(state.version.flushed);
            // If a new memtable came between, commits up to `visible` may be in it only.
            if Arc::ptr_eq(&state, &self.state.load()) {
                return (state, visible);
            }
        }
    }

    /// Stops all writing for good, because of `cause`; answers it as it is to be told.
    pub fn poison(&self, cause: &Error) -> Error {
        let told = match cause {
            // That would promise a handle that lives on.
            Error::NoSpace { what } => Error::Io {
                doing: "what cannot be tried again",
                source: Arc::new(std::io::Error::other(what.clone())),
            },
            other => other.clone(),
        };
        if self.poison.set(Arc::new(told.clone())).is_ok() {
            tracing::error!(%cause, "writing stops");
        }
        self.work.wake();
        told
    }

    pub fn poisoned(&self) -> Option<Error> {
        self.poison.get().map(|cause| Error::Poisoned {
            cause: Arc::clone(cause),
        })
    }

    pub fn refuse_poisoned(&self) -> Result<()> {
        self.poisoned().map_or(Ok(()), Err)
    }

    /// Refuses whoever wants to change a store that is only read.
    pub fn refuse_read_only(&self) -> Result<()> {
        if self.options.is_read_only {
            return Err(Error::ReadOnly);
        }
        Ok(())
    }

    pub fn refuse_closed(&self) -> Result<()> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        Ok(())
    }

    /// Closes the door; answers whether it was open.
    pub fn shut(&self) -> bool {
        !self.is_closed.swap(true, Ordering::AcqRel)
    }

    /// Gives up the directory once those who still read have ended.
    pub fn release_lease(&self) {
        self.state.rcu(|state| State {
            lease: Arc::new(crate::lease::Lease::none()),
            ..State::clone(state)
        });
    }

    /// Notes a transaction that reads at a version: what is newer must stay to be compared with.
    pub fn enter(&self, at: Sequence) {
        locked(&self.open).enter(at);
    }

    pub fn leave(&self, at: Sequence) {
        locked(&self.open).leave(at);
    }

    /// The newest commit that no open transaction could still find itself in conflict with.
    pub fn settled(&self) -> Sequence {
        let visible = self.visible();
        let oldest = locked(&self.open).oldest();
        oldest.map_or(visible, |at| at.min(visible))
    }

    /// After an edit that was refused for want of space and may be there all the same: writes a
    /// manifest without it to a file of its own, which decides; answers whether that worked.
    fn resolve(&self, files: &mut Files) -> bool {
        let version = Arc::clone(&self.state.load().version);
        let mut base = base_of(&version, files.logs_durable);
        base.push(Part::NextFile(self.next_file()));
        base.extend(self.threshold.learned().map(Part::Threshold));
        files.must_rewrite = files.manifest.rewrite(&base).is_err();
        !files.must_rewrite
    }

    /// Up to where history is no longer whole once `edit` is done, which it is told to say.
    fn discarded_by(&self, edit: &mut Edit) -> Sequence {
        let before = self.state.load().version.discarded;
        let discarded = if self.options.keeps_history {
            Sequence(self.discard_at.load(Ordering::Acquire))
        } else {
            // Whatever goes to tables may lose all but its newest versions.
            let flushed = edit.iter().filter_map(|part| match part {
                Part::Flushed(sequence) => Some(*sequence),
                _ => None,
            });
            flushed.max().unwrap_or(before)
        };
        if discarded > before {
            edit.push(Part::Discarded(discarded));
        }
        discarded.max(before)
    }

    /// Makes `edit` durable and then the version that `change` makes current.
    pub fn install(
        &self,
        files: &mut Files,
        mut edit: Edit,
        change: impl Fn(&mut State, &mut Version),
    ) -> Result<()> {
        self.refuse_read_only()?;
        self.refuse_poisoned()?;
        edit.push(Part::NextFile(self.next_file()));
        edit.extend(self.threshold.learned().map(Part::Threshold));
        let discarded = self.discarded_by(&mut edit);
        let change = |state: &mut State, version: &mut Version| {
            change(state, version);
            version.discarded = version.discarded.max(discarded);
        };
        let mut state = State::clone(&self.state.load());
        let mut version = Version::clone(&state.version);
        change(&mut state, &mut version);
        // Tables that lie about their keys can be merged into such as overlap.
        if let Some(what) = version.disorder() {
            return Err(Error::corrupt(kv_api::Place::Store, what));
        }
        // So can such as lie about the files they point to. Counting costs too much for every build.
        if cfg!(debug_assertions)
            && self.state.load().version.miscounted().is_empty()
            && let Some(what) = version.miscounted().into_iter().next()
        {
            return Err(Error::corrupt(kv_api::Place::Store, what));
        }
        let must_rewrite = files.must_rewrite || files.manifest.is_foreign();
        let written = if must_rewrite || files.manifest.is_long() {
            let mut base = base_of(&version, files.logs);
            base.push(Part::NextFile(self.next_file()));
            base.extend(self.threshold.learned().map(Part::Threshold));
            files.manifest.rewrite(&base)
        } else {
            files.manifest.append(&edit)
        };
        files.must_rewrite = written.is_err();
        if let Err(failure) = written {
            let is_refusal = matches!(failure.error, Error::NoSpace { .. });
            if !is_refusal || failure.is_in_doubt && !self.resolve(files) {
                return Err(self.poison(&failure.error));
            }
            return Err(failure.error);
        }
        files.logs_durable = files.logs;
        self.state.rcu(|state| {
            let mut state = State::clone(state);
            let mut version = Version::clone(&state.version);
            change(&mut state, &mut version);
            debug_assert_eq!(version.disorder(), None, "refused above");
            state.version = Arc::new(version);
            state
        });
        Ok(())
    }
}

/// An edit that makes `version` out of nothing.
pub(crate) fn base_of(version: &Version, logs: LogPlace) -> Edit {
    let mut base: Edit = version
        .value_states
        .iter()
        .map(|(id, state)| Part::Values(*id, *state))
        .collect();
    let tables = version.tables();
    base.extend(tables.map(|(level, table)| Part::AddTable(level, table.meta.clone())));
    base.push(Part::Flushed(version.flushed));
    base.push(Part::Logs(logs));
    base.push(Part::Discarded(version.discarded));
    base.push(Part::Dropped(version.dropped));
    base.push(Part::Late(version.late));
    base.extend(version.banned.iter().flat_map(|banned| bans(banned)));
    base
}
