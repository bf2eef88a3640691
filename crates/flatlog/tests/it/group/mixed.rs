//! Groups in which not all ask for the same.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crash_kit::{CrashDisk, Survivors};
use kv_api::Durability;

use crate::group::slow_disk::SlowDisk;
use crate::group::{Key, bytes_of, has, open};

#[test]
fn one_who_asks_for_sync_has_it_whoever_shares_the_group() {
    let disk = CrashDisk::new();
    let db = open(Arc::new(SlowDisk::new(disk.as_dyn())));
    let commit = |key: Key, durability| {
        let mut tx = db.begin().unwrap();
        tx.put(bytes_of(key), "").unwrap();
        tx.commit_with(durability).unwrap();
    };
    for round in 0..30_u32 {
        thread::scope(|scope| {
            // While the first one is synced, the others gather.
            scope.spawn(|| commit((0, round), Durability::Sync));
            thread::sleep(Duration::from_millis(1));
            let after = [1_u8, 2].map(|member| {
                let durability = match (u32::from(member) + round) % 2 {
                    0 => Durability::Buffered,
                    _ => Durability::Sync,
                };
                let (commit, disk) = (&commit, &disk);
                scope.spawn(move || {
                    commit((member, round), durability);
                    let after = disk.after_crash(Survivors::Synced);
                    (durability == Durability::Sync).then_some(((member, round), after))
                })
            });
            for (key, disk) in after
                .into_iter()
                .filter_map(|thread| thread.join().unwrap())
            {
                assert!(has(&open(disk.as_dyn()), key), "{key:?} was promised");
            }
        });
    }
}
