//! Any bytes: an error, or a message of distributed training that encodes to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lopt_meta::distributed::protocol::Message;

fuzz_target!(|data: &[u8]| {
    if let Ok(message) = Message::decode(data) {
        assert_eq!(message.encode().expect("decoded messages encode"), data);
    }
});
