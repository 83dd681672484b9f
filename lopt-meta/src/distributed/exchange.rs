//! One message to one rank, and one that came.

use super::DistributedError;
use super::protocol::Message;
use super::transport::Transport;
use std::time::Duration;

/// How long one look for messages takes; a request to end is noticed as soon.
pub const MOMENT: Duration = Duration::from_millis(100);

/// Sends a message.
///
/// # Errors
///
/// If it does not travel.
pub fn send<T: Transport>(
    transport: &mut T,
    to: usize,
    message: &Message,
) -> Result<(), DistributedError> {
    Ok(transport.send(to, message.encode())?)
}

/// Reads a message where every one is needed.
///
/// # Errors
///
/// If the bytes are none.
pub fn decode(rank: usize, bytes: &[u8]) -> Result<Message, DistributedError> {
    Message::decode(bytes).map_err(|source| DistributedError::Protocol { rank, source })
}
