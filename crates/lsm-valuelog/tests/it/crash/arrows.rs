//! Each arrow of the order of durability, as a crash test: with it no crash loses anything, and
//! on a disk that breaks it alone, crashes are found that do. So every sync is there for a reason,
//! and the kit would see it go.

use std::sync::Arc;

use crash_kit::{
    Action, AfterFailure, Call, Direction, Fault, Model, Plan, Report, Scan, Step, Subject,
    explore, sweep,
};
use disk::Disk;
use kv_api::{Durability, Result};

use super::explore::quick;
use super::lying_disk::{Lie, LyingDisk, Named};
use super::profile::{PROFILES, Profile};
use super::subject::{Lsm, Opened};
use super::work::Mix;

const EIO: i32 = 5;

/// The engine on a disk that may lie to it, before the crash and after.
struct LiedTo(Lsm, Option<Lie>);

impl Subject for LiedTo {
    type Store = Opened;

    fn name(&self) -> &str {
        self.0.name()
    }

    fn steps(&self, seed: u64) -> usize {
        self.0.steps(seed)
    }

    fn open(&self, disk: Arc<dyn Disk>) -> Result<Opened> {
        self.0.open(match self.1 {
            Some(lie) => Arc::new(LyingDisk::new(disk, lie)),
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

/// A way to use the engine in which every commit is promised.
fn strict(profile: Profile) -> Profile {
    Profile {
        mix: Mix {
            relaxed: 0,
            ..profile.mix
        },
        ..profile
    }
}

fn holds(profile: Profile, lie: Lie, plan: &Plan, run: impl Fn(&LiedTo, &Plan) -> Report) {
    let profile = strict(profile);
    let honest = run(&LiedTo(Lsm(profile), None), plan);
    assert!(honest.is_clean(), "{honest:#}");
    // One crash that loses something is enough.
    let until_found = Plan {
        failures_max: 1,
        ..plan.clone()
    };
    let broken = run(&LiedTo(Lsm(profile), Some(lie)), &until_found);
    assert!(!broken.is_clean(), "nobody sees {lie:?}: {broken:#}");
}

fn arrow(profile: Profile, lie: Lie) {
    holds(profile, lie, &quick(), explore);
}

#[test]
fn a_log_is_durable_before_its_commit_is_promised() {
    arrow(PROFILES[0], Lie::NoLogSync);
}

#[test]
fn appended_values_are_durable_before_their_commit_is_promised() {
    arrow(PROFILES[1], Lie::NoValueSync);
}

#[test]
fn a_table_is_durable_before_the_manifest_names_it() {
    arrow(PROFILES[0], Lie::NoTableSync);
}

#[test]
fn the_name_of_a_table_is_durable_before_the_manifest_names_it() {
    arrow(PROFILES[0], Lie::NoNameSync);
}

#[test]
fn the_manifest_is_durable_before_logs_and_replaced_tables_are_removed() {
    arrow(PROFILES[0], Lie::NoManifestSync);
}

#[test]
fn moved_values_are_durable_before_the_manifest_says_where_they_are() {
    let tidied = Profile {
        mix: Mix {
            other_ends: 40,
            ..PROFILES[1].mix
        },
        ..PROFILES[1]
    };
    arrow(tidied, Lie::NoMovedSync);
}

#[test]
fn the_manifest_is_durable_before_a_collected_file_is_removed() {
    let tidied = Profile {
        mix: Mix {
            other_ends: 40,
            ..PROFILES[2].mix
        },
        ..PROFILES[2]
    };
    arrow(tidied, Lie::NoManifestSync);
}

#[test]
fn the_tables_of_a_bulk_commit_are_durable_before_it_is_promised() {
    arrow(PROFILES[3], Lie::NoTableSync);
}

/// Tidied so often that values are moved all the time.
fn tidied(profile: Profile) -> Profile {
    profile.with_mix(|mix| mix.other_ends = 40)
}

/// Little but loads and restores, of values large and small.
fn loads() -> Profile {
    Profile::EVENTS.with_mix(|mix| (mix.events, mix.drops) = (80, 0))
}

#[test]
fn the_name_of_a_new_table_alone_is_durable_before_the_manifest_names_it() {
    arrow(PROFILES[0], Lie::NoSyncOfName(Named::Table));
}

#[test]
fn the_name_of_a_log_is_durable_before_its_commits_are_promised() {
    arrow(PROFILES[0], Lie::NoSyncOfName(Named::Log));
}

#[test]
fn the_new_name_of_a_recycled_log_is_durable_before_its_commits_are_promised() {
    arrow(Profile::RECYCLED, Lie::NoSyncOfName(Named::Log));
}

#[test]
fn the_name_of_a_file_of_values_is_durable_before_the_manifest_names_it() {
    arrow(PROFILES[2], Lie::NoSyncOfName(Named::Values));
}

#[test]
fn the_name_of_moved_values_is_durable_before_the_manifest_says_where_they_are() {
    arrow(tidied(PROFILES[1]), Lie::NoSyncOfName(Named::Moved));
}

#[test]
fn the_name_of_a_new_manifest_is_durable_before_what_the_old_one_named_is_removed() {
    arrow(PROFILES[0], Lie::NoSyncOfName(Named::Manifest));
}

#[test]
fn the_name_of_the_store_is_durable_before_any_commit_is_promised() {
    arrow(PROFILES[0], Lie::NoParentSync);
}

#[test]
fn the_values_of_a_bulk_commit_are_durable_before_it_is_promised() {
    let large = PROFILES[3].with_mix(|mix| (mix.bulk, mix.large) = (100, 60));
    arrow(large, Lie::NoValueSync);
}

#[test]
fn the_tables_of_a_load_are_durable_before_the_manifest_names_them() {
    arrow(loads(), Lie::NoTableSync);
}

#[test]
fn the_values_of_a_load_are_durable_before_the_manifest_names_them() {
    arrow(loads(), Lie::NoValueSync);
}

#[test]
fn the_manifest_is_durable_before_what_a_load_replaces_is_removed() {
    arrow(loads(), Lie::NoManifestSync);
}

#[test]
fn the_manifest_is_durable_before_what_was_dropped_is_removed() {
    arrow(
        PROFILES[7].with_mix(|mix| mix.drops = 60),
        Lie::NoManifestSync,
    );
}

#[test]
fn a_data_key_is_durable_before_anything_is_sealed_under_it() {
    arrow(PROFILES[6], Lie::NoKeySync);
}

#[test]
fn a_registry_of_keys_has_its_name_durably_before_anything_relies_on_it() {
    arrow(Profile::SEALED_EVENTS, Lie::NoSyncOfName(Named::Keys));
}

/// The machine lives and its cache shows what a failed sync has lost.
#[test]
fn what_is_replayed_is_durable_before_tables_point_at_it() {
    let plan = Plan {
        faults: vec![Fault::once(Call::SyncData, 1, Action::Fail(EIO))],
        after_failure: AfterFailure::Reopen,
        states_per_point: 8,
        double_every: 0,
        ..quick()
    };
    let short = Profile {
        steps: 12,
        ..PROFILES[1].with_mix(|mix| mix.large = 80)
    };
    holds(short, Lie::NoSecuringSync, &plan, sweep);
}

#[test]
fn a_failed_sync_is_told_and_nothing_is_promised_after_it() {
    let plan = Plan {
        faults: vec![Fault::once(Call::SyncData, 1, Action::Fail(EIO))],
        states_per_point: 8,
        double_every: 0,
        ..quick()
    };
    let short = Profile {
        steps: 9,
        ..PROFILES[0]
    };
    holds(short, Lie::HushedFailure, &plan, sweep);
}
