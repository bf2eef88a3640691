//! Negative controls: a protocol with one rule broken must be caught, and the catch replayed.

use std::sync::Arc;

use crash_kit::{
    Action, Call, Class, Direction, Fault, Model, Plan, Report, Scan, Step, Subject, explore,
    replay, sweep,
};
use disk::Disk;
use kv_api::{Durability, Result};

use super::explore::quick;
use super::lying_disk::{Lie, LyingDisk};
use super::stage::EIO;
use super::subject::{Bolt, Opened, Profile};
use super::work::Mix;

/// The engine on a disk that lies to it, before the crash and after.
struct LiedTo(Bolt, Option<Lie>);

impl LiedTo {
    fn by(lie: Option<Lie>) -> LiedTo {
        // Every commit is promised and none is read back before it is, so that what is caught is
        // caught by a crash.
        let profile = Profile {
            strict: false,
            mix: Mix {
                deferred: 0,
                ..Profile::PLAIN.mix
            },
            ..Profile::PLAIN
        };
        LiedTo(Bolt(profile), lie)
    }
}

impl Subject for LiedTo {
    type Store = Opened;

    fn name(&self) -> &str {
        self.0.name()
    }

    fn steps(&self, seed: u64) -> usize {
        self.0.steps(seed)
    }

    fn open(&self, disk: Arc<dyn Disk>) -> Result<Opened> {
        let page_bytes = self.0.0.page_bytes as usize;
        self.0.open(match self.1 {
            Some(lie) => Arc::new(LyingDisk {
                inner: disk,
                lie,
                page_bytes,
            }),
            None => disk,
        })
    }

    fn apply(&self, store: &mut Opened, step: Step) -> Result<Durability> {
        self.0.apply(store, step)
    }

    fn expect(&self, model: &mut Model, step: Step) {
        self.0.expect(model, step);
    }

    fn scan(&self, store: &Opened, direction: Direction, scan: &mut Scan) -> Result<()> {
        self.0.scan(store, direction, scan)
    }

    fn check(&self, store: &Opened) -> Result<Vec<String>> {
        self.0.check(store)
    }

    fn close(&self, store: Opened) -> Result<()> {
        self.0.close(store)
    }
}

type Run = fn(&LiedTo, &Plan) -> Report;

/// Sees that a lie is caught as `class`, that its first catch is caught again by name, and that
/// the same run without the lie is clean.
fn caught(lie: Lie, class: Class, plan: &Plan, run: Run) {
    let liar = LiedTo::by(Some(lie));
    let report = run(&liar, plan);
    assert!(
        report.found(class),
        "{lie:?} is not seen as {class:?}: {report:#}"
    );
    let first = report.failures.first().unwrap();
    let again = replay(&liar, plan, &first.id).unwrap();
    assert!(again.failure.is_some(), "{first} is not replayed: {again}");
    let honest = run(&LiedTo::by(None), plan);
    assert!(honest.is_clean(), "{honest:#}");
}

fn caught_by_crashes(lie: Lie, class: Class) {
    caught(lie, class, &quick(), explore);
}

fn caught_by_faults(lie: Lie, class: Class, call: Call, action: Action) {
    let plan = Plan {
        faults: vec![Fault::once(call, 1, action)],
        states_per_point: 8,
        double_every: 0,
        ..quick()
    };
    caught(lie, class, &plan, sweep);
}

#[test]
fn pages_not_synced_before_their_meta() {
    caught_by_crashes(Lie::NoPageSync, Class::Other);
}

#[test]
fn a_meta_not_synced() {
    caught_by_crashes(Lie::NoMetaSync, Class::Lost);
}

#[test]
fn a_new_file_not_synced_before_it_is_named() {
    caught_by_crashes(Lie::NoFullSync, Class::Other);
}

#[test]
fn a_new_name_not_synced() {
    caught_by_crashes(Lie::NoDirectorySync, Class::Lost);
}

#[test]
fn a_meta_written_before_its_pages() {
    caught_by_crashes(Lie::MetaBeforePages, Class::Other);
}

#[test]
fn the_durable_meta_overwritten_by_the_new_one() {
    // A sector that is old or new whole forgives this; noise in it does not. Without reopening,
    // and crashed once, because a meta that is written again where it stands meets the same.
    let plan = Plan {
        scramble: true,
        double_every: 0,
        ..quick()
    };
    let without_reopening = |subject: &LiedTo, plan: &Plan| {
        let mut profile = subject.0.0;
        profile.mix.other_ends = 0;
        explore(&LiedTo(Bolt(profile), subject.1), plan)
    };
    let report = without_reopening(&LiedTo::by(Some(Lie::OneMeta)), &plan);
    assert!(report.found(Class::Other), "{report:#}");
    let honest = without_reopening(&LiedTo::by(None), &plan);
    assert!(honest.is_clean(), "{honest:#}");
}

#[test]
fn writes_lost() {
    caught_by_crashes(Lie::LostWrites, Class::Other);
}

#[test]
fn writes_misdirected() {
    caught_by_crashes(Lie::MisdirectedWrites, Class::Other);
}

#[test]
fn a_failed_sync_tried_again() {
    caught_by_faults(
        Lie::SyncTriedAgain,
        Class::Lost,
        Call::SyncData,
        Action::Fail(EIO),
    );
}

#[test]
fn a_failed_sync_told_as_a_success() {
    caught_by_faults(
        Lie::SyncFailureHushed,
        Class::Lost,
        Call::SyncData,
        Action::Fail(EIO),
    );
}

#[test]
fn a_short_write_taken_for_a_whole_one() {
    caught_by_faults(
        Lie::ShortTakenForWhole,
        Class::Other,
        Call::Write,
        Action::Short(512),
    );
}

#[test]
fn a_disk_that_stops_syncing_half_way() {
    let plan = Plan {
        faults: vec![Fault::from(Call::AnySync, 9, Action::Lie)],
        ..quick()
    };
    let report = explore(&LiedTo::by(None), &plan);
    assert!(report.found(Class::Lost), "{report:#}");
}
