//! See [`lopt_fuzz::files::checkpoint_decode`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lopt_fuzz::files::checkpoint_decode(data));
