//! Steps that fade out where a gradient is no more than rounding errors (`least_gradient`).
//!
//! A direction has unit length however small the gradient, so that a model solved to the last bit would
//! go on walking, and get lost. With `q` the mean square of the tensor's gradient and `e` =
//! `least_gradient`, its steps are multiplied by `(q / (q + e^2))^2`: a quarter at an RMS of `e`, and below
//! that by its fourth power. Not squared, a tenth of `e` would still take a hundredth of a step, enough to
//! lose a solved model over ten thousand. Adam's epsilon, of the same size, divides each element once.

use crate::simd::Simd;

/// The factor of the steps of a tensor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fade<S: Simd> {
    pub factor: S::V,
    /// Derivative of the factor's logarithm by `q`; 0 where the gradient is.
    pub slope: S::V,
}

impl<S: Simd> Fade<S> {
    /// Nothing fades.
    #[inline(always)]
    pub(crate) fn none(s: S) -> Self {
        Self { factor: s.constant(1.0), slope: s.zero() }
    }

    /// From `squares`, the sum over the `n` elements of the tensor.
    #[inline(always)]
    pub(crate) fn new(s: S, least_gradient: f64, squares: S::V, n: f64) -> Self {
        let q = s.mul(squares, s.constant(1.0 / n));
        let least = s.constant(least_gradient * least_gradient);
        let whole = s.add(q, least);
        // neither is a difference, nor a product that could leave the range of `f32`
        let slope = s.div(s.div(s.add(least, least), whole), q);
        let root = s.div(q, whole);
        let slope = s.select_gt(q, s.zero(), slope, s.zero());
        Self { factor: s.mul(root, root), slope }
    }
}
