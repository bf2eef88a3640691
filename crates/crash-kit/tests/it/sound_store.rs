//! The right protocol survives everything the kit can do to it.

use crash_kit::{Action, AfterFailure, Call, Class, Fault, Plan, explore, replay, sweep};

use crate::subject::ToySubject;

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

fn small() -> Plan {
    Plan {
        states_per_point: 16,
        random_per_point: 4,
        threads: 2,
        ..Plan::default()
    }
}

#[test]
fn crashes_and_crashes_of_recoveries_lose_nothing() {
    let plan = Plan {
        states: 20_000,
        double_every: 40,
        threads: 2,
        ..Plan::default()
    };
    let report = explore(&ToySubject::default(), &plan);
    assert!(report.is_clean(), "{report:#}");
    assert!(report.states >= 20_000, "{report}");
    assert!(report.double >= 2_000, "{report}");
}

#[test]
fn noise_in_a_sector_is_survived_once_but_not_by_rewriting_a_header_in_place() {
    let plan = Plan {
        states: 5_000,
        scramble: true,
        double_every: 0,
        ..Plan::default()
    };
    let once = explore(&ToySubject::default(), &plan);
    assert!(once.is_clean(), "{once:#}");
    // Opening writes the newest header again where it stands. A cut in that writing may leave noise
    // where the only whole header was: a limit of this toy, and of what its rule can promise.
    let twice = Plan {
        double_every: 20,
        ..plan
    };
    let report = explore(&ToySubject::default(), &twice);
    assert!(report.found(Class::Lost), "{report:#}");
}

#[test]
fn every_sync_may_fail_once_or_for_ever() {
    for after_failure in [AfterFailure::Continue, AfterFailure::Reopen] {
        for action in [Action::Fail(EIO), Action::FailAndRevert(EIO)] {
            for fault in [
                Fault::once(Call::AnySync, 1, action),
                Fault::from(Call::AnySync, 1, action),
            ] {
                let plan = Plan {
                    faults: vec![fault],
                    after_failure,
                    double_every: 2_000,
                    ..small()
                };
                let report = sweep(&ToySubject::default(), &plan);
                assert!(report.is_clean(), "{after_failure:?} {fault:?} {report:#}");
                assert!(report.workloads > 10, "{report}");
            }
        }
    }
}

#[test]
fn every_call_may_fail_or_be_cut_short() {
    for (call, action) in [
        (Call::Any, Action::Fail(EIO)),
        (Call::AnyChange, Action::Fail(ENOSPC)),
        (Call::Write, Action::Short(100)),
        (Call::Read, Action::Short(1)),
    ] {
        let plan = Plan {
            faults: vec![Fault::once(call, 1, action)],
            after_failure: AfterFailure::Reopen,
            states_per_point: 4,
            random_per_point: 1,
            double_every: 0,
            ..small()
        };
        let report = sweep(&ToySubject::default(), &plan);
        assert!(report.is_clean(), "{call:?} {action:?} {report:#}");
    }
}

#[test]
fn two_threads_judge_about_as_many_states_as_one() {
    let plan = Plan {
        states: 500,
        double_every: 0,
        threads: 1,
        ..small()
    };
    let one = explore(&ToySubject::default(), &plan);
    let two = explore(&ToySubject::default(), &Plan { threads: 2, ..plan });
    assert!(one.is_clean() && two.is_clean(), "{one:#} {two:#}");
    // A state met at two points counts at the one that came first, which threads decide anew.
    assert!(
        one.states.abs_diff(two.states) * 20 < one.states,
        "{one} {two}"
    );
}

#[test]
fn a_name_that_is_no_states_is_refused() {
    let subject = ToySubject::default();
    for id in ["", "w1:p3", "w1:p999999:+", "w1:p2:+++++++", "x"] {
        assert!(replay(&subject, &Plan::default(), id).is_none(), "{id}");
    }
}
