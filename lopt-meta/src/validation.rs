//! Score on held-out tasks: what checkpoints are chosen by.
//!
//! Every task of the [quick suite](quick_validation_suite) is trained once as a user would, over a
//! horizon of its own here; the score is the mean over tasks of `ln(loss / initial loss + 0.001)` on
//! the whole data set, averaged over a tenth, three tenths and the whole of the horizon. Lower is
//! better; a run that diverges counts as `ln(1000)`.

use lopt_core::rng::stream;
use lopt_core::{Layout, Optimizer};
use lopt_problems::{
    BatchStream, Objective, Probe, Problem as _, ProblemObjective, Task, quick_validation_suite,
    train,
};
use rayon::prelude::*;

/// Steps of each task.
const STEPS: [usize; 5] = [2000, 3000, 3000, 1000, 1500];
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

/// Trains the task at this place of the suite with an optimizer and measures it.
fn run_task(place: usize, task: &Task, seed: u64, optimizer: &mut dyn Optimizer) -> TaskScore {
    let mut rng = stream(place as u64 + 1, &[seed]);
    let instance = task.problem.instance(&mut rng);
    let mut params = task.problem.init(&instance, &mut rng);
    let noise = stream(place as u64 + 1, &[seed, NOISE]);
    let rows = instance.dataset.as_ref().map(|dataset| dataset.len());
    let batches = rows.zip(task.batch).map(|(rows, batch)| BatchStream::new(rows, batch, rng));
    let mut objective =
        ProblemObjective::new(task.problem.clone(), instance, noise).with_batches(batches);
    let initial = objective.training_loss(&params).unwrap_or(f64::NAN);
    let mut marks = Marks {
        steps: CHECKPOINTS.map(|part| (part * STEPS[place] as f64).round() as usize),
        losses: [f64::INFINITY; 3],
    };
    // A run that diverged has no losses from there on.
    let _ = train(&mut objective, optimizer, &mut params, STEPS[place], &mut marks);
    let part = |&loss: &f64| {
        let ratio = (loss / initial + FLOOR).ln();
        if ratio.is_finite() { ratio.min(DIVERGED) } else { DIVERGED }
    };
    let score = marks.losses.iter().map(part).sum::<f64>() / 3.0;
    TaskScore { task: task.name.to_owned(), losses: marks.losses, score }
}

/// Measures the loss on the whole data set after these steps.
struct Marks {
    steps: [usize; 3],
    losses: [f64; 3],
}

impl Probe for Marks {
    fn parameters(
        &mut self,
        step: usize,
        params: &[f32],
        objective: &mut dyn Objective,
    ) -> Result<(), String> {
        if let Some(mark) = self.steps.iter().position(|&mark| mark == step) {
            self.losses[mark] = objective.training_loss(params).unwrap_or(f64::NAN);
        }
        Ok(())
    }
}

/// The stream of the noise below that of the rest.
const NOISE: u64 = 1;

/// Runs every task, in parallel, with optimizers made for each; results in the order of the tasks.
pub fn run_suite<O: Optimizer>(seed: u64, make: impl Fn(&Layout) -> O + Sync) -> Vec<TaskScore> {
    let tasks: Vec<(usize, Task)> = quick_validation_suite().into_iter().enumerate().collect();
    let one = |(place, task): &(usize, Task)| {
        run_task(*place, task, seed, &mut make(&task.problem.layout()))
    };
    tasks.par_iter().map(one).collect()
}

/// Mean score.
#[must_use]
pub fn mean_score(scores: &[TaskScore]) -> f64 {
    scores.iter().map(|s| s.score).sum::<f64>() / scores.len().max(1) as f64
}
