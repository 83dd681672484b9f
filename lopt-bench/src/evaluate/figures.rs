//! From comparisons to the figures of a suite.

use serde::{Deserialize, Serialize};

use super::compare::Comparison;
use super::statistics::{Estimate, estimate, interquartile_mean, mean};

/// The figures of one initial rate at one multiple of the horizon; `None` without runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Part of the runs that end below Adam(1e-3).
    pub win_rate_vs_adam_1e3: Option<Estimate>,
    /// Steps that Adam(1e-3) needs for our loss, divided by ours.
    pub speedup_iqm_vs_adam_1e3: Option<Estimate>,
    /// Part that ends below the constant rate that is best on the other families.
    pub win_rate_vs_cross_family_adam: Option<Estimate>,
    /// Part that ends below the constant rate that is best on the task.
    pub win_rate_vs_tuned_adam: Option<Estimate>,
    /// Part that ends below the cosine that is best on the task.
    pub win_rate_vs_tuned_cosine_adam: Option<Estimate>,
    /// Steps that the best Adam needs for our loss, divided by ours.
    pub speedup_iqm_vs_tuned_adam: Option<Estimate>,
    /// Loss of the tuned Adam divided by ours.
    pub final_loss_ratio_iqm_vs_tuned_adam: Option<Estimate>,
    /// Part that diverged or ended above the initial loss.
    pub failure_rate: Option<Estimate>,
}

impl Figures {
    /// The figures of the comparisons that `chosen` picks; one inner list per task.
    pub fn new(tasks: &[Vec<Comparison>], chosen: impl Fn(&Comparison) -> bool) -> Self {
        let values = |value: &dyn Fn(&Comparison) -> Option<f64>| -> Vec<Vec<f64>> {
            let of_task = |task: &Vec<Comparison>| {
                task.iter().filter(|c| chosen(c)).filter_map(value).collect()
            };
            tasks.iter().map(of_task).collect()
        };
        let rate = |yes: fn(&Comparison) -> Option<bool>| {
            estimate(&values(&|c| yes(c).map(|yes| f64::from(u8::from(yes)))), mean)
        };
        let middle = |value: fn(&Comparison) -> f64| {
            estimate(&values(&|c| Some(value(c))), interquartile_mean)
        };
        Self {
            win_rate_vs_adam_1e3: rate(|c| Some(c.won_usual)),
            speedup_iqm_vs_adam_1e3: middle(|c| c.speedup_usual),
            win_rate_vs_cross_family_adam: rate(|c| c.won_cross),
            win_rate_vs_tuned_adam: rate(|c| Some(c.won_tuned)),
            win_rate_vs_tuned_cosine_adam: rate(|c| Some(c.won_cosine)),
            speedup_iqm_vs_tuned_adam: middle(|c| c.speedup_tuned),
            final_loss_ratio_iqm_vs_tuned_adam: middle(|c| c.ratio_tuned),
            failure_rate: rate(|c| Some(c.failed)),
        }
    }
}
