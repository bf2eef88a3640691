#![no_main]
//! See `strata_fuzz::badger_backup`.

libfuzzer_sys::fuzz_target!(|input: &[u8]| strata_fuzz::badger_backup(input));
