//! The budget of memory against what a process really takes: a child process whose every
//! allocation is counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::support::key;
use kv_api::{Cursor, Durability, Reader, Space, Transaction};
use lsm_valuelog::{BulkMode, BulkWriter, Compression, Db, Options};

struct Counting;

static HELD: AtomicU64 = AtomicU64::new(0);
static HIGHEST: AtomicU64 = AtomicU64::new(0);

fn note(more: usize, less: usize) {
    let (more, less) = (more as u64, less as u64);
    let held = HELD.fetch_add(more, Ordering::Relaxed) + more - less;
    HELD.fetch_sub(less, Ordering::Relaxed);
    HIGHEST.fetch_max(held, Ordering::Relaxed);
}

#[allow(unsafe_code, reason = "an allocator that counts and passes on")]
// SAFETY: every call is the system allocator's, with the same arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size, layout.size());
        // SAFETY: the caller's promise is the same.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const LIMIT: u64 = 16 << 20;

/// What comes on top of the limit: commits on their way, tables being written and what is read to
/// write them, threads, and what two iterators hold.
const ON_TOP: u64 = 12 << 20;

fn write(db: &Db, numbers: std::ops::Range<u32>) {
    let numbers: Vec<u32> = numbers.collect();
    for part in numbers.chunks(100) {
        let mut tx = db.begin().unwrap();
        for number in part {
            let value = [number.to_le_bytes(); 50].concat();
            tx.put(Space::DEFAULT, &key(*number), &value).unwrap();
        }
        tx.commit(Durability::Buffered).unwrap();
    }
}

fn read(db: &Db, is_over: &AtomicBool) {
    let mut number = 0_u32;
    while !is_over.load(Ordering::Relaxed) {
        let snapshot = db.snapshot().unwrap();
        let mut cursor = snapshot.cursor(Space::DEFAULT).unwrap();
        let mut moved = cursor.seek(&key(number)).unwrap().is_some();
        for _ in 0..2_000 {
            if !moved {
                break;
            }
            moved = cursor.next().unwrap().is_some();
        }
        for _ in 0..500 {
            number = number.wrapping_add(7) % 200_000;
            snapshot.get(Space::DEFAULT, &key(number)).unwrap();
        }
    }
}

/// 40 MB written, 40 MB loaded, read all the while.
#[test]
#[ignore = "a process of its own: the test below runs it"]
fn load_within_a_limit() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options::new()
        .compression(Compression::Lz4)
        .memory_bytes_max(LIMIT)
        .table_bytes(2 << 20)
        .base_level_bytes(4 << 20);
    let db = options.open(directory.path().join("store")).unwrap();
    let before = HELD.load(Ordering::Relaxed);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (db, is_over) = (&db, &is_over);
        for _ in 0..2 {
            scope.spawn(move || read(db, is_over));
        }
        let writers: Vec<_> = (0..2_u32)
            .map(|half| scope.spawn(move || write(db, half * 100_000..(half + 1) * 100_000)))
            .collect();
        writers.into_iter().for_each(|w| w.join().unwrap());
        // Nobody writes beside a load; reading goes on.
        let mut load = db.bulk_load(BulkMode::Add).unwrap();
        for number in 0..200_000_u32 {
            let key = [b"load", &number.to_be_bytes()[..]].concat();
            let value = [number.to_le_bytes(); 50].concat();
            load.put(0, BulkWriter::DEFAULT, &key, &value).unwrap();
        }
        load.finish().unwrap();
        is_over.store(true, Ordering::Relaxed);
    });
    let (highest, metrics) = (HIGHEST.load(Ordering::Relaxed), db.metrics());
    assert!(
        metrics.compactions > 0 && metrics.flushes > 4,
        "{metrics:?}"
    );
    assert!(metrics.block_cache_bytes > 0 && metrics.index_cache_bytes > 0);
    println!(
        "memory limit={LIMIT} counted={} highest={highest} before={before} after={}",
        metrics.memory_bytes(),
        HELD.load(Ordering::Relaxed)
    );
    assert!(metrics.memory_bytes() <= LIMIT);
    assert!(highest <= LIMIT + ON_TOP, "{highest} bytes of {LIMIT}");
    // The engine's own count tells the truth: what it does not name is small.
    let held = HELD.load(Ordering::Relaxed);
    assert!(
        held <= metrics.memory_bytes() + (4 << 20),
        "{held} {metrics:?}"
    );
}

#[test]
fn a_limit_of_memory_holds_under_commits_reads_cursors_and_loads() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "memory::load_within_a_limit",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&child.stdout);
    let failed = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{told}\n{failed}");
    assert!(told.contains("memory limit="), "{told}");
}
