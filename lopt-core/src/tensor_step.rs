//! How one tensor takes part in a step.

use crate::simd::Element;

/// What a user asks of one tensor in one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TensorStep<E> {
    /// Factor of the step; the networks do not see it.
    pub multiplier: E,
    /// There is no gradient: parameters and state of the tensor stay as they are.
    pub held: bool,
}

impl<E: Element> TensorStep<E> {
    /// Takes part like any other.
    #[must_use]
    pub fn whole() -> Self {
        Self { multiplier: E::from_f64(1.0), held: false }
    }
}

/// Whether a tensor is held; an empty list holds none.
#[inline(always)]
pub(crate) fn is_held<E>(tensors: &[TensorStep<E>], tensor: usize) -> bool {
    tensors.get(tensor).is_some_and(|step| step.held)
}
