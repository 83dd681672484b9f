//! Any bytes behind a valid envelope: an error or a checkpoint, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lopt_core::sealed::seal;
use lopt_meta::Checkpoint;

fuzz_target!(|data: &[u8]| {
    let _ = Checkpoint::from_bytes(data);
    // version 1 in its light form only
    for version in [1, 2] {
        let _ = Checkpoint::from_bytes(&seal(data, b"LOPTCKPT", version));
    }
});
