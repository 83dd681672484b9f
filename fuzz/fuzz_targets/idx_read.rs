//! See [`lopt_fuzz::data_sets::idx_read`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lopt_fuzz::data_sets::idx_read(data));
