#![no_main]
//! See `strata_fuzz::operations`.

libfuzzer_sys::fuzz_target!(|input: &[u8]| strata_fuzz::operations(input));
