//! How one tensor takes part in a step.

use crate::hierarchical_rnn::whole_step::plan::Plan;
use crate::simd::Element;

/// What a user asks of one tensor in one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TensorStep<E> {
    /// Factor of the step; the networks do not see it.
    pub multiplier: E,
    /// There is no gradient: parameters and state of the tensor stay as they are, and no other tensor
    /// notices that it is there.
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

/// What takes part in a step, that means over the whole problem are taken of: all tensors but those
/// that are held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Present {
    /// Number of tensors, at least 1 so that it can be divided by.
    pub tensors: f64,
    /// Number of parameters of these, at least 1.
    pub parameters: f64,
    /// The last tensor.
    pub last: usize,
}

impl Present {
    pub(crate) fn of<E>(plan: &Plan, tensors: &[TensorStep<E>]) -> Self {
        let (all, last) = (plan.tensors.len(), plan.tensors.len() - 1);
        if !tensors.iter().any(|step| step.held) {
            return Self { tensors: all as f64, parameters: plan.parameters, last };
        }
        let present = || (0..all).filter(|&t| !is_held(tensors, t));
        let parameters: f64 = present().map(|t| plan.tensors[t].elements).sum();
        let count = present().count().max(1) as f64;
        let last = present().next_back().unwrap_or(last);
        Self { tensors: count, parameters: parameters.max(1.0), last }
    }
}
