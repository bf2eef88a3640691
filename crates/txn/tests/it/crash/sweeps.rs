//! Every call of a workload fails, one run each, and each run is crashed as well.

use crash_kit::{Action, AfterFailure, Call, Fault, Plan, Report, explore, sweep};

use super::explore::{assert_clean, quick};
use super::stage::{EIO, ENOSPC};
use super::subject::{Bolt, PROFILES, Profile};
use super::work::Mix;

/// Runs a sweep for each action and for both ways to go on after a failure.
pub fn sweep_all(
    profile: Profile,
    call: Call,
    actions: &[Action],
    plan: &Plan,
    mut tell: impl FnMut(&Report),
) {
    for action in actions {
        for after_failure in [AfterFailure::Continue, AfterFailure::Reopen] {
            // What is reopened is believed only once it has synced: see `explore`.
            let profile = Profile {
                syncs_first: after_failure == AfterFailure::Reopen,
                ..profile
            };
            let plan = Plan {
                faults: vec![Fault::once(call, 1, *action)],
                after_failure,
                ..plan.clone()
            };
            let report = sweep(&Bolt(profile), &plan);
            assert!(
                report.is_clean(),
                "{call:?} {action:?} {after_failure:?}: {report:#}"
            );
            assert_clean(&profile, &report);
            tell(&report);
        }
    }
}

/// Opens again and again, since most of these calls belong to opening.
pub const REOPENING: Profile = Profile {
    mix: Mix {
        other_ends: 60,
        ..Profile::PLAIN.mix
    },
    ..Profile::PLAIN
};

fn few_states() -> Plan {
    Plan {
        seed: 3,
        states_per_point: 3,
        random_per_point: 1,
        double_every: 200,
        ..quick()
    }
}

#[test]
fn every_sync_may_fail_and_lose_its_bytes_or_show_the_old_ones_again() {
    let actions = [
        Action::Fail(EIO),
        Action::FailAndRevert(EIO),
        Action::Fail(ENOSPC),
    ];
    let mut runs = 0;
    let every = few_states();
    sweep_all(Profile::PLAIN, Call::AnySync, &actions, &every, |report| {
        runs += report.workloads
    });
    assert!(runs > 100, "{runs} runs");
}

#[test]
fn every_change_of_the_disk_may_fail() {
    let actions = [Action::Fail(EIO), Action::Fail(ENOSPC)];
    for profile in [Profile::PLAIN, PROFILES[4], PROFILES[5]] {
        sweep_all(profile, Call::AnyChange, &actions, &few_states(), |_| ());
    }
}

#[test]
fn every_write_may_fall_short() {
    sweep_all(
        Profile::PLAIN,
        Call::Write,
        &[Action::Short(100)],
        &few_states(),
        |_| (),
    );
}

#[test]
fn every_other_call_may_fail() {
    for call in [Call::Map, Call::Open, Call::Read, Call::Len, Call::Lock] {
        sweep_all(REOPENING, call, &[Action::Fail(EIO)], &few_states(), |_| ());
    }
}

#[test]
fn a_disk_that_fails_for_ever_is_endured() {
    for call in [Call::Write, Call::AnySync] {
        for errno in [EIO, ENOSPC] {
            let plan = Plan {
                faults: vec![Fault::from(call, 1, Action::Fail(errno))],
                ..few_states()
            };
            assert_clean(&Profile::PLAIN, &sweep(&Bolt(Profile::PLAIN), &plan));
        }
    }
}

#[test]
fn a_second_failure_after_reopening_is_endured_too() {
    for nth in 1..=30 {
        pair(Call::AnySync, nth, nth + 1, &few_states());
        pair(Call::AnySync, nth, nth + 4, &few_states());
    }
}

/// Runs one workload whose `first` and `second` call fail, with the store reopened after each.
pub fn pair(call: Call, first: u64, second: u64, plan: &Plan) -> Report {
    let profile = Profile {
        syncs_first: true,
        ..Profile::PLAIN
    };
    let plan = Plan {
        faults: vec![
            Fault::once(call, first, Action::Fail(EIO)),
            Fault::once(call, second, Action::Fail(EIO)),
        ],
        after_failure: AfterFailure::Reopen,
        workloads_max: 1,
        ..plan.clone()
    };
    let report = explore(&Bolt(profile), &plan);
    assert!(report.is_clean(), "{call:?} {first} {second}: {report:#}");
    report
}
