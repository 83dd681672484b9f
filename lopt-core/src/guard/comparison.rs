//! Finds out whether the optimizer or the data are to blame: gradients are taken by turns at the best
//! point so far and where the model is.

use super::Reason;

/// Standard errors that the mean difference must be above zero after many rounds, and what is added to
/// that, divided by their number: a few may agree by chance.
const ERRORS: f64 = 1.85;
const ERRORS_OF_FEW: f64 = 4.6;
/// Standard errors that end a comparison before its last round, and rounds before that.
const ERRORS_EARLY: f64 = 6.0;
const LEAST_EARLY: f64 = 8.0;

/// Rounds of a comparison, and how often as many again may follow.
const ROUNDS: u8 = 32;
const MORE: u8 = 2;
/// Rounds after an explosion.
const ROUNDS_EXPLODED: u8 = 4;

/// A comparison under way.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Comparison {
    of_losses: bool,
    /// Rounds to come, each with one loss at both points, and how often [`ROUNDS`] may follow if they
    /// leave it open.
    rounds: u8,
    more: u8,
    /// Rounds so far with a difference, by how much the model's loss is higher than at the best point,
    /// and the sums of the differences and of their squares.
    count: f64,
    sum: f64,
    squares: f64,
    /// Sum of the losses at the best point in these rounds.
    best_sum: f64,
    /// By how many levels caution grows if the optimizer is to blame.
    levels: u8,
    /// Least mean difference if the optimizer is to blame.
    least: f64,
    /// Last loss at the best point, infinite if it could not be used.
    best: f64,
}

crate::positional!(Comparison {
    of_losses,
    rounds,
    more,
    count,
    sum,
    squares,
    best_sum,
    levels,
    least,
    best
});

/// Where a comparison stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// More rounds are needed.
    Open,
    /// The best point is better: the optimizer is to blame.
    Beaten,
    /// It is no better at the best point: the data are to blame, or the trouble has passed.
    Even,
    /// It seems to be better at the best point, but that may be chance.
    Unclear,
}

impl Comparison {
    /// Of a run whose loss has risen by so much.
    ///
    /// * `exploded`: it takes few rounds to see.
    /// * `levels`: by how many caution grows if the optimizer is to blame.
    pub(super) fn of_losses(exploded: bool, risen: f64, levels: u8) -> Self {
        let (rounds, more) = if exploded { (ROUNDS_EXPLODED, 0) } else { (ROUNDS, MORE) };
        let (least, best) = (0.5 * risen, f64::INFINITY);
        Self { of_losses: true, rounds, more, levels, least, best, ..Self::default() }
    }

    /// Of a run whose loss or gradient is not finite: one round, and it must be finite at the best
    /// point alone.
    pub(super) fn of_not_finite() -> Self {
        Self { rounds: 1, levels: 1, least: f64::INFINITY, best: f64::INFINITY, ..Self::default() }
    }

    pub(super) fn is_open(&self) -> bool {
        self.rounds > 0
    }

    pub(super) fn levels(&self) -> u8 {
        self.levels
    }

    pub(super) fn is_of_losses(&self) -> bool {
        self.of_losses
    }

    /// The loss at the best point, infinite if it or the gradient cannot be used.
    pub(super) fn take_best(&mut self, loss: f64) {
        self.best = loss;
    }

    /// The loss where the model is, infinite if it or the gradient cannot be used.
    pub(super) fn end_round(&mut self, here: f64) -> Standing {
        self.rounds = self.rounds.saturating_sub(1);
        match (here.is_finite(), self.best.is_finite()) {
            (false, true) => return Standing::Beaten,
            (true, true) => {
                let difference = here - self.best;
                self.count += 1.0;
                self.sum += difference;
                self.squares += difference * difference;
                self.best_sum += self.best;
            }
            _ => {}
        }
        let (mean, error) = self.mean_and_error();
        let (is_large, few) = (mean > self.least, ERRORS_OF_FEW / self.count.max(1.0));
        match self.rounds {
            0 if is_large && mean > (ERRORS + few) * error => Standing::Beaten,
            0 if mean + ERRORS * error < self.least => Standing::Even,
            0 if self.more == 0 => Standing::Unclear,
            0 => {
                (self.rounds, self.more) = (ROUNDS, self.more - 1);
                Standing::Open
            }
            _ if is_large && self.count >= LEAST_EARLY && mean > ERRORS_EARLY * error => {
                Standing::Beaten
            }
            _ => Standing::Open,
        }
    }

    /// What was found where losses are finite.
    pub(super) fn reason(&self) -> Reason {
        let best = self.best_sum / self.count.max(1.0);
        Reason::Above { loss: best + self.mean_and_error().0, best }
    }

    /// Mean of the differences, and its standard error.
    fn mean_and_error(&self) -> (f64, f64) {
        let count = self.count.max(1.0);
        let mean = self.sum / count;
        let variance = (self.squares / count - mean * mean).max(0.0);
        (mean, (variance / count).sqrt())
    }
}
