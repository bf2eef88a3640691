//! Laws found by chance: random scripts must be answered as the model answers them.
//!
//! A failure prints the seed and the smallest script that still fails.

use std::collections::hash_map::RandomState;
use std::env;
use std::hash::{BuildHasher, Hasher};

use quickcheck::{Gen, QuickCheck, TestResult};

use crate::script::Op;
use crate::session::Session;
use crate::{Fixture, MemoryModel, Writers};

const CASES_DEFAULT: u64 = 100;

/// Whatever is done to a store, it answers as the model does: every read, every held snapshot
/// and value after every commit, and everything after opening it again.
pub fn random_scripts_are_answered_as_by_the_model<F: Fixture>() {
    run_scripts(60, agrees::<F> as fn(Vec<Op>) -> TestResult);
}

/// The same for few but long scripts, which get beyond one page and one file.
pub fn long_scripts_are_answered_as_by_the_model<F: Fixture>() {
    run_scripts(600, agrees::<F> as fn(Vec<Op>) -> TestResult);
}

fn agrees<F: Fixture>(script: Vec<Op>) -> TestResult {
    match first_difference::<F>(&script) {
        None => TestResult::passed(),
        Some(difference) => TestResult::error(difference),
    }
}

/// Runs `script` on a fresh store and on a fresh model; answers where they differ.
pub(crate) fn first_difference<F: Fixture>(script: &[Op]) -> Option<String> {
    let fixture = F::new();
    let kept = MemoryModel::new(Writers::OneAtATime);
    let mut store = Session::new(fixture.open().unwrap());
    let mut model = Session::new(kept.reopen());
    for (step, op) in script.iter().enumerate() {
        let answer = store.run(op, || fixture.open());
        let expected = model.run(op, || Ok(kept.reopen())).unwrap();
        match answer {
            Ok(answer) if answer == expected => {}
            answer => {
                return Some(format!(
                    "step {step}, {op:?}:\n  the store answers {answer:?}\n  the model answers \
                     {expected:?}"
                ));
            }
        }
    }
    let (answer, expected) = (store.state().unwrap(), model.state().unwrap());
    (answer != expected).then(|| format!("at the end {answer:?}, not {expected:?}"))
}

/// Runs as many random scripts of about `length` steps as the environment asks for.
///
/// Long scripts are given fewer cases, so that both laws take about as long.
pub(crate) fn run_scripts(length: usize, property: fn(Vec<Op>) -> TestResult) {
    let cases = number_from("STRATA_CONFORMANCE_CASES").unwrap_or(CASES_DEFAULT);
    let cases = (cases * 60 / length as u64).max(1);
    let seed = seed();
    let outcome = QuickCheck::new()
        .rng(Gen::from_size_and_seed(length, seed))
        .tests(cases)
        .quicktest(property);
    if let Err(failure) = outcome {
        // The only way to its words is its debug form, which escapes line ends.
        let words = format!("{failure:?}").replace("\\n", "\n");
        panic!("STRATA_CONFORMANCE_SEED={seed} finds again: {words}");
    }
}

/// Another one each time, unless the environment says which.
pub(crate) fn seed() -> u64 {
    number_from("STRATA_CONFORMANCE_SEED")
        .unwrap_or_else(|| RandomState::new().build_hasher().finish())
}

fn number_from(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is not a number: {text}")),
    )
}
