//! What can go wrong, one sentence each.

use candle_core::DType;
use lopt_core::{BuildError, LayoutError, StateError, StepError};
use std::fmt;

/// Why an optimizer could not be built, could not step, or could not save or load.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing to optimize.
    #[error("expected at least one variable with floating-point values, got none")]
    NoVariables,
    /// A variable holds a kind of number that parameters are not kept in.
    #[error("variable `{name}` holds {dtype:?}, expected F16, BF16, F32 or F64")]
    DType {
        /// Name of the variable.
        name: String,
        /// What it holds.
        dtype: DType,
    },
    /// The shapes of the variables make no model.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Settings out of range, or a group that matches nothing.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A gradient is not finite and there is no guard to leave the step out.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The state file cannot be written, read, or used for this model.
    #[error(transparent)]
    State(#[from] StateError),
    /// A gradient has another shape than its variable.
    #[error("the gradient of `{name}` has shape {got:?}, expected {expected:?}")]
    GradientShape {
        /// Name of the variable.
        name: String,
        /// Its shape.
        expected: Vec<usize>,
        /// Shape of the gradient.
        got: Vec<usize>,
    },
    /// The loss does not depend on what is to be optimized.
    #[error(
        "the loss depends on none of the {count} variables of this optimizer; \
         was the model built from other variables, or is its result detached?"
    )]
    NoGradient {
        /// Number of variables.
        count: usize,
    },
    /// Accumulation over no batch at all.
    #[error("expected at least one batch to accumulate gradients over, got none")]
    NoBatches,
    /// A step with a gradient that was taken at the true parameters.
    #[error(
        "the variables hold the true parameters, so this gradient is not one to step with: \
         call `train()` before computing the loss, or use `minimize`"
    )]
    Evaluating,
    /// Something else has written to a variable since the last step.
    #[error(
        "variable `{name}` was changed from outside after training had begun: \
         call `sync()` after such a change, to start from the new values"
    )]
    Changed {
        /// Name of the variable.
        name: String,
    },
    /// candle's own.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

impl Error {
    /// The error of this crate inside one of candle, as methods of
    /// [`candle_nn::Optimizer`] return it.
    ///
    /// ```
    /// use candle_nn::Optimizer;
    /// use lopt_candle::{Error, LearnedOptimizer, LearnedOptimizerConfig};
    ///
    /// let error = LearnedOptimizer::empty(LearnedOptimizerConfig::new()).unwrap_err();
    /// assert!(matches!(Error::within(&error), Some(Error::NoVariables)));
    /// ```
    #[must_use]
    pub fn within(error: &candle_core::Error) -> Option<&Self> {
        match error {
            candle_core::Error::WrappedContext { wrapped, .. } => wrapped.downcast_ref(),
            candle_core::Error::WithBacktrace { inner, .. }
            | candle_core::Error::Context { inner, .. } => Self::within(inner),
            _ => None,
        }
    }
}

impl From<Error> for candle_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Candle(error) => error,
            // the one variant that keeps a typed error
            ours => {
                let context = "from the learned optimizer".to_owned();
                Self::WrappedContext { wrapped: Box::new(ours), context }.bt()
            }
        }
    }
}

/// The sentence, as for candle's errors: it is what a `main` that returns an error prints.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
