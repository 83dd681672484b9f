//! An evaluation as data: what `--json` writes.

use lopt_problems::{SuiteTasks, Task};
use serde::{Deserialize, Serialize};

use super::baselines::{TaskBaselines, seeds_at};
use super::compare::{Comparison, Opponents, compare, still_falling};
use super::curve::MULTIPLES;
use super::figures::Figures;
use super::learned_runs::LearnedRun;
use super::statistics::{Estimate, estimate, mean};
use super::task_record::{TaskRecord, task_record};
use crate::baseline::RateSchedule;
use crate::tuning::best_elsewhere;

/// The whole result. The main figures stand at the top, as plain numbers: from the weights' own
/// initial rate at one horizon, but for `failure_rate`, which counts all initial rates and
/// multiples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationRecord {
    /// Name or file of the weights.
    pub weights: String,
    /// Name of the suite.
    pub suite: String,
    /// Number of the first seed.
    #[serde(default)]
    pub first_seed: usize,
    /// Tasks left out because their data were not found.
    pub skipped: Vec<Skipped>,
    /// The main figures.
    #[serde(flatten)]
    pub main: Figures<f64>,
    /// Part of the tasks run to 25 horizons whose loss fell after the fifth.
    pub still_falling_at_25x: Option<f64>,
    /// The same with its interval.
    pub still_falling_interval: Option<Estimate>,
    /// Figures with intervals by multiple of the horizon, from the weights' own rate.
    pub by_horizon: Vec<HorizonFigures>,
    /// Figures with intervals by initial rate, at one horizon; the weights' own first.
    pub by_rate: Vec<RateFigures>,
    /// Task by task.
    pub tasks: Vec<TaskRecord>,
}

/// A task that was left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its name.
    pub task: String,
    /// The data it needs.
    pub needs: String,
}

/// Figures at a multiple of the horizon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HorizonFigures {
    /// 1, 5 or 25.
    pub multiple: usize,
    /// The figures.
    pub figures: Figures,
}

/// Figures from an initial rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RateFigures {
    /// `None` for that of the weights.
    pub initial_rate: Option<f64>,
    /// The figures.
    pub figures: Figures,
}

/// Puts together what all runs say.
///
/// * `learned`, `baselines`: one entry per task; `rates`: the initial rates that were asked for.
pub fn record(
    names: (&str, &str),
    suite: &SuiteTasks,
    first_seed: usize,
    baselines: &[TaskBaselines],
    learned: &[Vec<LearnedRun>],
    rates: &[f64],
) -> EvaluationRecord {
    let families: Vec<_> = suite.tasks.iter().map(|task| task.family).collect();
    let scores: Vec<Vec<f64>> =
        baselines.iter().map(|task| task.scores(1, RateSchedule::Constant, usize::MAX)).collect();
    let cross = best_elsewhere(&families, &scores);
    let of_task = |index: usize| {
        comparisons(&suite.tasks[index], &baselines[index], &learned[index], cross[index])
    };
    let all: Vec<Vec<Comparison>> = (0..suite.tasks.len()).map(of_task).collect();
    let falling: Vec<Vec<f64>> = learned.iter().map(|runs| still_falling(runs)).collect();
    let falling = estimate(&falling, mean);
    let at = |multiple| Figures::new(&all, |e| e, |c| c.rate.is_none() && c.multiple == multiple);
    let from = |rate| Figures::new(&all, |e| e, |c| c.rate == rate && c.multiple == 1);
    let own = Figures::new(&all, |e| e.value, |c| c.rate.is_none() && c.multiple == 1);
    let everything = Figures::new(&all, |e| e.value, |_| true);
    let task = |index: usize| {
        let (task, runs) = (&suite.tasks[index], (&learned[index][..], &all[index][..]));
        task_record(task, &baselines[index], runs, cross[index], rates)
    };
    EvaluationRecord {
        weights: names.0.to_owned(),
        suite: names.1.to_owned(),
        first_seed,
        skipped: suite
            .skipped
            .iter()
            .map(|task| Skipped { task: task.name.to_owned(), needs: task.needs.to_owned() })
            .collect(),
        main: Figures { failure_rate: everything.failure_rate, ..own },
        still_falling_at_25x: falling.map(|falling| falling.value),
        still_falling_interval: falling,
        by_horizon: MULTIPLES
            .map(|multiple| HorizonFigures { multiple, figures: at(multiple) })
            .to_vec(),
        by_rate: std::iter::once(None)
            .chain(rates.iter().copied().map(Some))
            .map(|rate| RateFigures { initial_rate: rate, figures: from(rate) })
            .collect(),
        tasks: (0..suite.tasks.len()).map(task).collect(),
    }
}

/// All runs of a task at all the multiples that they were to reach.
fn comparisons(
    task: &Task,
    baselines: &TaskBaselines,
    learned: &[LearnedRun],
    cross: Option<usize>,
) -> Vec<Comparison> {
    let mut all = Vec::new();
    for multiple in MULTIPLES {
        let opponents = Opponents::new(baselines, multiple, seeds_at(multiple), cross);
        for run in learned.iter().filter(|run| run.multiples.contains(&multiple)) {
            all.push(compare(task, run, &baselines.seeds[run.seed], &opponents));
        }
    }
    all
}
