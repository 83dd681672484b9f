//! A training run seen from outside: what is trained, apart from who trains it and what is measured.

use lopt_core::Optimizer;
use lopt_core::flush::FlushToZero;

use crate::curvature::Curvature;

/// One seed of something to train: a model with its data, the order of its batches and all else that
/// is random about it, in a fixed order of draws.
///
/// ```text
/// loop { next_batch(); loss_and_gradient(attended point); optimizer step }
/// ```
pub trait Objective: Send {
    /// Draws what the next step depends on: rows, dropout masks, noise, episodes.
    fn next_batch(&mut self);

    /// Loss of the batch at `at`, `[P]`, and its gradient, `[P]`.
    ///
    /// May change what a framework's module in training mode would change, such as the running
    /// statistics of batch normalisation.
    fn loss_and_gradient(&mut self, at: &[f32], gradient: &mut [f32]) -> f32;

    /// Replaces the true gradient by what the optimizer gets to see; most objectives change nothing.
    fn corrupt(&mut self, gradient: &mut [f32]) {
        let _ = gradient;
    }

    /// Loss of the batch at `params`, `[P]`, where no gradient is wanted; changes nothing.
    fn batch_loss(&mut self, params: &[f32]) -> f32;

    /// The loss of the batch as a function that can be differentiated twice; `None` where it cannot.
    fn curvature(&self) -> Option<Curvature> {
        None
    }

    /// Loss on training rows that are the same at every call and for every optimizer; `None` where
    /// there are none.
    fn training_loss(&mut self, params: &[f32]) -> Option<f64> {
        let _ = params;
        None
    }

    /// Loss, and where there are classes the accuracy, on the validation rows, as a user would see
    /// them: without dropout, with running statistics. `None` where there is nothing to validate on.
    fn validate(&mut self, params: &[f32]) -> Option<Validation> {
        let _ = params;
        None
    }

    /// The loss that [`validate`](Self::validate) gives, and its gradient, `[P]`, with running statistics as they
    /// stand; `None` where there is none.
    fn validation_gradient(&mut self, params: &[f32], gradient: &mut [f32]) -> Option<f64> {
        let _ = (params, gradient);
        None
    }
}

/// What a model is worth on rows that it was not trained on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Validation {
    /// Mean loss.
    pub loss: f64,
    /// Part of the rows that are classified rightly, for classifiers.
    pub accuracy: Option<f64>,
}

/// What a run spends its time on; see [`Probe::enter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Measuring: not part of training.
    Measure,
    /// Drawing the batch, computing loss and gradient.
    Gradient,
    /// The optimizer's step.
    Step,
}

/// The loss of a batch, as a [`Probe`] gets to see it before the step.
#[derive(Debug, Clone, Copy)]
pub struct BatchLoss<'a> {
    /// The loss at the attended point.
    pub loss: f32,
    /// The parameters, `[P]`; another point than the attended one if the optimizer looks ahead.
    pub params: &'a [f32],
    /// Whether the attended point is the parameters themselves.
    pub in_place: bool,
    /// Whether the optimizer deals with a loss that is not finite by itself.
    pub guarded: bool,
}

/// What is measured during a run. By default nothing is, and a run ends at a loss that is not finite.
pub trait Probe {
    /// The run turns to another phase: where clocks are read, as this crate reads none.
    fn enter(&mut self, phase: Phase) {
        let _ = phase;
    }

    /// The parameters, `[P]`, after `step` steps: at 0, and after every step.
    ///
    /// # Errors
    ///
    /// A reason to end the run as diverged.
    fn parameters(
        &mut self,
        step: usize,
        params: &[f32],
        objective: &mut dyn Objective,
    ) -> Result<(), String> {
        let _ = (step, params, objective);
        Ok(())
    }

    /// The loss of the batch of step `step`, the first being 1, before that step is taken.
    ///
    /// # Errors
    ///
    /// A reason to end the run as diverged.
    fn batch_loss(
        &mut self,
        step: usize,
        batch: BatchLoss<'_>,
        objective: &mut dyn Objective,
    ) -> Result<(), String> {
        let _ = (step, objective);
        if batch.loss.is_finite() || batch.guarded {
            return Ok(());
        }
        Err(format!("the loss of the batch is {}", batch.loss))
    }
}

/// How a run ended. Divergence is a result, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All steps were taken.
    Finished,
    /// A probe ended the run, or the optimizer refused a step.
    Diverged {
        /// Number of the step, the first being 1; 0 before the first.
        step: usize,
        /// What was wrong.
        reason: String,
    },
}

/// Trains `params`, `[P]`, over `steps` steps: the one training loop of all measurements.
///
/// The optimizer's state must be fresh, the objective before its first batch.
pub fn train(
    objective: &mut dyn Objective,
    optimizer: &mut dyn Optimizer,
    params: &mut [f32],
    steps: usize,
    probe: &mut dyn Probe,
) -> Outcome {
    // Denormals would cost those the most time that converge fastest.
    let _flush = FlushToZero::set();
    let mut grads = vec![0.0_f32; params.len()];
    let diverged = |step| move |reason| Outcome::Diverged { step, reason };
    let mut run = || -> Result<(), Outcome> {
        for step in 0..=steps {
            probe.enter(Phase::Measure);
            probe.parameters(step, params, objective).map_err(diverged(step))?;
            if step == steps {
                break;
            }
            probe.enter(Phase::Gradient);
            objective.next_batch();
            let at = optimizer.attended(params);
            let in_place = std::ptr::eq(at, &*params);
            let loss = objective.loss_and_gradient(at, &mut grads);
            probe.enter(Phase::Measure);
            let guarded = optimizer.observe(loss);
            let batch = BatchLoss { loss, params, in_place, guarded };
            probe.batch_loss(step + 1, batch, objective).map_err(diverged(step + 1))?;
            objective.corrupt(&mut grads);
            probe.enter(Phase::Step);
            let stepped = optimizer.step(params, &grads);
            stepped.map_err(|error| diverged(step + 1)(error.to_string()))?;
        }
        Ok(())
    };
    run().err().unwrap_or(Outcome::Finished)
}
