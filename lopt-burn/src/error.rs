//! What can go wrong between a module and its optimizer.

use burn::tensor::DType;
use lopt_core::{BuildError, LayoutError, StateError, StepError};
use std::fmt;

/// Why the optimizer refused. Parameters and state are then as before the call;
/// [`restore`](crate::LearnedOptimizer::restore) puts them into a module again.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The module has nothing to train.
    #[error("{}", nothing_to_train(.parameters, .autodiff))]
    NothingToTrain {
        /// Its float parameters, running statistics included, those without elements not.
        parameters: usize,
        /// Whether any of them is on a device with autodiff.
        autodiff: bool,
    },
    /// A module with more or fewer parameters than the one the optimizer was made for.
    #[error(
        "the optimizer was made for a module of {expected} float parameters, this one has {got}"
    )]
    Count {
        /// Parameters then, frozen ones and running statistics included.
        expected: usize,
        /// Parameters here.
        got: usize,
    },
    /// Another parameter than the one in this place when the optimizer was made.
    #[error("the optimizer was made for a module with `{expected}` where this one has `{got}`")]
    Parameter {
        /// Name and shape then.
        expected: String,
        /// Name and shape here.
        got: String,
    },
    /// A parameter that was frozen when the optimizer was made.
    #[error(
        "`{name}` requires a gradient but was frozen when the optimizer was made; make another"
    )]
    Thawed {
        /// Name of the parameter.
        name: String,
    },
    /// A parameter or gradient of an element type that is not supported.
    #[error("`{name}` is of type {dtype:?}, expected F32, F16, BF16 or Flex32")]
    DType {
        /// Name of the parameter.
        name: String,
        /// Its type.
        dtype: DType,
    },
    /// A gradient of another shape than its parameter.
    #[error("the gradient of `{name}` has shape {got:?}, expected {expected:?}")]
    GradientShape {
        /// Name of the parameter.
        name: String,
        /// Shape of the parameter.
        expected: Vec<usize>,
        /// Shape of the gradient.
        got: Vec<usize>,
    },
    /// Gradients of none of the parameters.
    #[error(
        "none of the {tensors} tensors has a gradient; take gradients from the attended module"
    )]
    NoGradients {
        /// Tensors that the optimizer trains.
        tensors: usize,
    },
    /// Someone else wrote to the module since the last step.
    #[error(
        "`{name}` was changed outside of the optimizer; `sync` begins anew from the module's \
         parameters, `restore` undoes the change"
    )]
    Changed {
        /// Name of the first such parameter.
        name: String,
    },
    /// An attended module of an earlier step.
    #[error("the attended module is of round {got} but the optimizer is in round {expected}")]
    Stale {
        /// Round of the optimizer.
        expected: u64,
        /// Round of the attended module.
        got: u64,
    },
    /// Forward passes that have left running statistics as they were.
    #[error(
        "no running statistic has changed: the inputs have to be on a device with autodiff, and the \
         layers not frozen"
    )]
    StatisticsUnchanged,
    /// The device did not hand a tensor out.
    #[error("cannot read tensors from the device: {reason}")]
    Read {
        /// What it said.
        reason: String,
    },
    /// A checkpoint of burn's `Learner` without a state file that fits.
    #[cfg(feature = "train")]
    #[error(
        "cannot go on from the checkpoint of epoch {epoch}, beside which there has to be the state \
         file of this optimizer for this model: {source}"
    )]
    Checkpoint {
        /// Epoch of the checkpoint.
        epoch: usize,
        /// What is wrong with the state file.
        source: Box<Self>,
    },
    /// A checkpoint and a state file of two training runs, or of two moments of one.
    #[cfg(feature = "train")]
    #[error(
        "the checkpoint of epoch {epoch} has other values of `{name}` than {path}: the two are not \
         of the same training run",
        path = path.display()
    )]
    CheckpointParts {
        /// Epoch of the checkpoint.
        epoch: usize,
        /// The state file.
        path: std::path::PathBuf,
        /// First parameter that differs.
        name: String,
    },
    /// A learning rate that steps cannot be multiplied by.
    #[cfg(feature = "train")]
    #[error(
        "the learning rate of the Learner is {rate}, expected a finite number of at least 0, which \
         the steps are multiplied by, such as 1.0"
    )]
    Rate {
        /// What the scheduler gave.
        rate: f64,
    },
    /// A scheduler with rates for groups.
    #[cfg(feature = "train")]
    #[error(
        "the Learner has the learning rate {rate} for `{name}` and {base} for others; here groups \
         are settings of the optimizer, `ParameterGroup::new(..).with_step_multiplier(..)`"
    )]
    GroupRate {
        /// First parameter with a rate of its own.
        name: String,
        /// Its rate.
        rate: f64,
        /// That of the others.
        base: f64,
    },
    /// A tensor that is not where the others are, or that no cubecl runtime holds.
    #[cfg(feature = "gpu")]
    #[error("`{name}` is on {got}, expected {expected}")]
    Elsewhere {
        /// Name of the parameter.
        name: String,
        /// Device of the optimizer.
        expected: String,
        /// Device of the tensor.
        got: String,
    },
    /// An element type that the kernels of a device do not take.
    #[cfg(feature = "gpu")]
    #[error("`{name}` is of type {dtype:?}, an optimizer on a device takes F32")]
    DeviceDType {
        /// Name of the parameter.
        name: String,
        /// Its type.
        dtype: DType,
    },
    /// A setting, a model or a device that a step on a device cannot have, or a device that failed.
    #[cfg(feature = "gpu")]
    #[error(transparent)]
    Device(#[from] lopt_core::gpu::DeviceError),
    /// Parameters that do not make a layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Settings that no optimizer can be built from.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A step that was refused, which happens without a guard only.
    #[error(transparent)]
    Step(#[from] StepError),
    /// A state that cannot be saved or loaded.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Which of the causes it is.
fn nothing_to_train(parameters: &usize, autodiff: &bool) -> &'static str {
    match (*parameters, *autodiff) {
        (0, _) => "the module has no float parameter, so there is nothing to train",
        (_, false) => {
            "no parameter requires a gradient, as the module is not on a device with autodiff: \
             make it on `Device::default().autodiff()`, or call `train()` if it comes from `valid()`"
        }
        (_, true) => {
            "no parameter requires a gradient, as all of them are frozen (`no_grad`, `freeze`), so \
             there is nothing to train"
        }
    }
}

/// The sentence, as it is what a `main` that returns an error prints.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(feature = "train")]
mod train {
    use super::Error;
    use burn::data::dataset::DatasetError;
    use burn::train::TrainingError;
    use burn::train::checkpoint::CheckpointerError;

    impl Error {
        /// The error of this crate that ended a training run of
        /// [`LearnedStrategy`](crate::LearnedStrategy), from `LearningResult::error`.
        ///
        /// burn's enum has no variant for optimizers, so errors are printed after "Checkpoint error" or
        /// "Dataset error".
        #[must_use]
        pub fn within(error: &TrainingError) -> Option<&Self> {
            match error {
                TrainingError::Checkpoint(CheckpointerError::IOError(io)) => {
                    io.get_ref()?.downcast_ref()
                }
                TrainingError::Dataset(error) => std::error::Error::source(error)?.downcast_ref(),
                _ => None,
            }
        }

        pub(crate) fn into_training_error(self) -> TrainingError {
            match self {
                Self::Checkpoint { .. } | Self::CheckpointParts { .. } | Self::State(_) => {
                    TrainingError::Checkpoint(CheckpointerError::IOError(std::io::Error::other(
                        self,
                    )))
                }
                _ => TrainingError::Dataset(DatasetError::new(self)),
            }
        }
    }
}
