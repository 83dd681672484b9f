//! Streams of random numbers of the jobs.

use lopt_core::rng::{Rng, stream};

/// What random numbers of a job are for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// The data, which are the same for all seeds.
    Data,
    /// The starting point.
    Start,
    /// The order of the batches.
    Batches,
    /// Noise that is drawn with every batch.
    Noise,
}

/// The random numbers of a purpose at one seed of the job `name`.
pub(super) fn draws(name: &str, seed: u64, purpose: Purpose) -> Rng {
    let mut path: Vec<u64> = name.bytes().map(u64::from).collect();
    path.push(purpose as u64);
    stream(seed, &path)
}

/// Seed of all that does not depend on the seed of the run.
pub(super) const DATA_SEED: u64 = 20_261_128;
