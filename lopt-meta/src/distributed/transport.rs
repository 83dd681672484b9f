//! How messages travel: the few calls that are needed, and channels within one process.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// One process's end of the connections among all.
pub trait Transport {
    /// Number of this process; 0 is the root.
    fn rank(&self) -> usize;

    /// Number of processes.
    fn size(&self) -> usize;

    /// Hands a message over and returns at once; what a dead receiver does not take is lost.
    ///
    /// # Errors
    ///
    /// If the connection as a whole is of no more use.
    fn send(&mut self, to: usize, bytes: Vec<u8>) -> Result<(), TransportError>;

    /// The next message and who sent it, or `None` if none came in this time.
    ///
    /// # Errors
    ///
    /// If the connection as a whole is of no more use.
    fn receive(&mut self, wait: Duration) -> Result<Option<(usize, Vec<u8>)>, TransportError>;
}

/// Why messages do not travel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// MPI is not there, or already in use.
    #[error("MPI does not start in this process")]
    Start,
    /// MPI returned an error.
    #[error("MPI cannot {what}: error {code}")]
    Refused {
        /// What was tried.
        what: &'static str,
        /// What it returned.
        code: i32,
    },
    /// MPI counts bytes in 31 bits.
    #[error("a message of {bytes} bytes is too long for MPI")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// No process has this number.
    #[error("there is no rank {rank}")]
    NoRank {
        /// The number.
        rank: usize,
    },
    /// Every other end is closed.
    #[error("all other processes are gone")]
    Closed,
}

/// Threads of one process instead of processes: for tests.
#[derive(Debug)]
pub struct ChannelTransport {
    rank: usize,
    senders: Vec<Sender<(usize, Vec<u8>)>>,
    receiver: Receiver<(usize, Vec<u8>)>,
}

impl ChannelTransport {
    /// Ends of `size` processes, in the order of their ranks.
    #[must_use]
    pub fn connect(size: usize) -> Vec<Self> {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..size).map(|_| channel()).unzip();
        let ends = receivers.into_iter().enumerate();
        ends.map(|(rank, receiver)| Self { rank, senders: senders.clone(), receiver }).collect()
    }
}

impl Transport for ChannelTransport {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.senders.len()
    }

    fn send(&mut self, to: usize, bytes: Vec<u8>) -> Result<(), TransportError> {
        let sender = self.senders.get(to).ok_or(TransportError::NoRank { rank: to })?;
        // a receiver that is gone is what a dead process looks like
        let _ = sender.send((self.rank, bytes));
        Ok(())
    }

    fn receive(&mut self, wait: Duration) -> Result<Option<(usize, Vec<u8>)>, TransportError> {
        match self.receiver.recv_timeout(wait) {
            Ok(message) => Ok(Some(message)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(TransportError::Closed),
        }
    }
}

impl<T: Transport> Transport for &mut T {
    fn rank(&self) -> usize {
        (**self).rank()
    }

    fn size(&self) -> usize {
        (**self).size()
    }

    fn send(&mut self, to: usize, bytes: Vec<u8>) -> Result<(), TransportError> {
        (**self).send(to, bytes)
    }

    fn receive(&mut self, wait: Duration) -> Result<Option<(usize, Vec<u8>)>, TransportError> {
        (**self).receive(wait)
    }
}
