//! Any bytes: an error and an unchanged optimizer, or a state that encodes to the same bytes and steps.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lopt_core::sealed::seal;
use lopt_core::{Layout, LearnedOptimizer};

fuzz_target!(|data: &[u8]| {
    let layout = Layout::single(3).expect("a layout");
    for bytes in [data.to_vec(), seal(data, b"LOPTSTAT", 1)] {
        let mut optimizer = LearnedOptimizer::pretrained(&layout).expect("embedded weights");
        let before = optimizer.to_bytes(&[0.0; 3]).expect("three parameters");
        match optimizer.from_bytes(&bytes) {
            Ok(mut params) => {
                assert_eq!(optimizer.to_bytes(&params).expect("three parameters"), bytes);
                // whatever the numbers are, a step is a step or a sentence
                let _ = optimizer.step_with_loss(&mut params, &[0.1; 3], 1.0);
            }
            Err(_) => assert_eq!(optimizer.to_bytes(&[0.0; 3]).expect("three parameters"), before),
        }
    }
});
