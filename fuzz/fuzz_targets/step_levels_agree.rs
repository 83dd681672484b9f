//! See [`lopt_fuzz::steps::step_levels_agree`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lopt_fuzz::steps::step_levels_agree(data));
