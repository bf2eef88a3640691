//! The oracle: opens a store on a disk a crash has left, and says what is wrong with it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use kv_api::{ErrorKind, Result as StoreResult};

use crate::disk::CrashDisk;
use crate::event::Mark;
use crate::model::{Digest, Direction, Scan};
use crate::report::Class;
use crate::subject::{Step, Subject};
use crate::worlds::Worlds;

/// What is wrong with a state.
pub(crate) type Fault = (Class, String);

pub(crate) fn other(what: impl Into<String>) -> Fault {
    (Class::Other, what.into())
}

/// Runs `work`, and makes a panic a failure.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_string());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(other(format!("panic: {}", text.unwrap_or_default())))
    })
}

fn done<T>(doing: &str, result: StoreResult<T>) -> Result<T, Fault> {
    result.map_err(|error| other(format!("{doing}: {error}")))
}

/// The digest of what the store shows, walked both ways.
pub(crate) fn contents<S: Subject>(subject: &S, store: &S::Store) -> Result<Digest, Fault> {
    let [forward, backward] = [Direction::Forward, Direction::Backward].map(|direction| {
        let mut scan = Scan::new(direction);
        done("scan", subject.scan(store, direction, &mut scan))?;
        scan.finish().map_err(other)
    });
    let (forward, backward) = (forward?, backward?);
    if forward != backward {
        return Err(other("walking forward and backward shows different pairs"));
    }
    Ok(forward)
}

/// Checks the store and compares what it shows with what it may show.
pub(crate) fn inspect<S: Subject>(
    subject: &S,
    store: &S::Store,
    worlds: &Worlds,
    when: &str,
) -> Result<Digest, Fault> {
    let findings = done(when, subject.check(store))?;
    if !findings.is_empty() {
        return Err(other(format!("{when}: check: {}", findings.join("; "))));
    }
    let digest = contents(subject, store)?;
    let verdict = worlds.judge_live(digest);
    verdict.map_err(|class| (class, format!("{when}: contents are not what was promised")))?;
    Ok(digest)
}

/// One store on one disk, judged from the crash to the end of its probe.
pub(crate) struct Trial<'a, S: Subject> {
    pub(crate) subject: &'a S,
    pub(crate) disk: &'a CrashDisk,
    pub(crate) worlds: Worlds,
    pub(crate) depth: usize,
}

impl<S: Subject> Trial<'_, S> {
    /// Runs the whole oracle.
    pub(crate) fn run(mut self) -> Result<(), Fault> {
        let Some(store) = self.recover()? else {
            return Ok(());
        };
        drop(store);
        let mut store = self.reopen()?;
        self.probe(&mut store)?;
        done("close after the probe", self.subject.close(store))?;
        let store = done("open after the probe", self.open())?;
        inspect(self.subject, &store, &self.worlds, "after the probe")?;
        match self.disk.violations().first() {
            Some(violation) => Err(other(violation.clone())),
            None => Ok(()),
        }
    }

    fn open(&self) -> StoreResult<S::Store> {
        self.subject.open(self.disk.as_dyn())
    }

    fn mark(&mut self, mark: Mark) {
        self.disk.mark(mark);
        self.worlds.take(self.subject, mark);
    }

    /// The first opening; `None` where the crash was in the store's making and that is said.
    fn recover(&mut self) -> Result<Option<S::Store>, Fault> {
        let store = match self.open() {
            Err(error) if error.kind() == ErrorKind::InterruptedInit && !self.worlds.opened() => {
                return Ok(None);
            }
            opened => done("open after the crash", opened)?,
        };
        let seen = inspect(self.subject, &store, &self.worlds, "after the crash")?;
        self.mark(Mark::Opened);
        self.mark(Mark::Seen(seen));
        Ok(Some(store))
    }

    fn reopen(&mut self) -> Result<S::Store, Fault> {
        let before = self.disk.live_digest();
        let store = done("second open", self.open())?;
        if !self.subject.reopening_writes() && self.disk.live_digest() != before {
            return Err(other("second open changed the files"));
        }
        inspect(self.subject, &store, &self.worlds, "second open")?;
        Ok(store)
    }

    /// A commit must work, and be there.
    fn probe(&mut self, store: &mut S::Store) -> Result<(), Fault> {
        let step = Step::Probe { depth: self.depth };
        self.mark(Mark::Begin(step));
        let durability = done("probe", self.subject.apply(store, step))?;
        self.mark(Mark::Ack(durability));
        inspect(self.subject, store, &self.worlds, "probe").map(drop)
    }
}

/// Judges a state.
pub(crate) fn judge<S: Subject>(
    subject: &S,
    disk: &CrashDisk,
    worlds: Worlds,
    depth: usize,
) -> Result<(), Fault> {
    let trial = Trial {
        subject,
        disk,
        worlds,
        depth,
    };
    guarded(|| trial.run())
}
