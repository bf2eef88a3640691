//! Crashes at every moment of workloads: nothing promised is lost, nothing refused is seen.

use crash_kit::{Model, Plan, Report, Step, Subject, explore};

use super::event::loaded_in;
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

#[test]
fn no_crash_leaves_a_part_of_a_load_or_loses_what_was_committed_beside_it() {
    let subject = Lsm(Profile::LOADS);
    let plan = Plan {
        states: 3_000,
        states_per_point: 4,
        random_per_point: 2,
        ..quick()
    };
    let report = explore(&subject, &plan);
    assert_clean(&Profile::LOADS, &report);
    // Several copies follow each other, and some begin in an empty store.
    let (mut followed, mut empty) = (0, 0);
    for seed in plan.seed..plan.seed + report.workloads {
        let mut model = Model::default();
        for index in 0..subject.steps(seed) {
            let before = loaded_in(&model);
            subject.expect(&mut model, Step::Work { seed, index });
            let is_next = before.map(|version| version + 1) == loaded_in(&model);
            followed += usize::from(is_next && before > Some(0));
            empty += usize::from(is_next && before == Some(0));
        }
    }
    assert!(followed > 10 && empty > 3, "{followed} {empty}: {report}");
}
