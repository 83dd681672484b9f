//! What a run on a practice job is worth.

use lopt_baselines::AdamW;
use lopt_core::Optimizer;
use lopt_problems::{BatchLoss, Objective, PracticeTask, Probe, train};

/// Rows by whose losses a run is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Rows that are not trained on.
    Validation,
    /// Those of the batches, in the twentieth of the steps before.
    Training,
}

/// A practice job, with what a tuned baseline reaches on it.
#[derive(Clone, Debug)]
pub struct Practice {
    /// The job.
    pub task: PracticeTask,
    rows: Rows,
    /// Validation loss of the best answer that does not look at the input.
    guessing: f64,
    /// Final loss of [`tuned_adamw`].
    tuned: f64,
}

impl Practice {
    /// A job to be scored.
    ///
    /// * `rows`: which losses count.
    /// * `tuned`: what [`tuned_adamw`] reaches on it.
    #[must_use]
    pub fn new(task: PracticeTask, rows: Rows, tuned: f64) -> Self {
        let guessing = task.job.guessing();
        Self { task, rows, guessing, tuned }
    }

    /// Whether there is something to learn: tuned AdamW is well below guessing.
    #[must_use]
    pub fn teaches(&self) -> bool {
        self.guessing - self.tuned > 0.03 * self.guessing.abs().min(1.0)
    }

    /// Losses after a third, two thirds and all of the steps, as distances to those of tuned
    /// AdamW on a logarithmic scale: 0 is as good, less is better.
    #[must_use]
    pub fn score(&self, losses: [f64; 3]) -> f64 {
        let one = |loss| self.score_and_slope(loss)[0];
        WEIGHTS.iter().zip(losses).map(|(weight, loss)| weight * one(loss)).sum()
    }

    /// With a loss that can go to zero a power of the ratio; else the part of the way from guessing to
    /// tuned AdamW that is left, of which [`SLACK`] counts as nothing. Beside it its derivative.
    pub(super) fn score_and_slope(&self, loss: f64) -> [f64; 2] {
        let Self { task, guessing, tuned, .. } = self;
        if !loss.is_finite() {
            return [LOST, 0.0];
        }
        let ([score, slope], least) = if task.to_zero {
            let least = 1e-8 * guessing;
            ([0.35 * ((loss + least) / (tuned + least)).ln(), 0.35 / (loss + least)], -4.0)
        } else {
            let way = (guessing - tuned).max(1e-9);
            let left = (loss - tuned) / way;
            let counted = left.max(-0.9 * SLACK);
            let slope = if counted == left { ((counted + SLACK) * way).recip() } else { 0.0 };
            ([((counted + SLACK) / SLACK).ln(), slope], -2.5)
        };
        let within = (least..LOST).contains(&score);
        [score.clamp(least, LOST), if within { slope } else { 0.0 }]
    }

    /// Trains a fresh optimizer; the losses that [`score`](Self::score) takes, infinite from where the
    /// run was lost.
    pub fn run(&self, seed: u64, optimizer: &mut dyn Optimizer) -> [f64; 3] {
        losses(&self.task, self.rows, seed, optimizer)
    }
}

fn losses(task: &PracticeTask, rows: Rows, seed: u64, optimizer: &mut dyn Optimizer) -> [f64; 3] {
    let mut start = task.job.start(seed);
    let steps = task.steps;
    let at = [steps / 3, 2 * steps / 3, steps];
    let mut seen = Seen { at, rows, of_batches: [0.0; 3], losses: [f64::INFINITY; 3] };
    // how a run that is lost ended shows in its losses
    train(&mut *start.objective, optimizer, &mut start.params, steps, &mut seen);
    let [first, second, third] = seen.losses;
    match task.keeps_best {
        true => [first, first.min(second), first.min(second).min(third)],
        false => seen.losses,
    }
}

struct Seen {
    at: [usize; 3],
    rows: Rows,
    /// Means over the batches before each of these steps.
    of_batches: [f64; 3],
    losses: [f64; 3],
}

impl Probe for Seen {
    fn parameters(
        &mut self,
        step: usize,
        params: &[f32],
        objective: &mut dyn Objective,
    ) -> Result<(), String> {
        for (i, _) in self.at.into_iter().enumerate().filter(|&(_, at)| at == step) {
            let loss = match self.rows {
                Rows::Training => self.of_batches[i],
                Rows::Validation => objective.validate(params).map_or(f64::NAN, |it| it.loss),
            };
            if !loss.is_finite() {
                return Err(format!("the loss is {loss}"));
            }
            self.losses[i] = loss;
        }
        Ok(())
    }

    fn batch_loss(
        &mut self,
        step: usize,
        batch: BatchLoss<'_>,
        _: &mut dyn Objective,
    ) -> Result<(), String> {
        let loss = f64::from(batch.loss);
        for (mean, at) in self.of_batches.iter_mut().zip(self.at) {
            let count = at.div_ceil(20);
            if step <= at && step + count > at {
                *mean += loss / count as f64;
            }
        }
        if loss.is_finite() { Ok(()) } else { Err(format!("the loss of the batch is {loss}")) }
    }
}

/// Final loss of Adam with 5 % warm-up and a cosine, at the best of four rates.
#[must_use]
pub fn tuned_adamw(task: &PracticeTask, rows: Rows) -> f64 {
    let of_rate = |rate: f64| {
        let adam = AdamW::new(&task.job.layout(), rate, 0.0);
        let mut optimizer = Cosine { adam, taken: 0, steps: task.steps, before: Vec::new() };
        losses(task, rows, 0, &mut optimizer)[2]
    };
    RATES.into_iter().map(of_rate).fold(f64::INFINITY, f64::min)
}

/// Adam, each of whose steps is shortened to the part that the schedule leaves.
struct Cosine {
    adam: AdamW,
    taken: usize,
    steps: usize,
    before: Vec<f32>,
}

impl Optimizer for Cosine {
    fn name(&self) -> &str {
        "adamw-cosine"
    }

    fn step(&mut self, params: &mut [f32], grads: &[f32]) -> Result<(), lopt_core::StepError> {
        let (taken, steps) = (self.taken as f64, self.steps as f64);
        let warmup = (0.05 * steps).max(1.0);
        let part = if taken < warmup {
            (taken + 1.0) / warmup
        } else {
            let done = (taken - warmup) / (steps - warmup);
            0.5 * (1.0 + (std::f64::consts::PI * done).cos())
        };
        self.taken += 1;
        self.before.clear();
        self.before.extend_from_slice(params);
        self.adam.step(params, grads)?;
        for (x, before) in params.iter_mut().zip(&self.before) {
            *x = before + part as f32 * (*x - before);
        }
        Ok(())
    }

    fn memory_bytes(&self) -> usize {
        self.adam.memory_bytes()
    }

    fn reset(&mut self) {
        self.adam.reset();
        self.taken = 0;
    }
}

/// Of the losses on the way and at the end.
const WEIGHTS: [f64; 3] = [0.2, 0.3, 0.5];

/// Part of the way from guessing to tuned AdamW that counts as nothing.
const SLACK: f64 = 0.1;

/// What a run that is lost counts, and the most that any does.
const LOST: f64 = 3.5;

/// Rates of tuned AdamW.
const RATES: [f64; 4] = [1e-3, 3e-3, 1e-2, 3e-2];
