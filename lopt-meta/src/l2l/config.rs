//! What decides a training run of the L2L optimizer.

use super::weights::L2lError;
use crate::config::MetaOptimizerConfig;
use serde::{Deserialize, Serialize};

/// Settings; the default is the published ones (google-deepmind/learning-to-learn, train.py).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L2lConfig {
    /// Seed of everything random.
    pub seed: u64,
    /// Training runs, each on a new instance from a new start.
    pub runs: u64,
    /// Steps of a run, a multiple of `unroll`.
    pub run_steps: usize,
    /// Steps between updates of psi.
    pub unroll: usize,
    /// Learning rate of Adam on psi.
    pub rate: f64,
    /// Limit of the norm of the meta-gradient; 0, as published, for none.
    pub limit: f64,
    /// Runs between evaluations; there is one at the end in any case.
    pub evaluate_every: u64,
    /// Instances of an evaluation, always the same ones, never trained on.
    pub evaluation_runs: u64,
}

impl Default for L2lConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            runs: 10_000,
            run_steps: 100,
            unroll: 20,
            rate: 1e-3,
            limit: 0.0,
            evaluate_every: 1000,
            evaluation_runs: 20,
        }
    }
}

impl L2lConfig {
    /// Checks that there is something to do and that runs are whole unrolls.
    pub(super) fn check(&self) -> Result<(), L2lTrainError> {
        for (name, value) in [
            ("runs", self.runs),
            ("run_steps", self.run_steps as u64),
            ("unroll", self.unroll as u64),
            ("evaluate_every", self.evaluate_every),
            ("evaluation_runs", self.evaluation_runs),
        ] {
            if value == 0 {
                return Err(L2lTrainError::Zero { name });
            }
        }
        if !self.run_steps.is_multiple_of(self.unroll) {
            let (steps, unroll) = (self.run_steps, self.unroll);
            return Err(L2lTrainError::Unroll { steps, unroll });
        }
        for (name, value, good) in
            [("rate", self.rate, self.rate > 0.0), ("limit", self.limit, self.limit >= 0.0)]
        {
            if !good || !value.is_finite() {
                return Err(L2lTrainError::Number { name, value });
            }
        }
        Ok(())
    }

    /// Adam as TensorFlow has it, at a constant rate, without an average of psi.
    pub(super) fn meta_optimizer(&self) -> MetaOptimizerConfig {
        MetaOptimizerConfig {
            kind: "adam".to_owned(),
            rate: self.rate,
            final_rate: self.rate,
            warmup: 0,
            beta1: 0.9,
            beta2: 0.999,
            limit: self.limit,
            average: 0.0,
        }
    }
}

/// Why training cannot begin, or ended without weights.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum L2lTrainError {
    /// A number that must not be zero.
    #[error("{name} is 0, expected at least 1")]
    Zero {
        /// Field.
        name: &'static str,
    },
    /// Runs that end within an unroll.
    #[error("run_steps is {steps}, expected a multiple of unroll = {unroll}")]
    Unroll {
        /// Steps of a run.
        steps: usize,
        /// Steps of an unroll.
        unroll: usize,
    },
    /// A rate or limit that makes no sense.
    #[error("{name} is {value}, expected a finite number above 0 (limit: or 0)")]
    Number {
        /// Field.
        name: &'static str,
        /// Value.
        value: f64,
    },
    /// The problem corrupts its gradients, which this trainer does not.
    #[error("the gradients of {problem} are noisy or sparse, which the L2L trainer does not do")]
    Corrupted {
        /// Its name.
        problem: String,
    },
    /// No evaluation had finite losses.
    #[error("every evaluation diverged: there are no weights to keep")]
    Diverged,
    /// The optimizer refused its meta-parameters.
    #[error(transparent)]
    Optimizer(#[from] L2lError),
}
