//! One run: an optimizer on a task, from a seed's start over some steps.

use std::sync::Arc;

use lopt_core::Optimizer;
use lopt_core::flush::FlushToZero;
use lopt_core::rng::{Rng, stream};
use lopt_problems::{BatchStream, Evaluation, Instance, Task, corrupt_gradient};

use super::curve::{MULTIPLES, Smoothed, grid};

/// Where the runs of one task and seed begin, whatever the optimizer.
#[derive(Debug, Clone)]
pub struct Start {
    seed: usize,
    instance: Instance,
    params: Vec<f32>,
    /// Loss on the fixed rows.
    pub initial: f64,
}

/// What a run gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Running minimum of the smoothed loss at the places of the grid that were reached.
    pub curve: Vec<f64>,
    /// The ends of the horizon's multiples that were reached.
    pub marks: Vec<Mark>,
    /// Steps taken.
    pub steps: usize,
}

/// Losses at the end of a multiple of the horizon.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// 1, 5 or 25.
    pub multiple: usize,
    /// Smoothed loss of the batches.
    pub smoothed: f64,
    /// Loss on the fixed rows.
    pub exact: f64,
}

impl Run {
    /// The losses after this multiple of the horizon; `None` if the run diverged before.
    pub fn mark(&self, multiple: usize) -> Option<Mark> {
        self.marks.iter().copied().find(|mark| mark.multiple == multiple)
    }
}

impl Start {
    /// Draws instance and initial parameters.
    pub fn new(task: &Task, seed: usize) -> Self {
        let instance = task.problem.instance(&mut random(task, seed, INSTANCE));
        let params = task.problem.init(&instance, &mut random(task, seed, INITIAL));
        let mut evaluation = Evaluation::new(Arc::clone(&task.problem), instance.clone());
        let initial = exact_loss(&mut evaluation, &params);
        Self { seed, instance, params, initial }
    }
}

/// Trains over `steps` steps.
///
/// * `abandon_above`: ends the run as diverged where the smoothed loss is so many times the
///   initial one.
pub fn run(
    task: &Task,
    start: &Start,
    optimizer: &mut dyn Optimizer,
    steps: usize,
    abandon_above: f64,
) -> Run {
    // Denormals would cost those most that converge fastest.
    let _flush = FlushToZero::set();
    let mut evaluation = Evaluation::new(Arc::clone(&task.problem), start.instance.clone());
    let mut params = start.params.clone();
    let mut grads = vec![0.0_f32; params.len()];
    let mut rows = Rows::new(task, start);
    let mut noise = random(task, start.seed, NOISE);
    let grid = grid(task.steps, steps);
    let mut run = Run { curve: Vec::with_capacity(grid.len()), marks: Vec::new(), steps: 0 };
    let (mut smoothed, mut least) = (Smoothed::default(), f64::INFINITY);
    for step in 1..=steps {
        let batch = rows.next();
        let at = optimizer.attended(&params);
        let in_place = std::ptr::eq(at, params.as_slice());
        let (loss, gradient) = evaluation.value_and_gradient(at, batch.training.as_deref());
        grads.copy_from_slice(gradient);
        // a guard may still take back what others cannot
        let guarded = optimizer.observe(loss);
        let loss = match (&batch.measured, in_place) {
            (None, true) => loss,
            (None, false) => evaluation.loss(&params, batch.training.as_deref()),
            (measured, _) => evaluation.loss(&params, measured.as_deref()),
        };
        let lost = guarded && !loss.is_finite();
        let average = if lost { smoothed.value() } else { smoothed.push(f64::from(loss)) };
        if !average.is_finite() || average > abandon_above * start.initial {
            return run;
        }
        least = least.min(average);
        corrupt_gradient(&*task.problem, &mut grads, &mut noise);
        if optimizer.step(&mut params, &grads).is_err() {
            return run;
        }
        run.steps = step;
        if grid.get(run.curve.len()) == Some(&step) {
            run.curve.push(least);
        }
        if let Some(&multiple) = MULTIPLES.iter().find(|&m| m * task.steps == step) {
            let exact = exact_loss(&mut evaluation, &params);
            if !exact.is_finite() {
                return run;
            }
            run.marks.push(Mark { multiple, smoothed: average, exact });
        }
    }
    run
}

/// The loss on the first rows of the data set, the same for all optimizers.
fn exact_loss(evaluation: &mut Evaluation, params: &[f32]) -> f64 {
    let Some(count) = evaluation.instance().dataset.as_ref().map(|set| set.len()) else {
        return f64::from(evaluation.loss(params, None));
    };
    let rows: Vec<usize> = (0..count.min(EXACT_ROWS)).collect();
    let parts = rows.chunks(PART);
    let sum: f64 =
        parts.map(|part| part.len() as f64 * f64::from(evaluation.loss(params, Some(part)))).sum();
    sum / rows.len() as f64
}

/// The rows of a step; `None` for all of them.
struct Batch {
    training: Option<Vec<usize>>,
    /// Where the loss is measured, if not on the rows of the step.
    measured: Option<Vec<usize>>,
}

/// Draws the rows of every step.
struct Rows {
    training: Option<BatchStream>,
    measured: Option<BatchStream>,
}

impl Rows {
    fn new(task: &Task, start: &Start) -> Self {
        let count = start.instance.dataset.as_ref().map(|dataset| dataset.len());
        let (Some(count), Some(batch)) = (count, task.batch) else {
            return Self { training: None, measured: None };
        };
        let draw =
            |batch, purpose| BatchStream::new(count, batch, random(task, start.seed, purpose));
        Self {
            training: (batch < count).then(|| draw(batch, BATCHES)),
            // The loss of one or a few rows says little about the model.
            measured: (batch < MEASURED_ROWS.min(count)).then(|| draw(MEASURED_ROWS, MEASURED)),
        }
    }

    fn next(&mut self) -> Batch {
        let next =
            |rows: &mut Option<BatchStream>| rows.as_mut().map(|rows| rows.next_rows().to_vec());
        Batch { training: next(&mut self.training), measured: next(&mut self.measured) }
    }
}

/// The stream of a purpose at a seed of a task.
fn random(task: &Task, seed: usize, purpose: u64) -> Rng {
    let mut path: Vec<u64> = task.name.bytes().map(u64::from).collect();
    path.extend([seed as u64, purpose]);
    stream(SUITES, &path)
}

/// Seed of everything random about the suites.
const SUITES: u64 = 20_261_123;

// Purposes of random streams.
const INSTANCE: u64 = 0;
const INITIAL: u64 = 1;
const BATCHES: u64 = 2;
const NOISE: u64 = 3;
const MEASURED: u64 = 4;

/// Rows on which the loss of a step is measured where batches are smaller.
const MEASURED_ROWS: usize = 32;

/// Most rows on which initial and final losses are measured exactly.
const EXACT_ROWS: usize = 512;

/// Rows at a time.
const PART: usize = 128;
