//! Writers who are faster than merging: held up a little at first, and then until there is room.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use kv_api::{Durability, Space, Transaction};
use lsm_valuelog::{Db, Options};

use crate::conformance::small;

/// A store that merges nothing for as long as `is_held` says: its mergers are held up where they
/// ask for the time.
fn held(is_held: &Arc<AtomicBool>) -> Options {
    let is_held = Arc::clone(is_held);
    let clock = move || {
        let thread = std::thread::current();
        let is_merger = thread
            .name()
            .is_some_and(|name| name.starts_with("lsm-compact"));
        while is_merger && is_held.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(1));
        }
        1_000
    };
    small()
        .background(true)
        .level_zero_tables(2, 3, 5)
        .sealed_memtables_max(1)
        .clock(Arc::new(clock))
}

fn put(db: &Db, number: u32) -> Duration {
    let began = Instant::now();
    let mut tx = db.begin().unwrap();
    tx.put(Space::DEFAULT, &number.to_be_bytes(), &[7; 90])
        .unwrap();
    tx.commit(Durability::Buffered).unwrap();
    began.elapsed()
}

#[test]
fn writers_are_slowed_down_before_they_are_stopped_and_the_tree_stays_within_its_limit() {
    let directory = tempfile::tempdir().unwrap();
    let is_held = Arc::new(AtomicBool::new(true));
    let db = held(&is_held).open(directory.path().join("store")).unwrap();
    let (written, wanted) = (AtomicU32::new(0), 3_000);
    let zero = || db.levels()[0].tables;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut slowed = Vec::new();
            for number in 0..wanted {
                let tables = zero();
                let took = put(&db, number);
                if tables >= 3 {
                    slowed.push(took);
                }
                written.fetch_add(1, Ordering::AcqRel);
            }
            slowed
        });
        // Until nothing goes on any more.
        let mut seen = 0;
        loop {
            std::thread::sleep(Duration::from_millis(400));
            let now = written.load(Ordering::Acquire);
            if now == seen && zero() >= 5 {
                break;
            }
            assert!(now < wanted, "never stopped, with {} tables", zero());
            seen = now;
        }
        assert!(zero() <= 5 + 2, "{} tables", zero());
        is_held.store(false, Ordering::Release);
        let slowed = writer.join().unwrap();
        let least = slowed.iter().min().unwrap();
        assert!(*least >= Duration::from_millis(1), "{least:?}");
    });
    assert!(db.metrics().stall_ns > 0);
}
