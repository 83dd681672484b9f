//! Any bytes: an error, or weights that encode to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lopt_core::Weights;
use lopt_core::sealed::seal;

fuzz_target!(|data: &[u8]| {
    for bytes in [data.to_vec(), seal(data, b"LOPTWGTS", 2)] {
        if let Ok(weights) = Weights::from_bytes(&bytes) {
            assert_eq!(weights.to_bytes().expect("decoded weights encode"), bytes);
        }
    }
});
