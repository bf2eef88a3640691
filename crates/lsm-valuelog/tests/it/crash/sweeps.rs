//! Every call of a workload fails, one run each, and each run is crashed as well.

use crash_kit::{Action, AfterFailure, Call, Fault, Plan, Report, sweep};

use super::explore::{assert_clean, quick};
use super::profile::{PROFILES, Profile};
use super::subject::Lsm;
use super::work::Mix;

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

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
            let plan = Plan {
                faults: vec![Fault::once(call, 1, *action)],
                after_failure,
                ..plan.clone()
            };
            let report = sweep(&Lsm(profile), &plan);
            assert!(
                report.is_clean(),
                "{} {call:?} {action:?} {after_failure:?}: {report:#}",
                profile.name
            );
            assert_clean(&profile, &report);
            tell(&report);
        }
    }
}

fn few_states() -> Plan {
    Plan {
        seed: 3,
        states_per_point: 2,
        random_per_point: 1,
        double_every: 300,
        ..quick()
    }
}

/// Short workloads, so that each call can be failed in turn.
fn short(profile: Profile) -> Profile {
    Profile {
        steps: 9,
        mix: Mix {
            other_ends: 30,
            ..profile.mix
        },
        ..profile
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
    for profile in [PROFILES[0], PROFILES[2], PROFILES[6]] {
        sweep_all(
            short(profile),
            Call::AnySync,
            &actions,
            &few_states(),
            |report| {
                runs += report.workloads;
            },
        );
    }
    assert!(runs > 100, "{runs} runs");
}

#[test]
fn every_change_of_the_disk_may_fail() {
    let actions = [Action::Fail(EIO), Action::Fail(ENOSPC)];
    for profile in [PROFILES[1], PROFILES[2], PROFILES[3], PROFILES[6]] {
        sweep_all(
            short(profile),
            Call::AnyChange,
            &actions,
            &few_states(),
            |_| (),
        );
    }
}

#[test]
fn every_write_may_fall_short() {
    let actions = [Action::Short(100)];
    sweep_all(
        short(PROFILES[2]),
        Call::Write,
        &actions,
        &few_states(),
        |_| (),
    );
}

#[test]
fn every_call_may_fail() {
    let actions = [Action::Fail(EIO)];
    sweep_all(
        short(PROFILES[1]),
        Call::Any,
        &actions,
        &few_states(),
        |_| (),
    );
}

#[test]
fn every_call_of_each_kind_may_fail_once_or_from_then_on_through_loads_drops_and_keys() {
    let kinds = [
        Call::Open,
        Call::Rename,
        Call::Remove,
        Call::List,
        Call::SyncDirectory,
        Call::Read,
        Call::Write,
        Call::Len,
        Call::SetLen,
        Call::SyncData,
        Call::SyncAll,
        Call::Lock,
    ];
    let profile = Profile {
        steps: 7,
        ..Profile::SEALED_EVENTS.with_mix(|mix| (mix.events, mix.drops) = (55, 20))
    };
    let mut struck = 0;
    for call in kinds {
        let mut runs = 0;
        for (errno, sticky) in [(EIO, false), (ENOSPC, true)] {
            let fault = Fault {
                sticky,
                ..Fault::once(call, 1, Action::Fail(errno))
            };
            let plan = Plan {
                faults: vec![fault],
                seed: 6,
                states_per_point: 1,
                random_per_point: 0,
                double_every: 0,
                ..quick()
            };
            let report = sweep(&Lsm(profile), &plan);
            assert!(report.is_clean(), "{call:?} {errno} {sticky}: {report:#}");
            runs += report.workloads;
        }
        assert!(runs > 2, "{call:?} is never called");
        struck += runs;
    }
    assert!(struck > 300, "{struck} runs");
}

#[test]
fn every_change_of_the_disk_may_fail_through_loads_of_all_kinds() {
    let mut runs = 0;
    let loads = Profile {
        steps: 7,
        ..Profile::LOADS
    };
    let actions = [
        Action::Fail(EIO),
        Action::FailAndRevert(EIO),
        Action::Fail(ENOSPC),
    ];
    sweep_all(loads, Call::AnyChange, &actions, &few_states(), |report| {
        runs += report.workloads;
    });
    assert!(runs > 300, "{runs} runs");
}

#[test]
fn mapping_may_fail() {
    let plan = Plan {
        faults: vec![Fault::once(Call::Map, 1, Action::Fail(EIO))],
        ..few_states()
    };
    let mapped = Profile {
        steps: 24,
        ..PROFILES[5].with_mix(|mix| mix.other_ends = 40)
    };
    let report = sweep(&Lsm(mapped), &plan);
    assert!(report.is_clean() && report.workloads > 5, "{report:#}");
}
