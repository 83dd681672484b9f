//! Random numbers that repeat: one named stream per purpose, all from one seed.
//!
//! A stream is addressed by a path of numbers, for instance `[WORKER, 3, problem]`. Streams of
//! different paths are independent, so drawing more in one place never shifts the draws in another.

use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_distr::StandardNormal;

/// The generator used everywhere: xoshiro256++ (Blackman & Vigna 2021).
pub type Rng = rand_xoshiro::Xoshiro256PlusPlus;

/// The stream at `path` below `seed`.
///
/// Seed and path are folded into one word by the `SplitMix64` finalizer (Steele et al. 2014), a
/// bijection after each element, and that word is expanded to the generator's 256 bits. Paths of
/// different length differ, `[0]` is not `[]`.
pub fn stream(seed: u64, path: &[u64]) -> Rng {
    let mut word = mix(seed);
    for &element in path {
        word = mix(word ^ mix(element.wrapping_add(0x9e37_79b9_7f4a_7c15)));
    }
    Rng::seed_from_u64(word)
}

/// One draw from the standard normal distribution.
pub fn normal(rng: &mut Rng) -> f64 {
    rng.sample(StandardNormal)
}

/// One draw from the uniform distribution on `[lo, hi)`; `lo` if the two are equal.
pub fn uniform(rng: &mut Rng, lo: f64, hi: f64) -> f64 {
    lo + (hi - lo) * unit(rng)
}

/// One draw from the `2^53` evenly spaced numbers of `[0, 1)`.
pub fn unit(rng: &mut Rng) -> f64 {
    const SCALE: f64 = 1.0 / (1_u64 << 53) as f64;
    (rng.next_u64() >> 11) as f64 * SCALE
}

/// One index of `0..n`, all equally likely.
///
/// # Panics
///
/// If `n` is 0.
pub fn below(rng: &mut Rng, n: usize) -> usize {
    rng.random_range(0..n as u64) as usize
}

/// Shuffles in place (Fisher & Yates), all orders equally likely.
pub fn shuffle<T>(rng: &mut Rng, items: &mut [T]) {
    for i in (1..items.len()).rev() {
        items.swap(i, below(rng, i + 1));
    }
}

/// The finalizer of `SplitMix64`: a bijection of 64-bit words with full avalanche.
fn mix(word: u64) -> u64 {
    let mut z = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First output of the reference `splitmix64.c` for the state 0 and for 1234567.
    #[test]
    fn mix_is_splitmix64() {
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(1_234_567), 6_457_827_717_110_365_317);
    }

    #[test]
    fn streams_repeat_and_differ() {
        let draw = |seed, path: &[u64]| stream(seed, path).next_u64();
        assert_eq!(draw(7, &[1, 2]), draw(7, &[1, 2]));
        let mut seen = vec![draw(7, &[]), draw(8, &[]), draw(7, &[0]), draw(7, &[0, 0])];
        seen.extend([draw(7, &[1, 2]), draw(7, &[2, 1]), draw(7, &[1]), draw(7, &[2])]);
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count);
    }

    /// These numbers decide every recorded result; a change here is a change of all of them.
    #[test]
    fn values_are_pinned() {
        let mut rng = stream(42, &[1, 2, 3]);
        let words = [rng.next_u64(), rng.next_u64()];
        let draws = [normal(&mut rng), uniform(&mut rng, -1.0, 1.0)];
        assert_eq!((words, draws), PINNED);
    }
    const PINNED: ([u64; 2], [f64; 2]) = (
        [4_001_641_214_848_244_367, 6_449_700_707_223_905_494],
        [-1.022151782741276, 0.6354274125062689],
    );

    #[test]
    fn moments_are_right() {
        let mut rng = stream(0, &[]);
        let n = 100_000;
        let draws: Vec<f64> = (0..n).map(|_| normal(&mut rng)).collect();
        let mean = draws.iter().sum::<f64>() / n as f64;
        let variance = draws.iter().map(|x| x * x).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        let mean = (0..n).map(|_| uniform(&mut rng, 2.0, 4.0)).sum::<f64>() / n as f64;
        assert!((mean - 3.0).abs() < 0.01, "{mean}");
        assert_eq!(uniform(&mut rng, 5.0, 5.0), 5.0);
    }

    #[test]
    fn shuffle_is_a_permutation() {
        let mut items: Vec<usize> = (0..50).collect();
        shuffle(&mut stream(3, &[]), &mut items);
        assert_ne!(items, (0..50).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..50).collect::<Vec<_>>());
    }
}
