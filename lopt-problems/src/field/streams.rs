//! Random streams of the jobs.

use lopt_core::rng::{Rng, stream};

/// What a run draws random numbers for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// Initial parameters.
    Start,
    /// Order of the batches, or episodes.
    Order,
    /// Dropout masks.
    Dropout,
}

/// The stream of one purpose at one seed of a job.
pub(super) fn run_stream(job: &str, seed: u64, purpose: Purpose) -> Rng {
    let mut path: Vec<u64> = job.bytes().map(u64::from).collect();
    path.extend([seed, purpose as u64]);
    stream(FIELD, &path)
}

/// The stream of a job's data, which are the same for all seeds.
pub(super) fn data_stream(job: &str) -> Rng {
    let path: Vec<u64> = job.bytes().map(u64::from).collect();
    stream(FIELD, &path)
}

/// Seed of everything random about the field suite.
const FIELD: u64 = 20_261_128;

#[cfg(test)]
mod tests {
    use lopt_core::rng::unit;

    use super::*;

    #[test]
    fn streams_differ() {
        let mut firsts = vec![unit(&mut data_stream("a")), unit(&mut data_stream("b"))];
        for seed in 0..2 {
            for purpose in [Purpose::Start, Purpose::Order, Purpose::Dropout] {
                firsts.push(unit(&mut run_stream("a", seed, purpose)));
            }
        }
        firsts.push(unit(&mut run_stream("b", 0, Purpose::Start)));
        let count = firsts.len();
        firsts.sort_by(f64::total_cmp);
        firsts.dedup();
        assert_eq!(firsts.len(), count);
    }
}
