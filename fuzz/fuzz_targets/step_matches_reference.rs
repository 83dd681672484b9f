//! See [`lopt_fuzz::steps::step_matches_reference`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lopt_fuzz::steps::step_matches_reference(data));
