#![no_main]
//! See `strata_fuzz::posting_lists`.

libfuzzer_sys::fuzz_target!(|input: &[u8]| strata_fuzz::posting_lists(input));
