//! The long run behind `scripts/crash`: every profile in one report.

use std::time::Instant;

use crash_kit::{Plan, Report, explore};

use super::explore::assert_clean;
use super::profile::{PROFILES, Profile};
use super::subject::Lsm;

/// A seed for another run than the usual one.
fn seed() -> u64 {
    let seed = std::env::var("CRASH_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    seed.unwrap_or(1)
}

/// Ends with the line that `scripts/crash` looks for.
#[test]
#[ignore = "takes a minute: scripts/crash runs it"]
fn crash_states_without_number_lose_nothing() {
    let began = Instant::now();
    println!("CRASH_SEED={}", seed());
    let mut sum: Option<Report> = None;
    for profile in PROFILES {
        let plan = Plan {
            seed: seed(),
            states: 5_600,
            states_per_point: 48,
            random_per_point: 8,
            double_every: 150,
            double_per_point: 4,
            threads: 2,
            ..Plan::default()
        };
        let report = explore(&Lsm(profile), &plan);
        println!(
            "{:22} workloads={:4} {report:#}",
            profile.name, report.workloads
        );
        let Some(sum) = &mut sum else {
            sum = Some(report);
            continue;
        };
        sum.workloads += report.workloads;
        sum.states += report.states;
        sum.double += report.double;
        sum.lost += report.lost;
        sum.partial += report.partial;
        sum.phantom += report.phantom;
        sum.other += report.other;
    }
    let mut report = sum.unwrap();
    report.secs = began.elapsed().as_secs_f64();
    println!("\n{report}");
    assert_clean(&Profile::PLAIN, &report);
    assert!(
        report.states >= 50_000 && report.double >= 5_000,
        "{report}"
    );
}
