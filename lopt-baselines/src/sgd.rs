//! Stochastic gradient descent (Robbins & Monro 1951): `theta <- theta - lr g`.

use crate::baseline::{Baseline, Rule};
use lopt_core::adam::Pace;

/// Stochastic gradient descent; no state.
pub type Sgd = Baseline<SgdRule, 0>;

/// `theta <- theta - lr g`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SgdRule;

impl Rule<0> for SgdRule {
    const START: [f32; 0] = [];

    fn name(&self) -> &str {
        "sgd"
    }

    fn update(&self, pace: Pace, params: &mut [f32], grads: &[f32], _: &mut [Vec<f32>; 0]) {
        let rate = pace.learning_rate as f32;
        for (p, &g) in params.iter_mut().zip(grads) {
            *p -= rate * g;
        }
    }
}
