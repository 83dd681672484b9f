//! The Adam that takes over.
//!
//! Its averages begin at zero, which is made good by the number of steps that they have seen: those of
//! the tensor they belong to.

use crate::adam::{AdamStep, Pace};
use crate::layout::Layout;
use crate::tensor_step::TensorStep;
use std::ops::Range;

/// Adam over the tensors of a model, with the multipliers of the step that it replaces.
#[derive(Clone, Debug)]
pub(crate) struct Fallback {
    pub(super) rate: f64,
    /// Steps of every tensor, `[T]`.
    pub(super) steps: Vec<u64>,
    pub(super) averages: Vec<f32>,
    pub(super) mean_squares: Vec<f32>,
}

impl Fallback {
    pub(super) fn new(rate: f64, layout: &Layout) -> Self {
        let (zeros, steps) = (vec![0.0; layout.len()], vec![0; layout.tensor_count()]);
        Self { rate, steps, averages: zeros.clone(), mean_squares: zeros }
    }

    /// One step; tensors that are held stay as they are.
    pub(crate) fn step(
        &mut self,
        layout: &Layout,
        tensors: &[TensorStep<f32>],
        params: &mut [f32],
        grads: &[f32],
    ) {
        let ranges = layout.ranges().zip(tensors).zip(&mut self.steps);
        for ((range, how), number) in ranges.filter(|((_, how), _)| !how.held) {
            let learning_rate = self.rate * f64::from(how.multiplier);
            *number = number.saturating_add(1);
            let pace = Pace { number: *number, learning_rate };
            let state = [&mut self.averages[range.clone()], &mut self.mean_squares[range.clone()]];
            let (params, grads) = (&mut params[range.clone()], &grads[range]);
            AdamStep::DEFAULT.update(pace, 1.0, params, grads, state);
        }
    }

    /// Root mean square of the last step of every tensor.
    pub(crate) fn step_sizes(&self, layout: &Layout, tensors: &[TensorStep<f32>]) -> Vec<f32> {
        let size = |((range, how), number): ((Range<usize>, &TensorStep<f32>), &u64)| {
            let learning_rate = self.rate * f64::from(how.multiplier);
            let pace = Pace { number: (*number).max(1), learning_rate };
            let (m, v) = (&self.averages[range.clone()], &self.mean_squares[range.clone()]);
            let steps = m.iter().zip(v).map(|(&m, &v)| AdamStep::DEFAULT.step_of(pace, m, v));
            let squares: f64 = steps.map(|step| f64::from(step).powi(2)).sum();
            if how.held { 0.0 } else { (squares / range.len() as f64).sqrt() as f32 }
        };
        layout.ranges().zip(tensors).zip(&self.steps).map(size).collect()
    }
}
