//! Finds out whether the optimizer or the data are to blame: gradients are taken by turns at the best
//! point so far and where the model is. The best point wins a round if its loss is below that of the
//! model both before and after, so that a loss that rises by itself makes it lose.

use wincode::{SchemaRead, SchemaWrite};

/// Rounds that the best point has to win.
const ROUNDS: u8 = 6;
/// Rounds that it may lose on the way.
const SPARE: u8 = 1;
/// Rounds to win where the loss or gradient is not finite; none may be lost.
const ROUNDS_NOT_FINITE: u8 = 2;

/// A comparison under way. A loss that is not finite counts as infinite.
#[derive(Clone, Copy, Debug, Default, PartialEq, SchemaRead, SchemaWrite)]
pub(super) struct Comparison {
    /// Rounds the best point has still to win.
    missing: u8,
    /// Rounds it may still lose.
    spare: u8,
    /// The run is lost above this loss.
    mark: f64,
    /// Last loss where the model is.
    here: f64,
    /// Last loss at the best point.
    pub(super) best: f64,
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
    pub(super) fn of_losses(mark: f64, here: f64) -> Self {
        Self { missing: ROUNDS, spare: SPARE, mark, here, best: f64::INFINITY }
    }

    /// Of a run whose loss or gradient is not finite.
    pub(super) fn of_what_is_not_finite() -> Self {
        let (here, best) = (f64::INFINITY, f64::INFINITY);
        Self { missing: ROUNDS_NOT_FINITE, spare: 0, mark: f64::MAX, here, best }
    }

    /// Whether only what is not finite would be a reason to go back.
    pub(super) fn is_of_what_is_not_finite(&self) -> bool {
        self.mark == f64::MAX
    }

    /// Ends a round with the loss where the model is, after `best` was set.
    pub(super) fn end_round(&mut self, here: f64) -> Standing {
        let before = std::mem::replace(&mut self.here, here);
        if here > self.mark && self.best < here && self.best < before {
            self.missing = self.missing.saturating_sub(1);
            return if self.missing == 0 { Standing::Beaten } else { Standing::Open };
        }
        match self.spare.checked_sub(1) {
            Some(spare) => {
                self.spare = spare;
                Standing::Open
            }
            None if here <= self.mark => Standing::Recovered,
            None => Standing::Even,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(mut comparison: Comparison, rounds: &[(f64, f64)]) -> Standing {
        let mut standing = Standing::Open;
        for &(best, here) in rounds {
            assert_eq!(standing, Standing::Open);
            comparison.best = best;
            standing = comparison.end_round(here);
        }
        standing
    }

    #[test]
    fn the_best_point_may_lose_one_round_of_seven() {
        let comparison = Comparison::of_losses(1.0, 2.0);
        let (won, lost) = ((0.5, 2.0), (3.0, 2.0));
        assert_eq!(standing(comparison, &[won; 5]), Standing::Open);
        assert_eq!(standing(comparison, &[won; 6]), Standing::Beaten);
        let mut rounds = [won; 7];
        rounds[3] = lost;
        assert_eq!(standing(comparison, &rounds), Standing::Beaten);
        assert_eq!(standing(comparison, &[won, lost, won, lost]), Standing::Even);
        assert_eq!(standing(comparison, &[won, (0.5, 0.9), (0.5, 0.9)]), Standing::Recovered);
        assert_eq!(standing(comparison, &[(2.1, 2.2), (2.3, 2.4)]), Standing::Even);
    }

    #[test]
    fn a_loss_that_is_not_finite_counts_as_infinite() {
        let comparison = Comparison::of_what_is_not_finite();
        let (bad, none) = (f64::INFINITY, f64::NEG_INFINITY);
        assert_eq!(standing(comparison, &[(0.5, bad), (0.7, bad)]), Standing::Beaten);
        assert_eq!(standing(comparison, &[(none, bad), (none, bad)]), Standing::Beaten);
        assert_eq!(standing(comparison, &[(0.5, 1e30)]), Standing::Recovered);
        assert_eq!(standing(comparison, &[(bad, bad)]), Standing::Even);
    }
}
