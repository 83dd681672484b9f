//! Everything that is read from outside: an error, or what is written back is the same.

use lopt_bench::record::Record;
use lopt_core::sealed::seal;
use lopt_core::{Layout, LearnedOptimizer, Weights};
use lopt_meta::distributed::protocol::Message;
use lopt_meta::{Checkpoint, Recipe};

/// The bytes, and each version of a file that has them for its contents.
fn files(data: &[u8], magic: &[u8; 8], newest: u32) -> impl Iterator<Item = Vec<u8>> {
    let sealed = (1..=newest).map(|version| seal(data, magic, version));
    std::iter::once(data.to_vec()).chain(sealed)
}

/// Any bytes: an error, or weights of which a file says everything.
pub fn weights_decode(data: &[u8]) {
    for bytes in files(data, b"LOPTWGTS", 7) {
        if let Ok(weights) = Weights::from_bytes(&bytes) {
            let written = weights.to_bytes().expect("decoded weights encode");
            let again = Weights::from_bytes(&written).expect("what was written is read");
            // the bytes, as NaN is no NaN's equal
            assert_eq!(again.to_bytes().expect("decoded weights encode"), written);
        }
    }
}

/// Any bytes behind a valid envelope: an error or a checkpoint, never a panic.
pub fn checkpoint_decode(data: &[u8]) {
    for bytes in files(data, b"LOPTCKPT", 7) {
        let _ = Checkpoint::from_bytes(&bytes);
    }
}

/// Any bytes: an error and an unchanged optimizer, or a state of which a file says everything and that steps.
pub fn state_decode(data: &[u8]) {
    let layout = Layout::single(3).expect("a layout");
    for bytes in files(data, b"LOPTSTAT", 9) {
        let mut optimizer = LearnedOptimizer::pretrained(&layout).expect("embedded weights");
        let before = optimizer.to_bytes(&[0.0; 3]).expect("three parameters");
        match optimizer.from_bytes(&bytes) {
            Ok(mut params) => {
                let written = optimizer.to_bytes(&params).expect("three parameters");
                let again = optimizer.from_bytes(&written).expect("what was written is read");
                assert_eq!(optimizer.to_bytes(&again).expect("three parameters"), written);
                // whatever the numbers are, a step is a step or a sentence
                let _ = optimizer.step_with_loss(&mut params, &[0.1; 3], 1.0);
            }
            Err(_) => assert_eq!(optimizer.to_bytes(&[0.0; 3]).expect("three parameters"), before),
        }
    }
}

/// Any bytes: an error, or a message of distributed training that encodes to the same bytes.
pub fn message_decode(data: &[u8]) {
    if let Ok(message) = Message::decode(data) {
        assert_eq!(message.encode(), data);
    }
}

/// A recipe that parses prints to text that parses to the same recipe.
pub fn recipe_round_trip(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(recipe) = Recipe::parse(text) {
        let printed = recipe.to_toml();
        assert_eq!(Recipe::parse(&printed).expect("a printed recipe parses"), recipe);
    }
}

/// A record that parses prints to text that parses to the same record.
pub fn record_decode(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(record) = Record::parse(text) {
        let printed = record.to_text().expect("a parsed record prints");
        assert_eq!(Record::parse(&printed).expect("a printed record parses"), record);
    }
}
