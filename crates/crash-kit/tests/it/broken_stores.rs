//! Negative controls: each broken rule must be caught, and each catch must be replayable.

use kv_api::Durability;

use crash_kit::{Action, AfterFailure, Call, Class, Fault, Plan, Report, explore, replay, sweep};

use crate::subject::ToySubject;
use crate::toy::Bug;

const EIO: i32 = 5;

fn plan() -> Plan {
    Plan {
        states: 3_000,
        failures_max: 1_000,
        double_every: 20,
        ..Plan::default()
    }
}

fn with_fault(fault: Fault, after_failure: AfterFailure) -> Plan {
    Plan {
        faults: vec![fault],
        after_failure,
        states_per_point: 48,
        double_every: 100,
        ..plan()
    }
}

/// Sees that a bug is caught as `class`, and that the first catch is caught again by its name.
fn caught(bug: Bug, class: Class, plan: &Plan, run: impl Fn(&ToySubject, &Plan) -> Report) {
    let subject = ToySubject::broken(bug);
    let report = run(&subject, plan);
    assert!(
        report.found(class),
        "{bug:?} not seen as {class:?}: {report:#}"
    );
    let first = report.failures.first().unwrap();
    let again = replay(&subject, plan, &first.id).unwrap();
    assert!(again.failure.is_some(), "{first} is not replayed: {again}");
}

fn caught_by_crashes(bug: Bug, class: Class) {
    caught(bug, class, &plan(), explore);
}

/// A bug that only shows where a call fails. Without the bug the same sweep is clean, so it is the
/// bug that is seen and not the fault.
fn caught_by_faults(bug: Bug, class: Class, plan: &Plan) {
    caught(bug, class, plan, sweep);
    let sound = sweep(&ToySubject::default(), plan);
    assert!(sound.is_clean(), "{sound:#}");
}

#[test]
fn the_sound_store_passes_what_catches_the_broken() {
    let report = explore(&ToySubject::default(), &plan());
    assert!(report.is_clean(), "{report:#}");
}

#[test]
fn no_data_sync() {
    caught_by_crashes(Bug::NoDataSync, Class::Partial);
}

#[test]
fn no_header_sync() {
    caught_by_crashes(Bug::NoHeaderSync, Class::Lost);
}

#[test]
fn header_before_data() {
    caught_by_crashes(Bug::HeaderBeforeData, Class::Partial);
}

#[test]
fn ack_before_sync() {
    caught_by_crashes(Bug::AckBeforeSync, Class::Lost);
}

#[test]
fn pages_of_the_last_version_reused() {
    caught_by_crashes(Bug::ReuseLivePages, Class::Other);
    let report = explore(&ToySubject::broken(Bug::ReuseLivePages), &plan());
    let by_view = |what: &str| what.starts_with("write changes");
    assert!(
        report.failures.iter().any(|failure| by_view(&failure.what)),
        "{report:#}"
    );
}

#[test]
fn no_directory_sync() {
    caught_by_crashes(Bug::NoDirectorySync, Class::Lost);
}

#[test]
fn no_file_sync_before_the_rename() {
    caught_by_crashes(Bug::NoFileSyncBeforeRename, Class::Other);
}

#[test]
fn half_a_header_taken_for_a_whole_one() {
    caught_by_crashes(Bug::NoHeaderChecksum, Class::Lost);
}

#[test]
fn growth_without_a_sync_of_its_own() {
    caught_by_crashes(Bug::GrowWithoutSync, Class::Other);
}

#[test]
fn a_backward_walk_that_skips_a_pair() {
    caught_by_crashes(Bug::BackwardSkipsOne, Class::Other);
}

/// A bug that no single crash can show.
fn caught_by_second_crashes(bug: Bug, class: Class) {
    let plan = Plan {
        states: 10_000,
        ..plan()
    };
    caught(bug, class, &plan, explore);
    let once = Plan {
        double_every: 0,
        ..plan
    };
    let report = explore(&ToySubject::broken(bug), &once);
    assert!(report.is_clean(), "one crash must not show it: {report:#}");
}

#[test]
fn a_repair_that_loses_what_it_repairs() {
    caught_by_second_crashes(Bug::RepairInTwoSteps, Class::Lost);
}

#[test]
fn a_torn_header_left_for_the_next_one_to_complete() {
    caught_by_second_crashes(Bug::KeepTornHeader, Class::Other);
}

#[test]
fn short_writes_taken_for_whole_ones() {
    let fault = Fault::once(Call::Write, 5, Action::Short(100));
    let plan = with_fault(fault, AfterFailure::Continue);
    caught_by_faults(Bug::IgnoreShortWrites, Class::Partial, &plan);
}

#[test]
fn a_failed_sync_tried_again() {
    let fault = Fault::once(Call::SyncData, 1, Action::Fail(EIO));
    let plan = with_fault(fault, AfterFailure::Continue);
    caught_by_faults(Bug::RetryFailedSync, Class::Lost, &plan);
}

#[test]
fn a_commit_shown_though_its_sync_failed() {
    let fault = Fault::once(Call::SyncData, 1, Action::Fail(EIO));
    let plan = with_fault(fault, AfterFailure::Continue);
    caught_by_faults(Bug::PublishDespiteFailure, Class::Phantom, &plan);
}

#[test]
fn a_commit_denied_that_may_have_happened() {
    let fault = Fault::once(Call::SyncData, 1, Action::Fail(EIO));
    let plan = with_fault(fault, AfterFailure::Continue);
    caught_by_faults(Bug::DenyCommitInDoubt, Class::Phantom, &plan);
}

#[test]
fn a_cache_believed_after_a_failed_sync() {
    let fault = Fault::once(Call::SyncData, 1, Action::Fail(EIO));
    let plan = with_fault(fault, AfterFailure::Reopen);
    caught_by_faults(Bug::TrustCacheOnOpen, Class::Lost, &plan);
}

#[test]
fn a_weaker_promise_is_still_a_promise() {
    let deferred = |bug| ToySubject {
        promise: Durability::Deferred,
        ..ToySubject::broken(bug)
    };
    let late = explore(&deferred(Bug::AckBeforeSync), &plan());
    assert!(late.is_clean(), "the newest commit may be lost: {late:#}");
    let torn = explore(&deferred(Bug::NoDataSync), &plan());
    assert!(torn.found(Class::Partial), "but never in part: {torn:#}");
}

#[test]
fn a_disk_that_lies_about_syncs() {
    let lies = Fault::from(Call::AnySync, 8, Action::Lie);
    let report = explore(
        &ToySubject::default(),
        &with_fault(lies, AfterFailure::Continue),
    );
    assert!(report.found(Class::Lost), "{report:#}");
}

#[test]
fn a_store_poisoned_behind_a_commit_may_say_so_and_nothing_else() {
    let tidying = |bug| ToySubject {
        tidies: true,
        bug,
        ..ToySubject::default()
    };
    let plan = |errno| {
        let fault = Fault::once(Call::AnySync, 1, Action::Fail(errno));
        with_fault(fault, AfterFailure::Continue)
    };
    let no_space = 28;
    for errno in [EIO, no_space] {
        let sound = sweep(&tidying(None), &plan(errno));
        assert!(sound.is_clean(), "{errno}: {sound:#}");
    }
    let refuses = |bug, errno| {
        let report = sweep(&tidying(Some(bug)), &plan(errno));
        let of_step = |what: &str| what.contains("refused without a fault");
        report.failures.iter().any(|failure| of_step(&failure.what))
    };
    assert!(
        refuses(Bug::PoisonedForSpace, no_space),
        "want of space poisons nobody"
    );
    assert!(
        refuses(Bug::RefuseWithoutCause, EIO),
        "only poison may be told"
    );
}
