//! The long run behind `scripts/crash`: every profile, every call, in one report.

use std::time::Instant;

use crash_kit::{Action, Call, Plan, Report, explore};

use super::explore::assert_clean;
use super::stage::{EIO, ENOSPC};
use super::subject::{Bolt, PROFILES, Profile};
use super::sweeps::{REOPENING, pair, sweep_all};

const THREADS: usize = 2;

/// Reports added up.
struct Total {
    began: Instant,
    sum: Option<Report>,
}

impl Total {
    fn add(&mut self, report: &Report) {
        let Some(sum) = &mut self.sum else {
            self.sum = Some(report.clone());
            return;
        };
        sum.workloads += report.workloads;
        sum.states += report.states;
        sum.double += report.double;
        sum.lost += report.lost;
        sum.partial += report.partial;
        sum.phantom += report.phantom;
        sum.other += report.other;
        sum.secs = self.began.elapsed().as_secs_f64();
    }
}

/// A seed for another run than the usual one.
fn seed() -> u64 {
    let seed = std::env::var("CRASH_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    seed.unwrap_or(1)
}

fn explore_all(total: &mut Total) {
    for profile in PROFILES {
        let plan = Plan {
            seed: seed(),
            states: 25_000,
            states_per_point: 96,
            double_every: 50,
            double_per_point: 8,
            threads: THREADS,
            ..Plan::default()
        };
        let report = explore(&Bolt(profile), &plan);
        println!(
            "{:20} workloads={:4} {report:#}",
            profile.name, report.workloads
        );
        total.add(&report);
    }
}

fn sweep_everything(total: &mut Total) {
    let plan = Plan {
        seed: seed() + 2,
        states_per_point: 6,
        random_per_point: 2,
        double_every: 100,
        double_per_point: 4,
        threads: THREADS,
        ..Plan::default()
    };
    let (fail, full) = (Action::Fail(EIO), Action::Fail(ENOSPC));
    let revert = Action::FailAndRevert(EIO);
    for profile in PROFILES {
        sweep_all(profile, Call::AnySync, &[fail, revert, full], &plan, |it| {
            total.add(it)
        });
        sweep_all(profile, Call::AnyChange, &[fail, full], &plan, |it| {
            total.add(it)
        });
        sweep_all(profile, Call::Write, &[Action::Short(100)], &plan, |it| {
            total.add(it)
        });
        let reopening = Profile {
            mix: REOPENING.mix,
            ..profile
        };
        sweep_all(reopening, Call::Any, &[fail], &plan, |it| total.add(it));
    }
    for first in 1..=40 {
        for second in [first + 1, first + 2, first + 5] {
            total.add(&pair(Call::AnySync, first, second, &plan));
        }
    }
}

/// Ends with the line that `scripts/crash` looks for.
#[test]
#[ignore = "takes minutes: scripts/crash runs it"]
fn crash_states_without_number_lose_nothing() {
    let mut total = Total {
        began: Instant::now(),
        sum: None,
    };
    println!("CRASH_SEED={}", seed());
    explore_all(&mut total);
    sweep_everything(&mut total);
    let report = total.sum.unwrap();
    println!(
        "{} workloads, each call of some of them failed in turn",
        report.workloads
    );
    println!("\n{report}");
    assert_clean(&Profile::PLAIN, &report);
    assert!(
        report.states >= 50_000 && report.double >= 5_000,
        "{report}"
    );
}
