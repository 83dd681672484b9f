//! The figures: of one run, and of a suite.

use serde::{Deserialize, Serialize};

use super::compare::Comparison;
use super::statistics::{Estimate, estimate, interquartile_mean, mean};

/// One value per figure, `None` where it was not run: of a single run, where yes is 1 and no is 0, or
/// of the runs from one initial rate at one multiple of the horizon.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figures<T = Estimate> {
    /// Part of the runs that end below Adam(1e-3).
    pub win_rate_vs_adam_1e3: Option<T>,
    /// Steps that Adam(1e-3) needs for our loss, divided by ours.
    pub speedup_iqm_vs_adam_1e3: Option<T>,
    /// Part that ends below the constant rate that is best on the other families.
    pub win_rate_vs_cross_family_adam: Option<T>,
    /// Part that ends below the constant rate that is best on the task.
    pub win_rate_vs_tuned_adam: Option<T>,
    /// Part that ends below the cosine that is best on the task.
    pub win_rate_vs_tuned_cosine_adam: Option<T>,
    /// Steps that the best Adam needs for our loss, divided by ours.
    pub speedup_iqm_vs_tuned_adam: Option<T>,
    /// Loss of the tuned Adam divided by ours.
    pub final_loss_ratio_iqm_vs_tuned_adam: Option<T>,
    /// Part that diverged or ended above the initial loss.
    pub failure_rate: Option<T>,
}

impl<T> Figures<T> {
    /// The figures of the comparisons that `chosen` picks; one inner list per task.
    ///
    /// * `keep`: what is kept of a figure with its interval.
    pub fn new(
        tasks: &[Vec<Comparison>],
        keep: fn(Estimate) -> T,
        chosen: impl Fn(&Comparison) -> bool,
    ) -> Self {
        let of = |value: fn(&Figures<f64>) -> Option<f64>, figure: fn(&[&[f64]]) -> f64| {
            let of_task = |task: &Vec<Comparison>| {
                task.iter().filter(|c| chosen(c)).filter_map(|c| value(&c.figures)).collect()
            };
            estimate(&tasks.iter().map(of_task).collect::<Vec<Vec<f64>>>(), figure).map(keep)
        };
        let rate = |value| of(value, mean);
        let middle = |value| of(value, interquartile_mean);
        Self {
            win_rate_vs_adam_1e3: rate(|f| f.win_rate_vs_adam_1e3),
            speedup_iqm_vs_adam_1e3: middle(|f| f.speedup_iqm_vs_adam_1e3),
            win_rate_vs_cross_family_adam: rate(|f| f.win_rate_vs_cross_family_adam),
            win_rate_vs_tuned_adam: rate(|f| f.win_rate_vs_tuned_adam),
            win_rate_vs_tuned_cosine_adam: rate(|f| f.win_rate_vs_tuned_cosine_adam),
            speedup_iqm_vs_tuned_adam: middle(|f| f.speedup_iqm_vs_tuned_adam),
            final_loss_ratio_iqm_vs_tuned_adam: middle(|f| f.final_loss_ratio_iqm_vs_tuned_adam),
            failure_rate: rate(|f| f.failure_rate),
        }
    }
}
