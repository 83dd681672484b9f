//! See [`lopt_fuzz::data_sets::cifar10_read`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lopt_fuzz::data_sets::cifar10_read(data));
