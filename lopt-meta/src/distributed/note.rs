//! What is worth a line in the log of an asynchronous run.

use super::protocol::ProtocolError;
use std::fmt;

/// An event, with the rank of the worker it is about.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Note {
    /// It is ready.
    Joined(usize),
    /// Nothing was heard of it for so many seconds.
    Lost(usize, u64),
    /// It was lost and pushes again.
    Back(usize),
    /// It left by itself.
    Left(usize),
    /// It sent what cannot be used.
    Malformed(usize, ProtocolError),
    /// It pushed a gradient or a loss that is not finite.
    NotFinite(usize),
    /// Its gradient was made so many updates ago; said the first time only.
    Stale(usize, u64),
    /// Nothing of what it sent lately could be used: it was told to stop.
    Dismissed(usize),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joined(rank) => write!(f, "worker {rank} joined"),
            Self::Lost(rank, seconds) => {
                write!(f, "worker {rank} lost: nothing heard for {seconds} s, going on without it")
            }
            Self::Back(rank) => write!(f, "worker {rank} is back"),
            Self::Left(rank) => write!(f, "worker {rank} left"),
            Self::Malformed(rank, error) => write!(f, "worker {rank} skipped: {error}"),
            Self::NotFinite(rank) => {
                write!(f, "worker {rank} skipped: its gradient is not finite")
            }
            Self::Stale(rank, age) => {
                write!(f, "worker {rank} skipped: its gradient is {age} updates old")
            }
            Self::Dismissed(rank) => write!(f, "worker {rank} dismissed: nothing of it is of use"),
        }
    }
}
