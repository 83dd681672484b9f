//! One run: an optimizer on a task, from a seed's start over some steps.

use std::sync::Arc;

use lopt_core::Optimizer;
use lopt_core::rng::{Rng, stream};
use lopt_problems::{
    BatchLoss, BatchStream, Instance, Objective, Probe, Problem as _, ProblemObjective, Task, train,
};

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
#[derive(Debug, Clone, Default, PartialEq)]
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
        let mut start = Self { seed, instance, params, initial: f64::NAN };
        let initial = start.objective(task).training_loss(&start.params);
        start.initial = initial.unwrap_or(f64::NAN);
        start
    }

    /// The task at this seed, before its first batch.
    fn objective(&self, task: &Task) -> ProblemObjective {
        let random = |purpose| random(task, self.seed, purpose);
        let instance = self.instance.clone();
        let rows = instance.dataset.as_ref().map(|dataset| dataset.len());
        let objective = ProblemObjective::new(Arc::clone(&task.problem), instance, random(NOISE));
        let Some(rows) = rows else { return objective };
        let fixed: Vec<usize> = (0..rows.min(EXACT_ROWS)).collect();
        let batches = |batch, purpose| BatchStream::new(rows, batch, random(purpose));
        let batch = task.batch.filter(|&batch| batch < rows);
        // The loss of one or a few rows says little about the model.
        let few = task.batch.is_some_and(|batch| batch < MEASURED_ROWS.min(rows));
        objective
            .with_training_rows(&fixed, PART)
            .with_batches(batch.map(|batch| batches(batch, BATCHES)))
            .with_loss_batches(few.then(|| batches(MEASURED_ROWS, MEASURED)))
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
    let mut objective = start.objective(task);
    let mut probe = SmoothedCurve {
        horizon: task.steps,
        grid: grid(task.steps, steps),
        most: abandon_above * start.initial,
        apart: objective.has_loss_batches(),
        smoothed: Smoothed::default(),
        least: f64::INFINITY,
        run: Run::default(),
    };
    // Where it diverged is seen by what was not reached.
    let _ = train(&mut objective, optimizer, &mut start.params.clone(), steps, &mut probe);
    probe.run
}

/// Smooths the losses of the batches, and keeps them at the places of the grid.
struct SmoothedCurve {
    horizon: usize,
    grid: Vec<usize>,
    /// Above this the run counts as diverged.
    most: f64,
    /// Whether losses are measured on other rows than gradients.
    apart: bool,
    smoothed: Smoothed,
    least: f64,
    run: Run,
}

impl Probe for SmoothedCurve {
    fn batch_loss(
        &mut self,
        _: usize,
        batch: BatchLoss<'_>,
        objective: &mut dyn Objective,
    ) -> Result<(), String> {
        let loss = match batch.in_place && !self.apart {
            true => batch.loss,
            false => objective.batch_loss(batch.params),
        };
        // A guard may still take back what others cannot.
        if loss.is_finite() || !batch.guarded {
            self.smoothed.push(f64::from(loss));
        }
        let average = self.smoothed.value();
        if !average.is_finite() || average > self.most {
            return Err(format!("the smoothed loss is {average}"));
        }
        self.least = self.least.min(average);
        Ok(())
    }

    fn parameters(
        &mut self,
        step: usize,
        params: &[f32],
        objective: &mut dyn Objective,
    ) -> Result<(), String> {
        let Self { grid, run, .. } = self;
        run.steps = step;
        if grid.get(run.curve.len()) == Some(&step) {
            run.curve.push(self.least);
        }
        if let Some(&multiple) = MULTIPLES.iter().find(|&m| m * self.horizon == step) {
            let exact = objective.training_loss(params).unwrap_or(f64::NAN);
            if !exact.is_finite() {
                return Err(format!("the loss is {exact}"));
            }
            run.marks.push(Mark { multiple, smoothed: self.smoothed.value(), exact });
        }
        Ok(())
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
