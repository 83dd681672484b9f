//! Meta-training by many processes: one root owns psi, the others unroll for it.
//!
//! * **Asynchronous** ([`server`]), as in the paper: workers push meta-gradients whenever they have
//!   one and go on with the newest psi at once. Workers may die, hang or send nonsense.
//! * **Synchronous** ([`sync`]): every process advances its share of the slots; outcomes are reduced
//!   in the order of the slots, so psi is bit for bit that of one process.
//!
//! [`protocol`] says what is sent, [`transport`] how; [`worker`] is every process that unrolls,
//! [`aggregator`] one that sums for the root, [`tree`] says who is which. All of it runs within one process, over channels; `MpiTransport` (feature `mpi`) spans machines.
//! `docs/scaling.md` has the options of `mpirun` and the measurements.

pub mod aggregator;
pub mod exchange;
#[cfg(feature = "mpi")]
pub mod mpi;
pub mod note;
pub mod protocol;
pub mod server;
pub mod sync;
pub mod transport;
pub mod tree;
pub mod worker;

use crate::trainer::TrainError;
use protocol::ProtocolError;
use transport::TransportError;

/// Why a distributed run cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DistributedError {
    /// The run itself.
    #[error("{0}")]
    Train(#[from] TrainError),
    /// Messages cannot be sent or received.
    #[error("{0}")]
    Transport(#[from] TransportError),
    /// A message that means nothing, where every one is needed.
    #[error("rank {rank} sent what cannot be used: {source}")]
    Protocol {
        /// Who sent it.
        rank: usize,
        /// What is wrong.
        source: ProtocolError,
    },
    /// A message that makes no sense here.
    #[error("rank {rank} sent a {kind} message where it makes no sense")]
    Unexpected {
        /// Who sent it.
        rank: usize,
        /// Its kind.
        kind: &'static str,
    },
    /// Nothing came for too long.
    #[error("nothing was heard of rank {rank} for {seconds} s")]
    Silent {
        /// Who should have said something.
        rank: usize,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A process of a synchronous run has left.
    #[error("rank {rank} has left the run")]
    Left {
        /// Which.
        rank: usize,
    },
    /// Nobody is left to push.
    #[error("all workers are lost")]
    NoWorkers,
    /// Somebody would have nobody to serve.
    #[error("{given} processes given, this run needs at least {needed}: mpirun -n {needed}")]
    TooFew {
        /// How many there are.
        given: usize,
        /// How many it takes.
        needed: usize,
    },
}
