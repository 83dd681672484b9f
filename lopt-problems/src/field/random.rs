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
    /// Dropout masks.
    Dropout,
}

/// The stream of a purpose at a seed of a job.
pub(super) fn random(job: &str, seed: u64, purpose: Purpose) -> Rng {
    let name = job.bytes().map(u64::from);
    stream(FIELD, &name.chain([seed, purpose as u64]).collect::<Vec<u64>>())
}

/// Seed of draws that are the same in all runs of a job.
pub(super) const FIXED: u64 = u64::MAX;

/// Seed of everything random about the field suite.
const FIELD: u64 = 20_261_128;

#[cfg(test)]
mod tests {
    use lopt_core::rng::unit;

    use super::*;

    #[test]
    fn streams_differ() {
        let mut firsts = vec![unit(&mut random("b", 0, Purpose::Data))];
        for seed in [0, 1, FIXED] {
            for purpose in [Purpose::Data, Purpose::Initial, Purpose::Batches, Purpose::Dropout] {
                firsts.push(unit(&mut random("a", seed, purpose)));
            }
        }
        let count = firsts.len();
        firsts.sort_by(f64::total_cmp);
        firsts.dedup();
        assert_eq!(firsts.len(), count);
    }
}
