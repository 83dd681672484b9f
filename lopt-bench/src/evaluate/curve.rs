//! Training curves: smoothing, the steps at which they are kept, when they reach a loss.

use std::collections::BTreeSet;

/// Exponential moving average without a bias towards zero at the start.
#[derive(Debug, Clone, Default)]
pub struct Smoothed {
    sum: f64,
    weight: f64,
}

impl Smoothed {
    /// Takes in the next loss; returns the average.
    pub fn push(&mut self, loss: f64) -> f64 {
        self.sum = DECAY * self.sum + (1.0 - DECAY) * loss;
        self.weight = DECAY * self.weight + (1.0 - DECAY);
        self.value()
    }

    /// The average so far; not a number before the first loss.
    pub fn value(&self) -> f64 {
        self.sum / self.weight
    }
}

/// The steps at which the curve of a task is kept: sixteen per decade, and the ends of the
/// horizon's multiples. The grid of a shorter run is the beginning of that of a longer one.
pub fn grid(horizon: usize, steps: usize) -> Vec<usize> {
    let spaced = (0..).map(|i| 10_f64.powf(f64::from(i) / 16.0).round() as usize);
    let mut all: BTreeSet<usize> = spaced.take_while(|&step| step <= steps).collect();
    all.extend(MULTIPLES.map(|multiple| multiple * horizon).into_iter().filter(|&s| s <= steps));
    all.into_iter().collect()
}

/// Least loss of several falling curves at each place of the longest; a curve that ends early has
/// diverged or was stopped, and keeps what it reached.
pub fn envelope<'a>(curves: impl Iterator<Item = &'a [f64]> + Clone) -> Vec<f64> {
    let length = curves.clone().map(<[f64]>::len).max().unwrap_or(0);
    let at = |place: usize| {
        let reached = curves.clone().filter_map(|curve| curve.get(place).or(curve.last()));
        reached.copied().fold(f64::INFINITY, f64::min)
    };
    (0..length).map(at).collect()
}

/// The step at which a falling curve reaches `loss`, between two places by a straight line over
/// logarithms; `None` if it does not.
pub fn step_of(grid: &[usize], curve: &[f64], loss: f64) -> Option<f64> {
    let place = curve.iter().position(|&reached| reached <= loss)?;
    let after = *grid.get(place)? as f64;
    let Some(before) = place.checked_sub(1) else { return Some(after) };
    let (high, low) = (curve[before].ln(), curve[place].ln());
    let share = (high - loss.ln()) / (high - low);
    let start = grid[before] as f64;
    // A loss of zero has no logarithm.
    Some(if share.is_finite() { start * (after / start).powf(share) } else { after })
}

/// Four digits are plenty and keep files small.
pub fn rounded(loss: f64) -> f64 {
    format!("{loss:.3e}").parse().unwrap_or(loss)
}

/// Multiples of the horizon at which runs are compared.
pub const MULTIPLES: [usize; 3] = [1, 5, 25];

/// Decay of the average, that of the field.
const DECAY: f64 = 0.95;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_stays_and_the_start_has_full_weight() {
        let mut smoothed = Smoothed::default();
        assert!((smoothed.push(3.0) - 3.0).abs() < 1e-12);
        assert!((smoothed.push(3.0) - 3.0).abs() < 1e-12);
        let mut smoothed = Smoothed::default();
        smoothed.push(1.0);
        assert!((smoothed.push(0.0) - 0.95 / 1.95).abs() < 1e-12);
    }

    #[test]
    fn a_longer_grid_goes_on() {
        let (short, long) = (grid(400, 400), grid(400, 2000));
        assert!(long.starts_with(&short) && short.last() == Some(&400));
        assert!(long.contains(&2000) && long.len() < 60, "{}", long.len());
        assert_eq!(grid(3, 3), [1, 2, 3]);
    }

    #[test]
    fn the_least_of_several_curves() {
        let curves: [&[f64]; 3] = [&[4.0, 3.0, 2.0], &[5.0, 1.0], &[6.0]];
        assert_eq!(envelope(curves.into_iter()), [4.0, 1.0, 1.0]);
    }

    #[test]
    fn crossings_lie_between_places() {
        let (grid, curve) = ([1, 10, 100], [8.0, 4.0, 1.0]);
        assert_eq!(step_of(&grid, &curve, 9.0), Some(1.0));
        assert_eq!(step_of(&grid, &curve, 4.0), Some(10.0));
        let between = step_of(&grid, &curve, 2.0).unwrap();
        assert!((between - 1000_f64.sqrt()).abs() < 1e-9, "{between}");
        assert_eq!(step_of(&grid, &curve, 0.5), None);
        assert_eq!(step_of(&grid, &[1.0, 0.0], 0.0), Some(10.0));
    }

    #[test]
    fn rounding_keeps_four_digits() {
        assert_eq!([0.123_456, 1.0e-9].map(rounded), [0.1235, 1.0e-9]);
    }
}
