//! Gradients that are mostly zero.

use std::sync::Arc;

use lopt_core::layout::Layout;
use lopt_core::rng::Rng;
use lopt_grad::{Tape, Var};

use crate::instance::{Array, Dataset, Instance};
use crate::problem::{AnyProblem, Problem, Scalar};

/// A problem of whose gradient each entry is zero with probability 0.99, drawn anew every step.
///
/// The loss is unchanged. Teaches to make much of the gradients that do arrive, as embeddings
/// demand. On a two-dimensional problem 98% of all steps see no gradient at all.
#[derive(Debug, Clone)]
pub struct SparseGradient {
    inner: Arc<dyn AnyProblem>,
}

impl SparseGradient {
    /// Thins out the gradients of `inner`.
    pub fn new(inner: impl Problem) -> Self {
        Self { inner: Arc::new(inner) }
    }
}

impl Problem for SparseGradient {
    forward_to_inner!(layout, instance, init, batch, batch_size, noise, accuracy);

    fn name(&self) -> String {
        format!("sparse-{}", self.inner.name())
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

    fn gradient_sparsity(&self) -> f64 {
        ZERO_PROBABILITY
    }
}

/// The released setting.
const ZERO_PROBABILITY: f64 = 0.99;
