//! See [`lopt_fuzz::files::record_decode`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lopt_fuzz::files::record_decode(data));
