//! Tells a loss that diverges from one that is noisy.

use super::Reason;

/// Losses that say what the beginning was.
const FIRST: usize = 5;
/// Decay of the averages.
const DECAY: f64 = 0.9;
/// Deviations of one loss that an averaged loss may be above its lowest.
const DEVIATIONS: f64 = 4.0;
/// Steps in a row above the beginning that count as divergence.
const PATIENCE_ABOVE: u64 = 25;
/// Steps in a row far above the beginning that count as divergence.
const PATIENCE_FAR: u64 = 3;
/// How far that is, in units of what else is above, and of the beginning.
const FAR: f64 = 10.0;
/// Steps in a row that half of what was won may be lost.
const PATIENCE_LOST: u64 = 50;

/// Exponential averages of the loss and of its deviation, and what they were at their best.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct LossWatch {
    /// Losses seen since the last restart.
    pub seen: u64,
    /// The first of them.
    pub first: [f64; FIRST],
    pub start: f64,
    pub mean: f64,
    pub deviation: f64,
    pub best: f64,
    pub best_deviation: f64,
    pub far: u64,
    pub above: u64,
    pub lost: u64,
}

impl LossWatch {
    /// Takes the next finite loss; says whether it is a new best, or why this is divergence.
    pub(super) fn take(&mut self, loss: f64) -> Result<bool, Reason> {
        self.seen += 1;
        if self.seen <= FIRST as u64 {
            self.first[self.seen as usize - 1] = loss;
            if self.seen == FIRST as u64 {
                self.begin();
            }
            return Ok(false);
        }
        self.deviation = DECAY * self.deviation + (1.0 - DECAY) * (loss - self.mean).abs();
        self.mean = DECAY * self.mean + (1.0 - DECAY) * loss;
        let noise = DEVIATIONS * self.best_deviation + 1e-6 * self.start.abs();
        let above = self.mean > self.start + noise;
        let lost = self.mean > self.best + noise + 0.5 * (self.start - self.best).max(0.0);
        let far = loss > self.start + FAR * (noise + self.start.abs());
        self.far = if far { self.far + 1 } else { 0 };
        self.above = if above { self.above + 1 } else { 0 };
        self.lost = if lost { self.lost + 1 } else { 0 };
        if self.above >= PATIENCE_ABOVE || self.far >= PATIENCE_FAR {
            return Err(Reason::AboveStart { loss: self.mean, start: self.start });
        }
        if self.lost >= PATIENCE_LOST {
            return Err(Reason::LostHalf { loss: self.mean, best: self.best });
        }
        let better = self.mean < self.best;
        if better {
            (self.best, self.best_deviation) = (self.mean, self.deviation);
        }
        Ok(better)
    }

    /// Medians, and the very first loss as well: a run may diverge before there are five.
    fn begin(&mut self) {
        let median = |values: &mut [f64]| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let mut steps: Vec<f64> = self.first.windows(2).map(|w| (w[1] - w[0]).abs()).collect();
        self.deviation = median(&mut steps);
        self.mean = median(&mut self.first.clone());
        if self.start == 0.0 {
            self.start = self.first[0].min(self.mean);
        }
        (self.best, self.best_deviation) = (self.mean, self.deviation);
    }

    /// Whether losses were seen, and none of their averages was below the beginning but by noise.
    pub(super) fn has_won_nothing(&self) -> bool {
        self.seen >= FIRST as u64 && self.best >= self.start - self.best_deviation
    }

    /// Forgets all but the beginning of the first run.
    pub(super) fn restart(&mut self) {
        *self = Self { start: self.start, ..Self::default() };
    }

    /// For a file.
    pub(super) fn numbers(&self) -> ([u64; 4], [f64; 10]) {
        let Self { seen, first, start, mean, deviation, best, best_deviation, far, above, lost } =
            *self;
        let [a, b, c, d, e] = first;
        ([seen, far, above, lost], [a, b, c, d, e, start, mean, deviation, best, best_deviation])
    }

    /// From a file.
    pub(super) fn from_numbers(
        [seen, far, above, lost]: [u64; 4],
        [a, b, c, d, e, start, mean, deviation, best, best_deviation]: [f64; 10],
    ) -> Self {
        let first = [a, b, c, d, e];
        Self { seen, first, start, mean, deviation, best, best_deviation, far, above, lost }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{normal, stream};

    /// First step at which the watch complains.
    fn complaint(losses: impl Iterator<Item = f64>) -> Option<(usize, Reason)> {
        let mut watch = LossWatch::default();
        losses.enumerate().find_map(|(i, loss)| watch.take(loss).err().map(|reason| (i, reason)))
    }

    #[test]
    fn noise_and_plateaus_are_no_divergence() {
        for seed in 0..200 {
            let mut rng = stream(seed, &[1]);
            let noisy = (0..3000).map(|n| {
                let level = 0.3 + 2.0 / (1.0 + f64::from(n) / 100.0);
                level * (0.4 * normal(&mut rng)).exp()
            });
            assert_eq!(complaint(noisy), None, "seed {seed}");
        }
        assert_eq!(complaint((0..1000).map(|_| 1.0)), None);
        assert_eq!(complaint((0..1000).map(|n| -f64::from(n))), None);
    }

    #[test]
    fn growth_is_found_soon() {
        let (at, reason) = complaint((0..500).map(|n| 1.02_f64.powi(n))).unwrap();
        assert!(at < 60, "{at}");
        assert!(matches!(reason, Reason::AboveStart { .. }), "{reason}");
    }

    #[test]
    fn divergence_within_the_first_losses_is_found() {
        let leaps: [&[f64]; 3] =
            [&[2.3, 1e6, 1e6, 1e6, 1e6], &[2.3, 5.0, 100.0, 1e4, 1e6], &[1.0, 1.0, 1.0, 1.0, 50.0]];
        for leap in leaps {
            let last = leap[4];
            let (at, _) = complaint(leap.iter().copied().chain(std::iter::repeat_n(last, 100)))
                .unwrap_or_else(|| panic!("{leap:?}"));
            assert!(at < 40, "{leap:?} {at}");
        }
    }

    #[test]
    fn a_relapse_below_the_start_is_found() {
        let fall_and_rise =
            (0..1000).map(|n| if n < 300 { (-f64::from(n) / 50.0).exp() } else { 0.8 });
        let (at, reason) = complaint(fall_and_rise).unwrap();
        assert!((340..370).contains(&at), "{at}");
        assert!(matches!(reason, Reason::LostHalf { .. }), "{reason}");
    }
}
