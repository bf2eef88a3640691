//! Crashes a workload everywhere, and recoveries of crashes too.

use std::cell::Cell;
use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use xxhash_rust::xxh3::xxh3_64;

use crate::choice::Choice;
use crate::core::Recorder;
use crate::disk::CrashDisk;
use crate::enumerate::Enumerate;
use crate::fault::Fault;
use crate::id::Id;
use crate::judge::judge;
use crate::plan::Plan;
use crate::record::{Moment, Recording, moments, record};
use crate::report::{Class, Failure, Report};
use crate::subject::Subject;
use crate::worlds::Worlds;

/// Failures kept with their ids.
const FAILURES_KEPT: usize = 10;

/// Crashes, during one recovery, of the recovery before it.
const DEPTH_MAX: usize = 2;

/// Runs workloads and judges every state a crash can leave, as far as `plan` goes.
pub fn explore<S: Subject>(subject: &S, plan: &Plan) -> Report {
    let exploration = Exploration::new(subject, plan);
    for seed in (plan.seed..).take(usize::try_from(plan.workloads_max).unwrap_or(usize::MAX)) {
        exploration.workload(&Id::new(seed, None), &plan.faults);
        let tally = exploration.tally();
        if tally.states >= plan.states || tally.failed() >= plan.failures_max {
            break;
        }
    }
    exploration.finish()
}

/// Explores one workload once for each call that the first fault of `plan` covers, moving that
/// fault from the first call to the last.
pub fn sweep<S: Subject>(subject: &S, plan: &Plan) -> Report {
    let exploration = Exploration::new(subject, plan);
    for nth in 1.. {
        let struck = exploration.workload(&Id::new(plan.seed, Some(nth)), &moved(plan, Some(nth)));
        if struck == 0 || exploration.tally().failed() >= plan.failures_max {
            break;
        }
    }
    exploration.finish()
}

/// The plan's faults, with the first moved to the `nth` call it covers.
pub(crate) fn moved(plan: &Plan, nth: Option<u64>) -> Vec<Fault> {
    let mut faults = plan.faults.clone();
    if let (Some(first), Some(nth)) = (faults.first_mut(), nth) {
        first.nth = nth;
    }
    faults
}

struct Exploration<'a, S: Subject> {
    subject: &'a S,
    plan: &'a Plan,
    started: Instant,
    tally: Mutex<Report>,
    seen: Mutex<HashSet<u128>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a, S: Subject> Exploration<'a, S> {
    fn new(subject: &'a S, plan: &'a Plan) -> Exploration<'a, S> {
        Exploration {
            subject,
            plan,
            started: Instant::now(),
            tally: Mutex::new(Report::new(subject.name())),
            seen: Mutex::default(),
        }
    }

    fn tally(&self) -> MutexGuard<'_, Report> {
        locked(&self.tally)
    }

    fn finish(self) -> Report {
        let mut report = self.tally().clone();
        report.secs = self.started.elapsed().as_secs_f64();
        report
    }

    /// Records one workload and crashes it everywhere; answers how many calls faults struck.
    fn workload(&self, id: &Id, faults: &[Fault]) -> u64 {
        let Recording {
            recorder,
            failure,
            struck,
        } = record(self.subject, id.seed(), faults, self.plan.after_failure);
        self.tally().workloads += 1;
        if let Some((class, what)) = failure {
            self.tally().fail(class, what, id.to_string());
        }
        let moments = moments(self.subject, &recorder, &Worlds::default());
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 1..self.plan.threads {
                scope.spawn(|| self.take_moments(&moments, &next, id));
            }
            self.take_moments(&moments, &next, id);
        });
        struck
    }

    fn take_moments(&self, moments: &[Moment], next: &AtomicUsize, id: &Id) {
        while let Some(moment) = moments.get(next.fetch_add(1, Ordering::Relaxed)) {
            if self.tally().failed() >= self.plan.failures_max {
                return;
            }
            self.moment(moment, id, 1);
        }
    }

    /// Crashes one moment in as many ways as the plan allows.
    fn moment(&self, moment: &Moment, id: &Id, depth: usize) {
        let units = moment.medium.units();
        let enumerate = Enumerate {
            units: &units,
            exhaustive_units: self.plan.exhaustive_units,
            scramble: self.plan.scramble,
            seed: xxh3_64(id.to_string().as_bytes()) ^ moment.point as u64,
        };
        let per_point = match depth {
            1 => self.plan.states_per_point,
            _ => self.plan.double_per_point,
        };
        let worlds_key = moment.worlds.key();
        let random = self.plan.random_per_point.min(per_point);
        let left = Cell::new(per_point - random);
        let mut visit = |choices: &[Choice]| {
            let fresh = self.state(moment, worlds_key, choices, id, depth);
            left.set(left.get().saturating_sub(usize::from(fresh)));
            match left.get() {
                0 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        };
        // Breaking off is how a full budget ends the enumeration; it is no failure.
        let _ = enumerate.systematic(&mut visit);
        left.set(left.get() + random);
        let _ = enumerate.random(left.get(), &mut visit);
    }

    /// Judges one state unless it was met before; answers whether it was new.
    fn state(
        &self,
        moment: &Moment,
        worlds_key: u128,
        choices: &[Choice],
        id: &Id,
        depth: usize,
    ) -> bool {
        let volume = moment.medium.survivor(choices);
        let key = volume.digest() ^ worlds_key;
        if !locked(&self.seen).insert(key) {
            return false;
        }
        let twice = self.tally().count(depth, self.plan.double_every);
        let disk = CrashDisk::holding(volume, twice);
        let worlds = Worlds::clone(&moment.worlds);
        let here = || id.then(moment.point, choices);
        if let Err((class, what)) = judge(self.subject, &disk, worlds, depth) {
            self.tally().fail(class, what, here().to_string());
        } else if twice {
            self.recovery(&disk.take_recorder(), &moment.worlds, &here(), depth + 1);
        }
        true
    }

    fn recovery(&self, recorder: &Recorder, worlds: &Worlds, id: &Id, depth: usize) {
        for moment in moments(self.subject, recorder, worlds) {
            self.moment(&moment, id, depth);
        }
    }
}

impl Report {
    fn new(engine: &str) -> Report {
        Report {
            engine: engine.to_string(),
            workloads: 0,
            states: 0,
            double: 0,
            lost: 0,
            partial: 0,
            phantom: 0,
            other: 0,
            secs: 0.0,
            failures: Vec::new(),
        }
    }

    /// Counts a state; answers whether its recovery is to be crashed as well.
    fn count(&mut self, depth: usize, double_every: u64) -> bool {
        if depth > 1 {
            self.double += 1;
            return false;
        }
        self.states += 1;
        depth < DEPTH_MAX && self.states.is_multiple_of(double_every)
    }

    fn fail(&mut self, class: Class, what: String, id: String) {
        match class {
            Class::Lost => self.lost += 1,
            Class::Partial => self.partial += 1,
            Class::Phantom => self.phantom += 1,
            Class::Other => self.other += 1,
        }
        if self.failures.len() < FAILURES_KEPT {
            self.failures.push(Failure { class, what, id });
        }
    }
}
