//! Crashes at every moment of workloads: nothing promised is lost, nothing refused is seen.

use crash_kit::{Plan, explore};

use super::subject::{Flat, PROFILES};

/// What `cargo test` has time for.
pub fn quick() -> Plan {
    Plan {
        states: 400,
        states_per_point: 24,
        random_per_point: 6,
        double_every: 40,
        double_per_point: 4,
        ..Plan::default()
    }
}

#[test]
fn no_crash_loses_or_invents_a_commit_however_the_engine_is_used() {
    let mut states = 0;
    for profile in PROFILES {
        let report = explore(&Flat(profile), &quick());
        assert!(report.is_clean(), "{}: {report:#}", profile.name);
        assert!(report.double > 40, "{}: {report}", profile.name);
        states += report.states;
    }
    assert!(states >= 2_400, "only {states} states");
}

#[test]
#[ignore = "for scripts/crash: a minute of an optimised build"]
fn crash_states_without_number_lose_nothing() {
    let seed = std::env::var("CRASH_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(1);
    let (mut states, mut double, mut secs) = (0, 0, 0.0);
    let (mut lost, mut partial, mut phantom) = (0, 0, 0);
    for profile in PROFILES {
        let plan = Plan {
            seed,
            states: 9_000,
            double_every: 60,
            threads: 2,
            ..Plan::default()
        };
        let report = explore(&Flat(profile), &plan);
        println!("{}: {report}", profile.name);
        assert!(report.is_clean(), "{}: {report:#}", profile.name);
        states += report.states;
        double += report.double;
        lost += report.lost;
        partial += report.partial;
        phantom += report.phantom;
        secs += report.secs;
    }
    println!(
        "crash engine=flat states={states} double={double} lost={lost} partial={partial} phantom={phantom} secs={secs:.1}"
    );
    assert!(
        states >= 50_000 && double >= 5_000,
        "too few: {states}, {double}"
    );
}
