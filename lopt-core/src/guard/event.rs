//! What the guard did, and why.

use std::fmt;

/// Something the guard did that a user should know of. Without any event a run is, bit for bit, the
/// one without the guard.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum GuardEvent {
    /// A gradient or a loss could not be used: the step was left out.
    Skipped {
        /// Steps asked for so far, this one included.
        step: u64,
        /// What could not be used.
        reason: Reason,
    },
    /// The run looks lost: every second one of the next gradients is taken at the best point so far. If it
    /// is no better there, the run goes on from where it was.
    Compared {
        /// Steps asked for so far, this one included.
        step: u64,
        /// What looks wrong.
        reason: Reason,
    },
    /// The model went back to the best point so far, and the optimizer begins anew from there.
    Restored {
        /// Steps asked for so far, this one included.
        step: u64,
        /// Who makes the steps from now on.
        stage: Stage,
        /// What was wrong.
        reason: Reason,
    },
    /// Nothing was wrong for long: an earlier measure is taken back.
    Eased {
        /// Steps asked for so far, this one included.
        step: u64,
        /// Who makes the steps from now on.
        stage: Stage,
    },
    /// The parameters are where they began, although there are gradients: those may be too small.
    NothingMoves {
        /// Steps asked for so far, this one included.
        step: u64,
    },
}

/// Who makes the steps.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Stage {
    /// The networks.
    Networks {
        /// Factor of their steps: 1, or [`GuardConfig::cut`](super::GuardConfig::cut).
        multiplier: f32,
    },
    /// Adam with its usual betas.
    Adam {
        /// Learning rate.
        rate: f64,
    },
}

/// What was wrong.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// A gradient entry is infinite or not a number, or the gradient too long for single precision.
    Gradient {
        /// The sentence of the step that was refused.
        what: String,
    },
    /// The loss is infinite or not a number.
    Loss {
        /// As given.
        value: f32,
    },
    /// A parameter is infinite or not a number.
    Parameters,
    /// The losses are far above those of the best point.
    Above {
        /// Mean of the losses where the model is.
        loss: f64,
        /// That at the best point.
        best: f64,
    },
    /// Without a loss: the parameters have grown beyond all measure.
    Grown {
        /// Root mean square of all parameters.
        size: f64,
        /// What it may be.
        limit: f64,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gradient { what } => write!(f, "{what}"),
            Self::Loss { value } => write!(f, "the loss is {value}"),
            Self::Parameters => write!(f, "a parameter is not finite"),
            Self::Above { loss, best } => {
                write!(f, "the mean loss is {loss:.4e}, and {best:.4e} at the best point")
            }
            Self::Grown { size, limit } => {
                write!(f, "the parameters have a root mean square of {size:.1e}, limit {limit:.1e}")
            }
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Networks { multiplier: 1.0 } => write!(f, "the networks make full steps"),
            Self::Networks { multiplier } => {
                write!(f, "the networks make steps of {multiplier} of their length")
            }
            Self::Adam { rate } => write!(f, "Adam({rate:.0e}) takes over"),
        }
    }
}

impl fmt::Display for GuardEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skipped { step, reason } => write!(f, "step {step} left out: {reason}"),
            Self::Compared { step, reason } => {
                write!(f, "step {step}: compares with the best point so far: {reason}")
            }
            Self::Restored { step, stage, reason } => {
                write!(f, "step {step}: back at the best point, {stage}: {reason}")
            }
            Self::Eased { step, stage } => write!(f, "step {step}: all is quiet, {stage}"),
            Self::NothingMoves { step } => write!(
                f,
                "step {step}: the parameters have not moved, gradients may be too small: multiply the \
                 loss by a constant"
            ),
        }
    }
}
