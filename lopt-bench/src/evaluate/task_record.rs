//! One task of an evaluation as data.

use lopt_core::rng::stream;
use lopt_problems::Task;
use serde::{Deserialize, Serialize};

use super::baselines::{TaskBaselines, UNTUNED_RATE, rates};
use super::compare::{Comparison, Opponents, still_falling};
use super::figures::Figures;
use super::learned_runs::LearnedRun;
use super::statistics::mean;
use crate::baseline::RateSchedule::{Constant, Cosine};
use crate::tuning;

/// One task at one horizon. Losses are geometric means over seeds, `None` if one diverged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// Name.
    pub task: String,
    /// Architecture and data.
    pub family: String,
    /// Number of parameters.
    pub parameters: usize,
    /// Rows per batch; `None` if the gradient is exact.
    pub batch: Option<usize>,
    /// Steps of the horizon.
    pub steps: usize,
    /// Seeds that were run.
    pub seeds: usize,
    /// Ours from the weights' own rate.
    pub loss: Option<f64>,
    /// Adam(1e-3).
    pub adam_1e3_loss: Option<f64>,
    /// The best constant rate elsewhere.
    pub cross_family_rate: Option<f64>,
    /// Its loss.
    pub cross_family_loss: Option<f64>,
    /// The best constant rate here.
    pub tuned_rate: f64,
    /// Its loss.
    pub tuned_loss: Option<f64>,
    /// The best cosine here, by its first rate.
    pub tuned_cosine_rate: f64,
    /// Its loss.
    pub tuned_cosine_loss: Option<f64>,
    /// Mean over seeds of the speed-up over Adam(1e-3).
    pub speedup_vs_adam_1e3: f64,
    /// Mean over seeds of the speed-up over the best Adam.
    pub speedup_vs_tuned_adam: f64,
    /// Failed runs of all initial rates and multiples.
    pub failures: usize,
    /// Runs of all initial rates, multiples counted one by one.
    pub runs: usize,
    /// Our loss from every other initial rate, in the order asked for.
    pub losses_by_rate: Vec<Option<f64>>,
    /// Part of the long runs whose loss still falls at 25 horizons.
    pub still_falling_at_25x: Option<f64>,
}

/// Puts together what the runs of a task say.
///
/// * `all`: the comparisons of the runs `learned`; `cross`: the rate that is best elsewhere;
///   `asked`: the initial rates that were asked for.
pub fn task_record(
    task: &Task,
    baselines: &TaskBaselines,
    (learned, all): (&[LearnedRun], &[Comparison]),
    cross: Option<usize>,
    asked: &[f64],
) -> TaskRecord {
    let of = |rate: Option<f64>| all.iter().filter(move |c| c.multiple == 1 && c.rate == rate);
    let ours = |rate| geometric_mean(of(rate).map(|c| c.ours));
    let opponents = Opponents::new(baselines, 1, usize::MAX, cross);
    let seeds = of(None).count();
    let theirs = |schedule, rate: usize| {
        geometric_mean(baselines.seeds[..seeds].iter().map(|seed| seed.finals(1, schedule)[rate]))
    };
    let average = |value: fn(&Figures<f64>) -> Option<f64>| {
        of(None).filter_map(|c| value(&c.figures)).sum::<f64>() / seeds.max(1) as f64
    };
    let falling = still_falling(learned);
    TaskRecord {
        task: task.name.to_owned(),
        family: task.family.to_string(),
        parameters: task.problem.layout().len(),
        batch: batch(task),
        steps: task.steps,
        seeds,
        loss: ours(None),
        adam_1e3_loss: theirs(Constant, UNTUNED_RATE),
        cross_family_rate: cross.map(|rate| rates()[rate]),
        cross_family_loss: cross.and_then(|rate| theirs(Constant, rate)),
        tuned_rate: rates()[opponents.constant],
        tuned_loss: theirs(Constant, opponents.constant),
        tuned_cosine_rate: rates()[opponents.cosine],
        tuned_cosine_loss: theirs(Cosine, opponents.cosine),
        speedup_vs_adam_1e3: average(|f| f.speedup_iqm_vs_adam_1e3),
        speedup_vs_tuned_adam: average(|f| f.speedup_iqm_vs_tuned_adam),
        failures: all.iter().filter(|c| c.figures.failure_rate == Some(1.0)).count(),
        runs: all.len(),
        losses_by_rate: asked.iter().map(|&rate| ours(Some(rate))).collect(),
        still_falling_at_25x: (!falling.is_empty()).then(|| mean(&[&falling])),
    }
}

/// `None` if one of them is.
fn geometric_mean(losses: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    tuning::mean(losses.map(|loss| loss.map(f64::ln))).map(f64::exp)
}

/// Rows per batch, where it is not the whole data set.
fn batch(task: &Task) -> Option<usize> {
    let instance = task.problem.instance(&mut stream(0, &[]));
    let rows = instance.dataset.as_ref().map(|dataset| dataset.len())?;
    task.batch.filter(|&batch| batch < rows)
}
