//! Finds out whether the optimizer or the data are to blame: gradients are taken by turns at the best
//! point so far and where the model is.

use wincode::{SchemaRead, SchemaWrite};

/// A comparison under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(super) struct Comparison {
    of_losses: bool,
    /// Rounds to come, each with one loss at both points.
    rounds: u8,
    /// Sum of the losses of the model less those at the best point, and by how much it should be above
    /// zero if the optimizer is to blame.
    sum: f64,
    expected: f64,
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
        let expected = 0.5 * f64::from(rounds) * risen;
        Self { of_losses: true, rounds, sum: 0.0, expected, best: f64::INFINITY }
    }

    /// Of a run whose loss or gradient is not finite: one round, and it must be finite at the best
    /// point alone.
    pub(super) fn of_not_finite() -> Self {
        Self { rounds: 1, expected: f64::INFINITY, best: f64::INFINITY, ..Self::default() }
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
            (true, true) => self.sum += here - self.best,
            _ => {}
        }
        match self.rounds {
            0 if self.sum > self.expected => Standing::Beaten,
            0 => Standing::Even,
            _ => Standing::Open,
        }
    }
}
