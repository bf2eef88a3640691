//! Crashes at every moment of workloads: nothing promised is lost, nothing refused is seen.

use crash_kit::{Class, Plan, Report, explore, replay};

use super::subject::{Birth, Bolt, PROFILES, Profile};
use super::work::Mix;

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

pub fn assert_clean(profile: &Profile, report: &Report) {
    assert!(report.is_clean(), "{}: {report:#}", profile.name);
}

#[test]
fn no_crash_loses_or_invents_a_commit_however_the_engine_is_used() {
    let mut states = 0;
    for profile in PROFILES {
        let report = explore(&Bolt(profile), &quick());
        assert_clean(&profile, &report);
        assert!(report.double > 40, "{}: {report}", profile.name);
        states += report.states;
    }
    assert!(states >= 3_000, "only {states} states");
}

#[test]
fn a_crash_while_an_empty_file_is_initialised_leaves_it_whole_or_known_to_be_unfinished() {
    for birth in [Birth::EmptyFile, Birth::EmptyFileRetried] {
        let profile = Profile {
            birth,
            steps: 1,
            ..Profile::PLAIN
        };
        let plan = Plan {
            states_per_point: 200,
            random_per_point: 40,
            double_every: 3,
            ..quick()
        };
        assert_clean(&profile, &explore(&Bolt(profile), &plan));
    }
}

#[test]
fn noise_in_the_sector_being_written_is_survived() {
    // Without reopening: the first commit after it writes the only meta again where it stands, so
    // noise there is out of any protocol's reach.
    let profile = Profile {
        mix: Mix {
            other_ends: 0,
            ..Profile::PLAIN.mix
        },
        ..Profile::PLAIN
    };
    let plan = Plan {
        scramble: true,
        double_every: 0,
        ..quick()
    };
    assert_clean(&profile, &explore(&Bolt(profile), &plan));
}

/// Readers who look at what was reopened after a failed sync must make it durable first.
#[test]
fn what_a_reopened_database_shows_is_durable_once_it_has_synced() {
    use crash_kit::{Action, AfterFailure, Call, Fault, sweep};
    let plan = Plan {
        faults: vec![Fault::once(Call::SyncData, 1, Action::Fail(5))],
        after_failure: AfterFailure::Reopen,
        states_per_point: 8,
        double_every: 0,
        ..quick()
    };
    let synced = Profile {
        syncs_first: true,
        ..Profile::PLAIN
    };
    assert_clean(&synced, &sweep(&Bolt(synced), &plan));
    let report = sweep(&Bolt(Profile::PLAIN), &plan);
    assert!(
        report.found(Class::Lost),
        "the cache is not the disk: {report}"
    );
    let first = report.failures.first().unwrap();
    let again = replay(&Bolt(Profile::PLAIN), &plan, &first.id).unwrap();
    assert!(again.failure.is_some(), "{first} is not replayed: {again}");
}
