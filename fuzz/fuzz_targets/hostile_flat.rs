#![no_main]
//! See `strata_fuzz::hostile_flat`.

libfuzzer_sys::fuzz_target!(|input: &[u8]| strata_fuzz::hostile_flat(input));
