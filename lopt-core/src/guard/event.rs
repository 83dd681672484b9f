//! What the guard did, and why.

use std::fmt;

/// Something the guard did that a user should know of.
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
    /// The model went back to where it was best, the networks begin anew with shorter steps.
    CutBack {
        /// Steps asked for so far, this one included.
        step: u64,
        /// Factor of the step length from now on.
        multiplier: f32,
        /// What was wrong.
        reason: Reason,
    },
    /// The model went back to where it was best, and Adam goes on from there, for good.
    TookOver {
        /// Steps asked for so far, this one included.
        step: u64,
        /// Adam's learning rate.
        rate: f64,
        /// What was wrong.
        reason: Reason,
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
    /// The averaged loss has stayed above where it began.
    AboveStart {
        /// Averaged loss.
        loss: f64,
        /// Mean of the first losses.
        start: f64,
    },
    /// The averaged loss has lost more than half of what had been won.
    LostHalf {
        /// Averaged loss.
        loss: f64,
        /// Lowest averaged loss.
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
            Self::AboveStart { loss, start } => {
                write!(f, "the averaged loss {loss:.4e} stays above its beginning {start:.4e}")
            }
            Self::LostHalf { loss, best } => {
                write!(f, "the averaged loss {loss:.4e} stays far above its lowest {best:.4e}")
            }
            Self::Grown { size, limit } => {
                write!(f, "the parameters have a root mean square of {size:.1e}, limit {limit:.1e}")
            }
        }
    }
}

impl fmt::Display for GuardEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skipped { step, reason } => write!(f, "step {step} left out: {reason}"),
            Self::CutBack { step, multiplier, reason } => {
                write!(f, "step {step}: steps cut to {multiplier} of their length: {reason}")
            }
            Self::TookOver { step, rate, reason } => {
                write!(f, "step {step}: Adam({rate:.0e}) takes over: {reason}")
            }
        }
    }
}
