//! Runs a workload on a recording disk, and cuts the recording into moments.

use std::sync::Arc;

use kv_api::{Error, ErrorKind, Outcome};

use crate::core::Recorder;
use crate::disk::CrashDisk;
use crate::event::{Event, Mark};
use crate::fault::Fault;
use crate::judge::{self, contents, guarded, inspect, other};
use crate::medium::Medium;
use crate::plan::AfterFailure;
use crate::subject::{Step, Subject};
use crate::worlds::Worlds;

/// A workload's recording.
pub(crate) struct Recording {
    pub(crate) recorder: Recorder,
    /// What went wrong while nothing had crashed yet.
    pub(crate) failure: Option<judge::Fault>,
    /// Calls that a fault struck.
    pub(crate) struck: u64,
}

/// A point of the log at which a crash is worth trying.
pub(crate) struct Moment {
    /// Entries of the log before it.
    pub(crate) point: usize,
    pub(crate) medium: Medium,
    /// As recovery will meet them.
    pub(crate) worlds: Arc<Worlds>,
}

struct Run<'a, S: Subject> {
    subject: &'a S,
    disk: &'a CrashDisk,
    worlds: Worlds,
    after_failure: AfterFailure,
    /// Whether the open store may refuse to write, after a failure that was not for space.
    may_refuse: bool,
    /// Whether it may say that it is poisoned, though no step failed.
    may_be_poisoned: bool,
}

/// Runs the workload of `seed` on a fresh disk.
pub(crate) fn record<S: Subject>(
    subject: &S,
    seed: u64,
    faults: &[Fault],
    after_failure: AfterFailure,
) -> Recording {
    let disk = CrashDisk::new();
    faults.iter().for_each(|fault| disk.arm(*fault));
    let mut run = Run {
        subject,
        disk: &disk,
        worlds: Worlds::default(),
        after_failure,
        may_refuse: false,
        may_be_poisoned: false,
    };
    let ended = guarded(|| run.workload(seed));
    let broken = disk.violations().into_iter().next().map(other);
    Recording {
        failure: ended.err().or(broken),
        struck: disk.struck(),
        recorder: disk.take_recorder(),
    }
}

impl<S: Subject> Run<'_, S> {
    fn mark(&mut self, mark: Mark) {
        self.disk.mark(mark);
        self.worlds.take(self.subject, mark);
    }

    fn workload(&mut self, seed: u64) -> Result<(), judge::Fault> {
        let Some(mut store) = self.open()? else {
            return Ok(());
        };
        for index in 0..self.subject.steps(seed) {
            if self.worlds.is_crowded() {
                break;
            }
            if self.step(&mut store, Step::Work { seed, index })? {
                continue;
            }
            if self.after_failure == AfterFailure::Reopen {
                drop(store);
                match self.open()? {
                    Some(opened) => store = opened,
                    None => return Ok(()),
                }
            }
        }
        let closed = self.subject.close(store);
        match closed {
            Err(error) if self.disk.struck() == 0 => Err(other(format!("close: {error}"))),
            _ => Ok(()),
        }
    }

    /// Opens the store; `None` if a fault kept it from opening.
    fn open(&mut self) -> Result<Option<S::Store>, judge::Fault> {
        let tries = match self.after_failure {
            AfterFailure::Continue => 1,
            AfterFailure::Reopen => 2,
        };
        for _ in 0..tries {
            let struck = self.disk.struck();
            match self.subject.open(self.disk.as_dyn()) {
                Ok(store) => {
                    (self.may_refuse, self.may_be_poisoned) = (false, false);
                    self.mark(Mark::Opened);
                    return Ok(self.see(&store)?.then_some(store));
                }
                // A fault before this opening cut the store's making short.
                Err(error)
                    if error.kind() == ErrorKind::InterruptedInit && !self.worlds.opened() => {}
                Err(error) if self.disk.struck() == struck => {
                    return Err(other(format!("open of a running machine: {error}")));
                }
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Notes what a store just opened shows; answers `false` if faults kept it from answering.
    fn see(&mut self, store: &S::Store) -> Result<bool, judge::Fault> {
        // The process before this one is dead, and with it what it had not made durable.
        let worlds = self.worlds.after_crash();
        for _ in 0..2 {
            if let Some(seen) = self.inspect(store, &worlds, "open")? {
                self.mark(Mark::Seen(seen));
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Runs one step; answers whether it was promised.
    fn step(&mut self, store: &mut S::Store, step: Step) -> Result<bool, judge::Fault> {
        let (struck, broken) = (self.disk.struck(), self.disk.broken());
        self.mark(Mark::Begin(step));
        let result = self.subject.apply(store, step);
        let promised = result.is_ok();
        match result {
            Ok(durability) => {
                // A call that failed behind the back of a step, in work that the step's own promise
                // does not need, may have poisoned the handle: then the next step is where that is
                // told. Nothing is forgiven by it that anybody was promised: this step is judged as
                // any other, what a later one is refused must never be seen, want of space poisons
                // nobody who has promised, and no other refusal than this one is expected.
                self.may_be_poisoned |= self.disk.broken() > broken;
                self.mark(Mark::Ack(durability));
            }
            Err(error) if self.disk.struck() == struck && !self.is_expected(&error) => {
                return Err(other(format!("{step:?} refused without a fault: {error}")));
            }
            Err(error) => {
                self.may_refuse |= error.kind() != ErrorKind::NoSpace;
                // Readers keep the last durable version, so the worlds are judged as they were.
                let doubtful = error.outcome() == Outcome::InDoubt;
                self.refuse(store, doubtful)?;
            }
        }
        if promised {
            self.inspect(store, &self.worlds, "after a commit")?;
        }
        Ok(promised)
    }

    /// Whether the open store may refuse a step with this error, though no call failed during it.
    fn is_expected(&self, error: &Error) -> bool {
        let is_poisoned = error.kind() == ErrorKind::Poisoned;
        self.may_refuse || self.may_be_poisoned && is_poisoned
    }

    fn refuse(&mut self, store: &S::Store, doubtful: bool) -> Result<(), judge::Fault> {
        let mut before = self.worlds.clone();
        before.take(self.subject, Mark::Nack);
        self.mark(match doubtful {
            true => Mark::InDoubt,
            false => Mark::Nack,
        });
        let struck = self.disk.struck();
        match contents(self.subject, store) {
            Ok(digest) => before.judge_live(digest).map_err(|class| {
                let what = "after a failed commit, readers see what is not durable";
                (class, what.to_string())
            }),
            Err(_) if self.disk.struck() > struck => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Judges the running store; `None` if a fault kept it from answering.
    fn inspect(
        &self,
        store: &S::Store,
        worlds: &Worlds,
        when: &str,
    ) -> Result<Option<crate::model::Digest>, judge::Fault> {
        let struck = self.disk.struck();
        match inspect(self.subject, store, worlds, when) {
            Ok(digest) => Ok(Some(digest)),
            Err(_) if self.disk.struck() > struck => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

/// The moments of a recording that began in `worlds`.
pub(crate) fn moments<S: Subject>(
    subject: &S,
    recorder: &Recorder,
    worlds: &Worlds,
) -> Vec<Moment> {
    let mut medium = recorder.start.clone();
    let mut worlds = worlds.clone();
    let mut shared = Arc::new(worlds.after_crash());
    let mut moments = Vec::new();
    for (index, event) in recorder.log.iter().enumerate() {
        medium.apply(event);
        if let Event::Mark(mark) = event {
            worlds.take(subject, *mark);
            shared = Arc::new(worlds.after_crash());
        }
        if is_worth_a_crash(event) {
            moments.push(Moment {
                point: index + 1,
                medium: medium.clone(),
                worlds: Arc::clone(&shared),
            });
        }
    }
    moments
}

/// A sync or the beginning of a step only takes states away or forgives more, so the states after
/// it were all met before it.
fn is_worth_a_crash(event: &Event) -> bool {
    match event {
        Event::Change { .. } | Event::FailedSync { .. } => true,
        Event::Mark(Mark::Begin(_)) | Event::Failed { .. } => false,
        Event::SyncFile { .. } | Event::SyncBytes { .. } | Event::SyncDirectory { .. } => false,
        Event::Mark(_) => true,
    }
}
