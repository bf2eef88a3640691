//! Every call of a workload fails, one run each, and each run is crashed as well.

use crash_kit::{Action, AfterFailure, Call, Fault, Plan, sweep};

use super::explore::quick;
use super::subject::{Flat, PROFILES, Profile};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

fn few_states() -> Plan {
    Plan {
        seed: 3,
        states_per_point: 3,
        random_per_point: 1,
        double_every: 200,
        ..quick()
    }
}

/// Sweeps for each action and for both ways to go on after a failure.
fn sweep_all(profile: Profile, call: Call, actions: &[Action]) -> u64 {
    let mut runs = 0;
    for action in actions {
        for after_failure in [AfterFailure::Continue, AfterFailure::Reopen] {
            let plan = Plan {
                faults: vec![Fault::once(call, 1, *action)],
                after_failure,
                ..few_states()
            };
            let report = sweep(&Flat(profile), &plan);
            assert!(
                report.is_clean(),
                "{call:?} {action:?} {after_failure:?}: {report:#}"
            );
            runs += report.workloads;
        }
    }
    runs
}

#[test]
fn every_sync_may_fail_and_lose_its_bytes_or_show_the_old_ones_again() {
    let actions = [
        Action::Fail(EIO),
        Action::FailAndRevert(EIO),
        Action::Fail(ENOSPC),
    ];
    for profile in [Profile::PLAIN, PROFILES[5]] {
        let runs = sweep_all(profile, Call::AnySync, &actions);
        assert!(runs > 100, "{runs} runs");
    }
}

#[test]
fn every_change_of_the_disk_may_fail() {
    for profile in [Profile::PLAIN, PROFILES[3], PROFILES[4]] {
        sweep_all(
            profile,
            Call::AnyChange,
            &[Action::Fail(EIO), Action::Fail(ENOSPC)],
        );
    }
}

#[test]
fn every_write_may_fall_short() {
    sweep_all(Profile::PLAIN, Call::Write, &[Action::Short(100)]);
}

#[test]
fn every_other_call_may_fail() {
    for call in [
        Call::Map,
        Call::Open,
        Call::Read,
        Call::Len,
        Call::Lock,
        Call::List,
    ] {
        for profile in [Profile::PLAIN, PROFILES[2]] {
            sweep_all(profile, call, &[Action::Fail(EIO)]);
        }
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
            let report = sweep(&Flat(Profile::PLAIN), &plan);
            assert!(report.is_clean(), "{call:?} {errno}: {report:#}");
        }
    }
}
