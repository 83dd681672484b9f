//! Means that outliers do not move, and how sure we are of them.

use lopt_core::rng::{below, stream};
use serde::{Deserialize, Serialize};

/// A figure with its 95% bootstrap interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Interquartile mean: the mean of the middle half. Each inner list is a task; tasks weigh the
/// same, however many values they have.
pub fn interquartile_mean(tasks: &[&[f64]]) -> f64 {
    let mut values: Vec<(f64, f64)> = Vec::new();
    for task in tasks {
        values.extend(task.iter().map(|&value| (value, 1.0 / task.len() as f64)));
    }
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total: f64 = values.iter().map(|value| value.1).sum();
    let (from, to) = (0.25 * total, 0.75 * total);
    let (mut passed, mut sum) = (0.0_f64, 0.0);
    for (value, weight) in values {
        let inside = (passed + weight).min(to) - passed.max(from);
        if inside > 0.0 {
            sum += value * inside;
        }
        passed += weight;
    }
    sum / (to - from)
}

/// Mean over tasks of the mean of their values.
pub fn mean(tasks: &[&[f64]]) -> f64 {
    let of_task = |task: &&[f64]| task.iter().sum::<f64>() / task.len() as f64;
    tasks.iter().map(of_task).sum::<f64>() / tasks.len() as f64
}

/// A figure of the tasks with its interval from resampled tasks; `None` without any value.
///
/// Whole tasks are drawn, each with all its seeds: seeds of one task say little about another.
pub fn estimate(tasks: &[Vec<f64>], figure: fn(&[&[f64]]) -> f64) -> Option<Estimate> {
    let tasks: Vec<&[f64]> = tasks.iter().map(Vec::as_slice).filter(|t| !t.is_empty()).collect();
    if tasks.is_empty() {
        return None;
    }
    let mut rng = stream(BOOTSTRAP_SEED, &[]);
    let mut draw = |_: &&[f64]| tasks[below(&mut rng, tasks.len())];
    let resample = |_| figure(&tasks.iter().map(&mut draw).collect::<Vec<_>>());
    let mut draws: Vec<f64> = (0..DRAWS).map(resample).collect();
    draws.sort_by(f64::total_cmp);
    let quantile = |part: f64| draws[(part * (DRAWS - 1) as f64).round() as usize];
    Some(Estimate { value: figure(&tasks), low: quantile(0.025), high: quantile(0.975) })
}

/// Resamplings of a bootstrap.
const DRAWS: usize = 2000;

/// Their seed.
const BOOTSTRAP_SEED: u64 = 95;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_half_counts() {
        assert_eq!(interquartile_mean(&[&[1.0, 2.0, 3.0, 100.0]]), 2.5);
        assert_eq!(interquartile_mean(&[&[7.0]]), 7.0);
        // Quarters cut through values: 0.5 of the 1, all of the 2, 0.5 of the 3... of six thirds.
        let cut = interquartile_mean(&[&[0.0, 1.0, 2.0, 3.0, 4.0, 1e9]]);
        assert!((cut - (0.5 * 1.0 + 2.0 + 3.0 + 0.5 * 4.0) / 3.0).abs() < 1e-12, "{cut}");
    }

    #[test]
    fn tasks_weigh_the_same() {
        let (many, one): (&[f64], &[f64]) = (&[1.0; 10], &[3.0]);
        assert!((interquartile_mean(&[many, one]) - 2.0).abs() < 1e-12);
        assert_eq!(mean(&[many, one]), 2.0);
        assert_eq!(mean(&[&[1.0, 0.0], &[1.0]]), 0.75);
    }

    #[test]
    fn intervals_hold_the_figure_and_repeat() {
        let tasks: Vec<Vec<f64>> =
            (0..12).map(|i| vec![f64::from(i), f64::from(i) + 0.5]).collect();
        let estimated = estimate(&tasks, interquartile_mean).unwrap();
        assert_eq!(Some(estimated), estimate(&tasks, interquartile_mean));
        assert!(estimated.low < estimated.value && estimated.value < estimated.high);
        assert!(estimated.low > 2.0 && estimated.high < 9.5, "{estimated:?}");
        let sure = estimate(&[vec![4.0], vec![4.0]], mean).unwrap();
        assert_eq!((sure.low, sure.value, sure.high), (4.0, 4.0, 4.0));
        assert_eq!(estimate(&[vec![]], mean), None);
    }
}
