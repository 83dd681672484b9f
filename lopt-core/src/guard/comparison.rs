//! Finds out whether the optimizer or the data are to blame: gradients are taken by turns at the best
//! point so far and where the model is.

use wincode::{SchemaRead, SchemaWrite};

/// Standard errors that a mean difference must be above zero.
const ERRORS: f64 = 3.0;

/// A comparison under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(super) struct Comparison {
    of_losses: bool,
    /// Rounds to come, each with one loss at both points.
    rounds: u8,
    /// Rounds so far with a difference, and the sums of the differences and of their squares: by how much the model's
    /// loss is higher than at the best point.
    count: f64,
    sum: f64,
    squares: f64,
    /// Least mean difference if the optimizer is to blame.
    least: f64,
    /// Last loss at the best point, infinite if it could not be used.
    best: f64,
}

/// Where a comparison stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// More rounds are needed.
    Open,
    /// The best point is better: the optimizer is to blame.
    Beaten,
    /// It is no better at the best point: the data are to blame, or the trouble has passed.
    Even,
}

impl Comparison {
    /// Of a run whose loss has risen by so much.
    pub(super) fn of_losses(rounds: u8, risen: f64) -> Self {
        Self { of_losses: true, rounds, least: 0.5 * risen, best: f64::INFINITY, ..Self::default() }
    }

    /// Of a run whose loss or gradient is not finite: one round, and it must be finite at the best
    /// point alone.
    pub(super) fn of_not_finite() -> Self {
        Self { rounds: 1, least: f64::INFINITY, best: f64::INFINITY, ..Self::default() }
    }

    pub(super) fn is_open(&self) -> bool {
        self.rounds > 0
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
            }
            _ => {}
        }
        match self.rounds {
            0 if self.is_higher() => Standing::Beaten,
            0 => Standing::Even,
            _ => Standing::Open,
        }
    }
    /// Whether the differences are as large as expected, and not by chance.
    fn is_higher(&self) -> bool {
        let mean = self.sum / self.count.max(1.0);
        let variance = (self.squares / self.count.max(1.0) - mean * mean).max(0.0);
        mean > self.least && mean > ERRORS * (variance / self.count.max(1.0)).sqrt()
    }
}
