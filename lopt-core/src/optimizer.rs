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
    /// If a length does not fit the layout, a gradient is not finite or, for learned optimizers, longer
    /// than [`LARGEST_GRADIENT_NORM`], or the optimizer needs a finite loss and
    /// [`observe`](Self::observe) gave none; parameters and state are then as before the call.
    fn step(&mut self, params: &mut [f32], grads: &[f32]) -> Result<(), StepError>;

    /// Forgets all steps: the next one is a first step. Settings that were changed stay.
    fn reset(&mut self);

    /// Bytes that are remembered from one step to the next, without the parameters.
    fn memory_bytes(&self) -> usize;
}

/// Why a step was refused; nothing was changed.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// A slice does not have one value per parameter, or per tensor.
    #[error("expected {expected} values in `{what}` for the tensors {tensors}, got {got}")]
    LengthMismatch {
        /// Name of the slice.
        what: &'static str,
        /// Parameters of the layout, or its tensors.
        expected: usize,
        /// Names and shapes of the layout.
        tensors: String,
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
    /// A gradient that is finite, but so long that sums of its squares leave the range of `f32`.
    #[error(
        "expected a gradient of norm at most {LARGEST_GRADIENT_NORM:e}, got {norm:e} in tensor `{tensor}`"
    )]
    GradientTooLong {
        /// Name of the tensor.
        tensor: String,
        /// Euclidean norm of its gradient.
        norm: f64,
    },
}

/// Largest Euclidean norm of the gradient of one tensor that a learned optimizer takes: its square,
/// 2^126, is a quarter of the largest `f32`, which leaves room for the rounding of sums.
pub const LARGEST_GRADIENT_NORM: f64 = 9_223_372_036_854_775_808.0;

/// Checks both lengths against the layout.
///
/// # Errors
///
/// If one of them differs from `P`.
pub fn check_lengths(layout: &Layout, params: &[f32], grads: &[f32]) -> Result<(), StepError> {
    let expected = layout.len();
    for (what, got) in [("params", params.len()), ("grads", grads.len())] {
        if got != expected {
            let tensors = layout.to_string();
            return Err(StepError::LengthMismatch { what, expected, tensors, got });
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

/// [`check_finite`] over the tensors for which `counts` says so.
pub(crate) fn check_present(
    layout: &Layout,
    grads: &[f32],
    counts: impl Fn(usize) -> bool,
) -> Result<(), StepError> {
    match check_finite(layout, grads) {
        Err(StepError::NonFiniteGradient { .. }) => {
            let bad =
                |t: &usize| counts(*t) && grads[layout.range(*t)].iter().any(|g| !g.is_finite());
            let Some(t) = (0..layout.tensor_count()).find(bad) else { return Ok(()) };
            let of_tensor = &grads[layout.range(t)];
            let index = of_tensor.iter().position(|g| !g.is_finite()).unwrap_or(0);
            let tensor = layout.tensors()[t].name.clone();
            Err(StepError::NonFiniteGradient { tensor, index, value: of_tensor[index] })
        }
        other => other,
    }
}

/// Finds the first tensor, of those for which `counts` says so, whose gradient is longer than
/// [`LARGEST_GRADIENT_NORM`]. Gradients that count are finite: call [`check_present`] first.
pub(crate) fn check_norms(
    layout: &Layout,
    grads: &[f32],
    counts: impl Fn(usize) -> bool,
) -> Result<(), StepError> {
    let most = LARGEST_GRADIENT_NORM * LARGEST_GRADIENT_NORM;
    // the bits of absolute values are in the order of the values, with NaN above all
    let largest = grads.iter().fold(0, |most: u32, g| most.max(g.abs().to_bits()));
    if f64::from(f32::from_bits(largest)).powi(2) * grads.len() as f64 <= most {
        return Ok(());
    }
    for (t, range) in layout.ranges().enumerate().filter(|(t, _)| counts(*t)) {
        let squares: f64 = grads[range].iter().map(|&g| f64::from(g).powi(2)).sum();
        if squares > most {
            let tensor = layout.tensors()[t].name.clone();
            return Err(StepError::GradientTooLong { tensor, norm: squares.sqrt() });
        }
    }
    Ok(())
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
    fn gradients_whose_squares_leave_single_precision_are_found() {
        let shapes = vec![TensorShape::new("a", [40]), TensorShape::new("b", [37])];
        let layout = Layout::new(shapes).unwrap();
        let mut grads = vec![1e18_f32; 77];
        assert_eq!(check_norms(&layout, &grads, |_| true), Ok(()));
        grads[70] = 1e20;
        let error = check_norms(&layout, &grads, |_| true).unwrap_err();
        assert!(
            error.to_string().starts_with("expected a gradient of norm at most 9.22"),
            "{error}"
        );
        assert!(matches!(error, StepError::GradientTooLong { tensor, .. } if tensor == "b"));
        assert_eq!(check_norms(&layout, &grads, |t| t == 0), Ok(()));
        // no entry alone is too large
        assert!(check_norms(&layout, &[2e18; 77], |_| true).is_err());
    }

    #[test]
    fn lengths_are_checked() {
        let layout = Layout::single(3).unwrap();
        let error = check_lengths(&layout, &[0.0; 3], &[0.0; 2]).unwrap_err();
        assert_eq!(error.to_string(), "expected 3 values in `grads` for the tensors x [3], got 2");
        assert_eq!(check_lengths(&layout, &[0.0; 3], &[0.0; 3]), Ok(()));
    }
}
