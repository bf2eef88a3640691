//! Replays the committed corpora on a stable toolchain, and holds a campaign of hostile files
//! against what they may allocate.
#![allow(unsafe_code, reason = "an allocator that counts is one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

use strata_fuzz::hostile::choices::Choices;
use strata_fuzz::hostile::{attack, hostile_file};

thread_local! {
    static LARGEST_BYTES: Cell<usize> = const { Cell::new(0) };
}

/// Remembers the largest allocation of each thread.
struct Counting;

fn note(bytes: usize) {
    // A thread that is ending has no more to tell.
    let _ = LARGEST_BYTES.try_with(|largest| largest.set(largest.get().max(bytes)));
}

// SAFETY: every call goes on to the system's allocator unchanged; noting a number does not
// allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        note(bytes);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// No file of a flat store is read into a larger piece of memory than this at once, as long as the
/// files are as small as the ones here.
const FLAT_BYTES_MAX: usize = 4 << 20;

/// Runs a hostile flat store, and holds it against what it may allocate.
fn hostile_flat(input: &[u8]) {
    LARGEST_BYTES.set(0);
    strata_fuzz::hostile_flat(input);
    let largest = LARGEST_BYTES.get();
    assert!(
        largest <= FLAT_BYTES_MAX,
        "{largest} bytes at once: {input:x?}"
    );
}

fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let mut inputs = 0;
    for entry in std::fs::read_dir(corpus).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        run(&std::fs::read(path).unwrap());
        inputs += 1;
    }
    assert!(inputs >= 20, "only {inputs} inputs for {target}");
}

#[test]
fn the_corpus_of_operations_holds() {
    replay("operations", strata_fuzz::operations);
}

#[test]
fn the_corpus_of_hostile_files_holds() {
    replay("hostile_bolt", strata_fuzz::hostile_bolt);
}

#[test]
fn the_corpus_of_hostile_flat_stores_holds() {
    replay("hostile_flat", hostile_flat);
}

#[test]
fn the_corpus_of_badger_backups_holds() {
    replay("badger_backup", strata_fuzz::badger_backup);
}

#[test]
fn badger_backups_from_a_generator_are_errors_or_pairs() {
    let (mut input, mut taken) = (vec![0; 24], 0);
    for seed in 0..5_000 {
        crash_kit::Rng::new(seed).fill(&mut input);
        // As often with the frame's length mended as not.
        input[0] = (seed % 2) as u8 + 1;
        let used = 1 + (seed % 23) as usize;
        strata_fuzz::badger_backup(&input[..used]);
        let bytes = strata_fuzz::badger_backup::hostile_backup(&input[..used]);
        taken += usize::from(lsm_valuelog::read_badger_backup(&mut &*bytes, |_| Ok(())).is_ok());
    }
    assert!((100..4_900).contains(&taken), "{taken} of 5,000 were read");
}

#[test]
fn no_length_in_a_badger_backup_is_allocated_unchecked() {
    let mut input = vec![0; 60];
    for seed in 0..3_000 {
        crash_kit::Rng::new(seed).fill(&mut input);
        input[0] = (seed % 3) as u8;
        let bytes = strata_fuzz::badger_backup::hostile_backup(&input);
        LARGEST_BYTES.set(0);
        // Errors are answers.
        let _ = lsm_valuelog::read_badger_backup(&mut &*bytes, |_| Ok(()));
        let (largest, max) = (LARGEST_BYTES.get(), 64 * bytes.len() + (64 << 10));
        assert!(
            largest <= max,
            "seed {seed}: {largest} bytes for a backup of {}",
            bytes.len()
        );
    }
}

#[test]
fn the_corpus_of_hostile_lsm_stores_holds() {
    replay("hostile_lsm", strata_fuzz::hostile_lsm);
}

#[test]
fn mending_the_sums_of_sound_lsm_files_changes_nothing() {
    for files in strata_fuzz::hostile_lsm::seeds() {
        assert!(files.keys().any(|name| name.ends_with(".sst")));
        assert!(files.keys().any(|name| name.ends_with(".vlog")));
        for (name, sound) in files {
            let mut mended = sound.clone();
            if name != "LOCK" {
                strata_fuzz::lsm_damage::mend(name, &mut mended);
            }
            assert!(mended == *sound, "{name}");
        }
    }
}

#[test]
fn hostile_lsm_stores_from_a_generator_are_errors_or_contents_and_allocate_by_what_they_are() {
    let mut input = vec![0; 60];
    strata_fuzz::hostile_lsm(&[]); // makes the sound stores
    for seed in 0..6_000 {
        crash_kit::Rng::new(seed).fill(&mut input);
        LARGEST_BYTES.set(0);
        strata_fuzz::hostile_lsm(&input);
        let largest = LARGEST_BYTES.get();
        assert!(largest <= 4 << 20, "seed {seed}: {largest} bytes at once");
    }
}

#[test]
fn mending_the_sums_of_sound_files_changes_nothing() {
    for (files, stream) in strata_fuzz::hostile_flat::seeds() {
        let meta = &files["meta.state"];
        for (name, sound) in files.iter().chain([(&"stream".to_owned(), stream)]) {
            let mut mended = sound.clone();
            if name != "lock" {
                strata_fuzz::flat_damage::mend(name, &mut mended, meta);
            }
            assert!(mended == *sound, "{name}");
        }
    }
}

#[test]
fn the_corpus_of_queries_holds() {
    replay("queries", strata_fuzz::queries);
}

#[test]
fn the_corpus_of_posting_lists_holds() {
    replay("posting_lists", strata_fuzz::posting_lists);
}

#[test]
fn posting_lists_from_a_generator_say_late_what_they_say_at_once() {
    let mut input = vec![0; 60];
    for seed in 0..3_000 {
        crash_kit::Rng::new(seed).fill(&mut input);
        strata_fuzz::posting_lists(&input[..1 + (seed % 59) as usize]);
    }
}

#[test]
fn hostile_flat_stores_from_a_generator_are_errors_or_contents() {
    let mut input = vec![0; 60];
    for seed in 0..20_000 {
        crash_kit::Rng::new(seed).fill(&mut input);
        hostile_flat(&input);
    }
}

#[test]
fn no_length_in_a_file_is_allocated_unchecked() {
    let mut input = vec![0; 200];
    strata_fuzz::hostile_bolt(&[]); // makes the sound files
    for seed in 0..4000 {
        crash_kit::Rng::new(seed).fill(&mut input);
        let mut choices = Choices::new(&input);
        let file = hostile_file(&mut choices);
        LARGEST_BYTES.set(0);
        attack(&file, &mut choices);
        let (largest, max) = (LARGEST_BYTES.get(), 4 * file.len() + (1 << 20));
        assert!(
            largest <= max,
            "seed {seed}: {largest} bytes for a file of {}",
            file.len()
        );
    }
}

#[test]
fn operations_from_a_generator_hold() {
    for seed in 0..300 {
        let mut input = vec![0; 600];
        crash_kit::Rng::new(seed).fill(&mut input);
        strata_fuzz::operations(&input);
    }
}
