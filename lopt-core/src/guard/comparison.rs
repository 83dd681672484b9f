//! Finds out whether the optimizer or the data are to blame: gradients are taken by turns at the best
//! point so far and where the model is.
//!
//! A round is a loss at the best point between two losses of the model. What counts is by how much the
//! model's are higher on average, in standard errors (the paired statistic of Student's test), both
//! for those before and for those after, so that a loss that rises by itself convinces nobody.

use wincode::{SchemaRead, SchemaWrite};

/// Rounds before anything is decided.
const LEAST: u8 = 4;
/// Rounds after which the best point is taken not to be better.
const MOST: u8 = 32;
/// Rounds to win where the loss or gradient is not finite; none may be lost.
const NOT_FINITE: u8 = 2;
/// Standard errors that the model has to be worse by, after many rounds.
const ERRORS: f64 = 3.0;
/// What is added to that, divided by the number of rounds: a few may agree by chance.
const ERRORS_OF_FEW: f64 = 12.0;

/// Sum and sum of squares of differences.
#[derive(Clone, Copy, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
struct Differences {
    sum: f64,
    squares: f64,
}

impl Differences {
    fn add(&mut self, difference: f64) {
        self.sum += difference;
        self.squares += difference * difference;
    }

    /// Whether the mean of so many is above zero beyond doubt.
    fn are_positive(&self, rounds: u8) -> bool {
        let n = f64::from(rounds);
        let mean = self.sum / n;
        let variance = (self.squares / n - mean * mean).max(0.0) / (n - 1.0);
        mean > 0.0 && mean > (ERRORS + ERRORS_OF_FEW / n) * variance.sqrt()
    }
}

/// A comparison under way. A loss that is not finite counts as infinite.
#[derive(Clone, Copy, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(super) struct Comparison {
    /// Whether only a loss of the model that is not finite is a reason to go back.
    pub(super) of_not_finite: bool,
    rounds: u8,
    /// The run is lost if its mean loss is above this one.
    mark: f64,
    /// A higher loss counts as this one.
    clip: f64,
    /// Last loss where the model is.
    here: f64,
    /// Last loss at the best point.
    pub(super) best: f64,
    /// Sum of the model's losses.
    sum: f64,
    before: Differences,
    after: Differences,
}

/// Where a comparison stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Standing {
    /// More rounds are needed.
    Open,
    /// The best point is better: the optimizer is to blame.
    Beaten,
    /// The model has come back by itself.
    Recovered,
    /// It is no better at the best point: the data are to blame.
    Even,
}

impl Comparison {
    /// Of a run whose losses are above the mark, the last one being `here`.
    pub(super) fn of_losses(mark: f64, clip: f64, here: f64) -> Self {
        Self { mark, clip, here, ..Self::default() }
    }

    /// Of a run whose loss or gradient is not finite.
    pub(super) fn of_not_finite() -> Self {
        Self { of_not_finite: true, ..Self::default() }
    }

    /// Ends a round with the loss where the model is, after `best` was set.
    pub(super) fn end_round(&mut self, here: f64) -> Standing {
        let before = std::mem::replace(&mut self.here, here);
        self.rounds = self.rounds.saturating_add(1);
        if self.of_not_finite {
            return match (here == f64::INFINITY, self.best == f64::INFINITY) {
                (false, _) => Standing::Recovered,
                (true, true) => Standing::Even,
                (true, false) if self.rounds < NOT_FINITE => Standing::Open,
                (true, false) => Standing::Beaten,
            };
        }
        let [before, best, here] = [before, self.best, here].map(|loss| loss.min(self.clip));
        self.sum += here;
        self.before.add(before - best);
        self.after.add(here - best);
        if self.rounds < LEAST {
            return Standing::Open;
        }
        if self.sum <= f64::from(self.rounds) * self.mark {
            return Standing::Recovered;
        }
        if [self.before, self.after].iter().all(|d| d.are_positive(self.rounds)) {
            return Standing::Beaten;
        }
        if self.rounds >= MOST || self.after.sum <= 0.0 || self.before.sum <= 0.0 {
            return Standing::Even;
        }
        Standing::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{normal, stream, unit};

    /// Where a comparison ends, and after how many rounds.
    fn end(mut comparison: Comparison, mut round: impl FnMut(u8) -> (f64, f64)) -> (Standing, u8) {
        for n in 1..=u8::MAX {
            let here;
            (comparison.best, here) = round(n);
            let standing = comparison.end_round(here);
            if standing != Standing::Open {
                return (standing, n);
            }
        }
        panic!("{comparison:?}")
    }

    #[test]
    fn clear_cases_are_soon_decided() {
        let comparison = Comparison::of_losses(1.0, 10.0, 2.0);
        assert_eq!(end(comparison, |n| (0.5, 2.0 + f64::from(n % 2))), (Standing::Beaten, 4));
        assert_eq!(end(comparison, |_| (0.5, 0.9)), (Standing::Recovered, 4));
        assert_eq!(end(comparison, |_| (2.0, 2.0)), (Standing::Even, 4));
        // rising by itself, which is above the loss before and below the one after
        assert_eq!(end(comparison, |n| (2.1 + f64::from(n), 2.6 + f64::from(n))).0, Standing::Even);
        // an outlier of the model convinces nobody, a model that is lost without bounds does
        let outlier = |n| (2.0, if n == 3 { 1e9 } else { 2.0 });
        assert_ne!(end(comparison, outlier).0, Standing::Beaten);
        assert_eq!(end(comparison, |n| (0.5, 10_f64.powi(i32::from(n)))).0, Standing::Beaten);
    }

    #[test]
    fn noisy_cases_are_decided_right_mostly() {
        let (mut right, mut wrong) = (0, 0);
        for seed in 0..1000 {
            let mut rng = stream(seed, &[]);
            let comparison = Comparison::of_losses(2.5, 35.0, 20.0);
            // right on three rows of five, and hopelessly wrong on the others
            let lost = end(comparison, |_| {
                (2.3 + 0.5 * normal(&mut rng), if unit(&mut rng) < 0.6 { 0.0 } else { 50.0 })
            });
            right += u32::from(lost.0 == Standing::Beaten);
            let mut noise = |median: f64| median * (1.5 * normal(&mut rng)).exp();
            let comparison = Comparison::of_losses(1.0, 35.0, noise(3.0));
            let even = end(comparison, |_| (noise(3.0), noise(3.0)));
            wrong += u32::from(even.0 == Standing::Beaten);
        }
        assert!(right > 500 && wrong < 10, "{right} right, {wrong} wrong of 1000");
    }

    #[test]
    fn a_loss_that_is_not_finite_counts_as_infinite() {
        let comparison = Comparison::of_not_finite();
        let (bad, none) = (f64::INFINITY, f64::NEG_INFINITY);
        assert_eq!(end(comparison, |_| (0.5, bad)), (Standing::Beaten, 2));
        assert_eq!(end(comparison, |_| (none, bad)), (Standing::Beaten, 2));
        assert_eq!(end(comparison, |_| (0.5, 1e30)), (Standing::Recovered, 1));
        assert_eq!(end(comparison, |_| (bad, bad)), (Standing::Even, 1));
    }
}
