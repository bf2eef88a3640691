//! Many thousand damaged files, from one seed.
//!
//! `HOSTILE_FILES` sets how many, `HOSTILE_SEED` where they begin; a failure names both numbers
//! that make its file again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crash_kit::Rng;

use super::choices::Choices;
use super::reading::read_both_ways;
use super::{attack, hostile_file};

const FILES: u64 = 20_000;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn input(seed: u64) -> Vec<u8> {
    let mut input = vec![0; 200];
    Rng::new(seed).fill(&mut input);
    input
}

#[test]
fn whatever_the_bytes_are_the_answer_is_contents_or_a_typed_error() {
    let files = variable("HOSTILE_FILES").unwrap_or(FILES);
    let first = variable("HOSTILE_SEED").unwrap_or(1);
    let (began, mut slowest) = (Instant::now(), Duration::ZERO);
    let mut failed = Vec::new();
    for seed in first..first + files {
        let input = input(seed);
        let began = Instant::now();
        let attacked = catch_unwind(AssertUnwindSafe(|| {
            let mut choices = Choices::new(&input);
            let file = hostile_file(&mut choices);
            attack(&file, &mut choices);
        }));
        slowest = slowest.max(began.elapsed());
        if attacked.is_err() {
            failed.push(seed);
        }
    }
    println!(
        "hostile files={files} secs={:.1} slowest_ms={}",
        began.elapsed().as_secs_f64(),
        slowest.as_millis()
    );
    assert!(
        failed.is_empty(),
        "HOSTILE_FILES=1 HOSTILE_SEED= {failed:?}"
    );
    assert!(slowest < Duration::from_secs(1), "{slowest:?} for one file");
}

#[test]
fn a_real_mapping_tells_the_same_as_reading() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hostile.db");
    let disk: std::sync::Arc<dyn disk::Disk> = std::sync::Arc::new(disk::OsDisk);
    for seed in 0..300 {
        let input = input(seed);
        let file = hostile_file(&mut Choices::new(&input));
        std::fs::write(&path, file).unwrap();
        read_both_ways(&disk, path.to_str().unwrap());
    }
}
