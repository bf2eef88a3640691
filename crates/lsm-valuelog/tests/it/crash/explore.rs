//! Crashes at every moment of workloads: nothing promised is lost, nothing refused is seen.

use crash_kit::{Plan, Report, explore};

use super::profile::{PROFILES, Profile};
use super::subject::Lsm;

/// What `cargo test` has time for.
pub fn quick() -> Plan {
    Plan {
        states: 300,
        states_per_point: 8,
        random_per_point: 3,
        double_every: 60,
        double_per_point: 3,
        ..Plan::default()
    }
}

pub fn assert_clean(profile: &Profile, report: &Report) {
    assert!(report.is_clean(), "{}: {report:#}", profile.name);
}

#[test]
fn no_crash_loses_or_invents_a_commit_however_the_engine_is_used() {
    let mut states = 0;
    for profile in PROFILES {
        let report = explore(&Lsm(profile), &quick());
        assert_clean(&profile, &report);
        assert!(report.double > 10, "{}: {report}", profile.name);
        states += report.states;
    }
    assert!(states >= 1_800, "only {states} states");
}
