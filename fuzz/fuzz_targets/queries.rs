#![no_main]
//! See `strata_fuzz::queries`.

libfuzzer_sys::fuzz_target!(|input: &[u8]| strata_fuzz::queries(input));
