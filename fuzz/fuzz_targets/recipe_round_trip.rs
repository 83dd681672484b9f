//! See [`lopt_fuzz::files::recipe_round_trip`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lopt_fuzz::files::recipe_round_trip(data));
