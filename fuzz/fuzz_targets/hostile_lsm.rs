#![no_main]
//! See `strata_fuzz::hostile_lsm`.

libfuzzer_sys::fuzz_target!(|input: &[u8]| strata_fuzz::hostile_lsm(input));
