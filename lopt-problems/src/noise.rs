//! Noise on gradients: what a step sees instead of the true gradient.

use lopt_core::layout::Layout;
use lopt_core::rng::{Rng, normal, unit};
use lopt_grad::{Tape, Var};

use std::sync::Arc;

use crate::instance::{Array, Dataset, Instance};
use crate::problem::{AnyProblem, Problem, Scalar};

/// A problem whose gradient entries carry normal noise at every step; the loss is unchanged.
///
/// Teaches to average gradients over time. An inner problem's own noise is replaced.
#[derive(Debug, Clone)]
pub struct Noisy {
    inner: Arc<dyn AnyProblem>,
    deviation: f64,
}

impl Noisy {
    /// Noise of the given standard deviation on `inner`.
    ///
    /// # Panics
    ///
    /// If it is negative.
    pub fn new(inner: impl Problem, deviation: f64) -> Self {
        assert!(deviation >= 0.0, "a standard deviation is not negative, got {deviation}");
        Self { inner: Arc::new(inner), deviation }
    }
}

impl Problem for Noisy {
    forward_to_inner!(layout, instance, init, batch, batch_size, sparsity, accuracy);

    fn name(&self) -> String {
        format!("{}-noisy-{}", self.inner.name(), self.deviation)
    }

    fn loss<'t, R: Scalar>(
        &self,
        tape: &'t Tape<R>,
        params: &[Var<'t, R>],
        constants: &[Var<'t, R>],
        batch: &[Var<'t, R>],
    ) -> Var<'t, R> {
        self.inner.loss(tape, params, constants, batch)
    }

    fn minimum(&self) -> Option<f64> {
        self.inner.minimum()
    }

    fn gradient_noise(&self) -> f64 {
        self.deviation
    }
}

/// Replaces a true gradient, `[P]`, by what the problem lets the optimizer see.
///
/// Adds [`Problem::gradient_noise`] to every entry, then zeroes entries with probability
/// [`Problem::gradient_sparsity`]. Draws from `rng` only if there is something to draw.
pub fn corrupt_gradient(problem: &dyn AnyProblem, gradient: &mut [f32], rng: &mut Rng) {
    let deviation = problem.gradient_noise();
    if deviation > 0.0 {
        for entry in gradient.iter_mut() {
            *entry += (deviation * normal(rng)) as f32;
        }
    }
    let sparsity = problem.gradient_sparsity();
    if sparsity > 0.0 {
        for entry in gradient.iter_mut() {
            if unit(rng) < sparsity {
                *entry = 0.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lopt_core::rng::stream;

    use super::*;
    use crate::{Quadratic, SparseGradient};

    #[test]
    fn noise_has_the_stated_deviation() {
        let problem = Noisy::new(Quadratic::new(4), 0.5);
        let mut gradient = vec![1.0_f32; 20_000];
        corrupt_gradient(&problem, &mut gradient, &mut stream(1, &[]));
        let mean = gradient.iter().sum::<f32>() / 20_000.0;
        let spread = gradient.iter().map(|g| (g - mean).powi(2)).sum::<f32>() / 20_000.0;
        assert!((mean - 1.0).abs() < 0.02 && (spread - 0.25).abs() < 0.01, "{mean} {spread}");
    }

    #[test]
    fn ninety_nine_of_a_hundred_entries_vanish() {
        let problem = SparseGradient::new(Noisy::new(Quadratic::new(4), 0.5));
        assert_eq!(problem.gradient_noise(), 0.5);
        let mut gradient = vec![1.0_f32; 100_000];
        corrupt_gradient(&problem, &mut gradient, &mut stream(1, &[]));
        let zeros = gradient.iter().filter(|&&g| g == 0.0).count();
        assert!((98_800..99_200).contains(&zeros), "{zeros}");
    }

    #[test]
    fn a_plain_problem_draws_nothing() {
        let mut rng = stream(1, &[]);
        let mut gradient = vec![1.0_f32; 3];
        corrupt_gradient(&Quadratic::new(3), &mut gradient, &mut rng);
        assert_eq!(gradient, [1.0; 3]);
        assert_eq!(unit(&mut rng), unit(&mut stream(1, &[])));
    }
}
