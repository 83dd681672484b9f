//! See [`lopt_fuzz::programs::tape_matches_dual`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lopt_fuzz::programs::tape_matches_dual(data));
