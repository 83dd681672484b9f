//! Random streams of the jobs, addressed by the name of the job, the seed and the purpose.

use lopt_core::rng::{Rng, stream};

/// What random numbers are drawn for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// The data that are generated.
    Data,
    /// The initial parameters.
    Initial,
    /// Which rows make up the batches.
    Batches,
    /// What is random about a training example besides its row: noise, a partner.
    Examples,
    /// The same for the validation examples.
    Validation,
    /// Labels that are replaced.
    Labels,
}

/// The stream of a purpose at a seed of a job.
pub(super) fn random(job: &str, seed: u64, purpose: Purpose) -> Rng {
    let path: Vec<u64> = job.bytes().map(u64::from).chain([purpose as u64]).collect();
    stream(seed, &path)
}

/// Seed of draws that are the same in all runs of a job.
pub(super) const FIXED: u64 = 0x6669_656c_6400;
