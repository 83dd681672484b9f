//! Score on held-out tasks: what checkpoints are chosen by.
//!
//! Every task is trained once as a user would; the score is the mean over tasks of
//! `ln(loss / initial loss + 0.001)` on the whole data set, averaged over a tenth, three tenths and the
//! whole of the horizon. Lower is better; a run that diverges counts as `ln(1000)`.

use lopt_core::Optimizer;
use lopt_core::flush::FlushToZero;
use lopt_core::rng::stream;
use lopt_problems::{BatchStream, Evaluation, ValidationTask};
use rayon::prelude::*;

/// What divergence counts.
const DIVERGED: f64 = 6.907_755_278_982_137;
/// Added to the ratio: what is solved to a thousandth counts as solved, so that no single task
/// decides the mean.
const FLOOR: f64 = 1e-3;
/// Parts of the horizon at which the loss is measured.
const CHECKPOINTS: [f64; 3] = [0.1, 0.3, 1.0];

/// Result on one task.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskScore {
    /// Name of the task.
    pub task: String,
    /// Losses at the checkpoints, on the whole data set.
    pub losses: [f64; 3],
    /// Mean of `ln(loss / initial loss)` over the checkpoints.
    pub score: f64,
}

/// Trains one task with an optimizer and measures it.
pub fn run_task(task: &ValidationTask, seed: u64, optimizer: &mut dyn Optimizer) -> TaskScore {
    let _flush = FlushToZero::set();
    let mut rng = stream(task.seed, &[seed]);
    let instance = task.problem.instance(&mut rng);
    let mut params = task.problem.init(&instance, &mut rng);
    let rows = instance.dataset.as_ref().map_or(1, |d| d.len());
    let has_data = instance.dataset.is_some();
    let mut batches = BatchStream::new(rows, task.batch, rng);
    let mut evaluation = Evaluation::new(task.problem.clone(), instance);
    let initial = f64::from(evaluation.loss(&params, None));
    let mut losses = [f64::INFINITY; 3];
    let marks = CHECKPOINTS.map(|part| (part * task.steps as f64).round() as usize);
    'run: for n in 1..=task.steps {
        let batch = batches.next_rows();
        let batch = has_data.then_some(batch);
        let (_, grads) = evaluation.value_and_gradient(optimizer.attended(&params), batch);
        if optimizer.step(&mut params, grads).is_err() {
            break 'run;
        }
        if let Some(i) = marks.iter().position(|&m| m == n) {
            losses[i] = f64::from(evaluation.loss(&params, None));
        }
    }
    let part = |&loss: &f64| {
        let ratio = (loss / initial + FLOOR).ln();
        if ratio.is_finite() { ratio.min(DIVERGED) } else { DIVERGED }
    };
    let score = losses.iter().map(part).sum::<f64>() / 3.0;
    TaskScore { task: task.name.clone(), losses, score }
}

/// Runs every task, in parallel, with optimizers made for each; results in the order of the tasks.
pub fn run_suite<O: Optimizer>(
    tasks: &[ValidationTask],
    seed: u64,
    make: impl Fn(&lopt_core::Layout) -> O + Sync,
) -> Vec<TaskScore> {
    let one = |task: &ValidationTask| run_task(task, seed, &mut make(&task.problem.layout()));
    tasks.par_iter().map(one).collect()
}

/// Mean score.
#[must_use]
pub fn mean_score(scores: &[TaskScore]) -> f64 {
    scores.iter().map(|s| s.score).sum::<f64>() / scores.len().max(1) as f64
}
