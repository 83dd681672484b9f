//! One run: one setting on one seed, from the start to the last step.

use std::time::{Duration, Instant};

use lopt_core::Optimizer;
use lopt_core::flush::FlushToZero;
use lopt_problems::{Evaluation, corrupt_gradient};

use crate::workload::{Start, Workload};

/// What a run gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Training loss at the checkpoints, as many as were reached.
    pub losses: Vec<f64>,
    /// Part of the test set that is classified rightly, if there is one and the run finished.
    pub test_accuracy: Option<f64>,
    /// Wall time of gradients and steps.
    pub seconds: f64,
    /// Wall time of the steps alone.
    pub optimizer_seconds: f64,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a run ended. Divergence is a result, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All steps were taken and all losses are finite.
    Finished,
    /// A loss or a gradient was not finite.
    Diverged {
        /// Number of the step, the first being 1.
        step: usize,
        /// What was not finite.
        reason: String,
    },
}

impl Run {
    /// Training loss after the last step; `None` if the run diverged.
    pub fn final_loss(&self) -> Option<f64> {
        match self.outcome {
            Outcome::Finished => self.losses.last().copied(),
            Outcome::Diverged { .. } => None,
        }
    }
}

/// Trains from `start` with `optimizer`, whose state must be fresh.
///
/// The clock runs during gradients and steps only, not while losses are measured. `advance` is
/// told about every step or few, as a number of steps that adds up to all of them.
pub fn run(
    workload: &Workload,
    start: &Start,
    optimizer: &mut dyn Optimizer,
    advance: &dyn Fn(usize),
) -> Run {
    // Denormals would cost the contenders that converge fastest the most time.
    let _flush = FlushToZero::set();
    let mut trial = Trial {
        workload,
        evaluation: start.evaluation(workload),
        params: start.params.clone(),
        run: Run {
            losses: Vec::with_capacity(workload.checkpoints.len()),
            test_accuracy: None,
            seconds: 0.0,
            optimizer_seconds: 0.0,
            outcome: Outcome::Finished,
        },
    };
    let mut taken = 0;
    if let Err((step, reason)) = trial.train(start, optimizer, |steps| {
        taken += steps;
        advance(steps);
    }) {
        trial.run.outcome = Outcome::Diverged { step, reason };
    } else if let Some(test) = &workload.test {
        trial.run.test_accuracy = workload.problem.accuracy(&trial.params, test);
    }
    advance(workload.steps - taken);
    trial.run
}

/// A run under way.
struct Trial<'w> {
    workload: &'w Workload,
    evaluation: Evaluation,
    /// `[P]`.
    params: Vec<f32>,
    run: Run,
}

impl Trial<'_> {
    /// All steps; the error is the step that diverged and why.
    fn train(
        &mut self,
        start: &Start,
        optimizer: &mut dyn Optimizer,
        mut advance: impl FnMut(usize),
    ) -> Result<(), (usize, String)> {
        let workload = self.workload;
        let mut batches = start.batches(workload);
        let mut noise = start.noise();
        let mut grads = vec![0.0_f32; self.params.len()];
        let (mut in_all, mut in_optimizer) = (Duration::ZERO, Duration::ZERO);
        let mut checkpoints = workload.checkpoints.iter().copied().peekable();
        for step in 0..=workload.steps {
            if checkpoints.next_if_eq(&step).is_some() {
                self.checkpoint().map_err(|reason| (step, reason))?;
            }
            if step == workload.steps {
                break;
            }
            let rows = batches.as_mut().map(|batches| batches.next_rows().to_vec());
            let began = Instant::now();
            let at = optimizer.attended(&self.params);
            let (loss, gradient) = self.evaluation.value_and_gradient(at, rows.as_deref());
            grads.copy_from_slice(gradient);
            let differentiated = Instant::now();
            if !optimizer.observe(loss) && !loss.is_finite() {
                return Err((step + 1, format!("the loss of the batch is {loss}")));
            }
            corrupt_gradient(&*workload.problem, &mut grads, &mut noise);
            let corrupted = Instant::now();
            let stepped = optimizer.step(&mut self.params, &grads);
            let ended = Instant::now();
            in_optimizer += ended - corrupted;
            in_all += (differentiated - began) + (ended - corrupted);
            self.run.seconds = in_all.as_secs_f64();
            self.run.optimizer_seconds = in_optimizer.as_secs_f64();
            stepped.map_err(|error| (step + 1, error.to_string()))?;
            if (step + 1) % ADVANCE == 0 {
                advance(ADVANCE);
            }
        }
        Ok(())
    }

    /// Measures the training loss; the error says that it is not finite.
    fn checkpoint(&mut self) -> Result<(), String> {
        let loss = self.workload.training_loss(&mut self.evaluation, &self.params);
        if !loss.is_finite() {
            return Err(format!("the training loss is {loss}"));
        }
        self.run.losses.push(loss);
        Ok(())
    }
}

/// Steps between two reports of progress.
const ADVANCE: usize = 16;
