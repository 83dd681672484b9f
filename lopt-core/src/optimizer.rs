//! The one interface of every optimizer, learned or designed by hand.
//!
//! ```text
//! loop { let grads = gradient_at(optimizer.attended(&params)); optimizer.step(&mut params, &grads)?; }
//! ```
//!
//! A step sees the whole problem at once, because the learned optimizer's Global RNN does.

use crate::layout::Layout;

/// Turns gradients into parameters, one step at a time.
pub trait Optimizer: Send {
    /// Short name for tables and plots.
    fn name(&self) -> &str;

    /// Where the next gradient must be taken: the parameters themselves, or a look-ahead point.
    ///
    /// * `params`: `[P]`, as the last [`step`](Self::step) left them.
    fn attended<'a>(&'a self, params: &'a [f32]) -> &'a [f32] {
        params
    }

    /// Takes notice of the loss at the attended point, before the step; returns whether the optimizer
    /// looks at it and deals with one that is not finite. By default nobody is interested.
    fn observe(&mut self, loss: f32) -> bool {
        let _ = loss;
        false
    }

    /// Updates `params` with the gradient that was taken at the attended point.
    ///
    /// * `params`, `grads`: `[P]`, flat, the tensors of the layout one after another.
    ///
    /// # Errors
    ///
    /// If a length does not fit the layout, a gradient is not finite, or the optimizer needs a finite
    /// loss and [`observe`](Self::observe) gave none; parameters and state are then as before the call.
    fn step(&mut self, params: &mut [f32], grads: &[f32]) -> Result<(), StepError>;

    /// Forgets everything since construction: the next step is a first step.
    fn reset(&mut self);

    /// Bytes that are remembered from one step to the next, without the parameters.
    fn memory_bytes(&self) -> usize;
}

/// Why a step was refused; nothing was changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// A slice does not have one value per parameter.
    #[error("expected {expected} values in `{what}`, got {got}")]
    LengthMismatch {
        /// Name of the slice.
        what: &'static str,
        /// Parameters of the layout.
        expected: usize,
        /// Length of the slice.
        got: usize,
    },
    /// A gradient entry is infinite or not a number.
    #[error("expected a finite gradient, got {value} at element {index} of tensor `{tensor}`")]
    NonFiniteGradient {
        /// Name of the tensor.
        tensor: String,
        /// Row-major index inside the tensor.
        index: usize,
        /// The offending value.
        value: f32,
    },
    /// The optimizer needs the loss at the attended point, and none was observed since the last step.
    #[error("expected the loss at the attended point by `observe` before the step, got none")]
    MissingLoss,
    /// The optimizer needs the loss, and that is infinite or not a number.
    #[error("expected a finite loss, got {value}")]
    NonFiniteLoss {
        /// The offending value.
        value: f32,
    },
}

/// Checks both lengths against the layout.
///
/// # Errors
///
/// If one of them differs from `P`.
pub fn check_lengths(layout: &Layout, params: &[f32], grads: &[f32]) -> Result<(), StepError> {
    let expected = layout.len();
    for (what, got) in [("params", params.len()), ("grads", grads.len())] {
        if got != expected {
            return Err(StepError::LengthMismatch { what, expected, got });
        }
    }
    Ok(())
}

/// Finds the first gradient entry that is infinite or not a number.
///
/// # Errors
///
/// If there is one.
///
/// # Panics
///
/// If `grads` is longer than the layout; call [`check_lengths`] first.
pub fn check_finite(layout: &Layout, grads: &[f32]) -> Result<(), StepError> {
    // `x * 0` is 0 for finite `x` only and the sum keeps a NaN; lanes let the compiler vectorise.
    const LANES: usize = 32;
    let (chunks, rest) = grads.as_chunks::<LANES>();
    let mut sums = [0.0_f32; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            sums[lane] += chunk[lane] * 0.0;
        }
    }
    let sum: f32 = sums.iter().chain(rest).map(|x| x * 0.0).sum();
    if sum == 0.0 {
        return Ok(());
    }
    match grads.iter().position(|g| !g.is_finite()) {
        Some(flat) => {
            let (t, index) = layout.locate(flat).expect("no more gradients than parameters");
            let tensor = layout.tensors()[t].name.clone();
            Err(StepError::NonFiniteGradient { tensor, index, value: grads[flat] })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::TensorShape;

    #[test]
    fn every_bad_entry_is_found_and_named() {
        let shapes = vec![TensorShape::new("a", [40]), TensorShape::new("b", [37])];
        let layout = Layout::new(shapes).unwrap();
        let good = vec![-f32::MAX; 77];
        assert_eq!(check_finite(&layout, &good), Ok(()));
        for flat in 0..77 {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut grads = good.clone();
                grads[flat] = bad;
                let error = check_finite(&layout, &grads).unwrap_err();
                let StepError::NonFiniteGradient { tensor, index, value } = error else {
                    panic!("{error}");
                };
                let expected = if flat < 40 { ("a", flat) } else { ("b", flat - 40) };
                assert_eq!((tensor.as_str(), index), expected);
                assert_eq!(value.to_bits(), bad.to_bits());
            }
        }
    }

    #[test]
    fn lengths_are_checked() {
        let layout = Layout::single(3).unwrap();
        let error = check_lengths(&layout, &[0.0; 3], &[0.0; 2]).unwrap_err();
        assert_eq!(error.to_string(), "expected 3 values in `grads`, got 2");
        assert_eq!(check_lengths(&layout, &[0.0; 3], &[0.0; 3]), Ok(()));
    }
}
