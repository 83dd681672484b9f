//! The logarithm of a loss.

use std::sync::Arc;

use lopt_core::layout::Layout;
use lopt_core::rng::Rng;
use lopt_grad::{Tape, Var};

use crate::instance::{Array, Dataset, Instance};
use crate::problem::{AnyProblem, Problem, Scalar};

/// `ln(f + 1e-6) - ln(1e-6)` of a problem's loss `f`.
///
/// Same minimisers; 0 where `f` is. The gradient no longer says how far there is to go, it grows
/// towards the minimum until it collapses: teaches to use its direction.
#[derive(Debug, Clone)]
pub struct LogObjective {
    inner: Arc<dyn AnyProblem>,
}

impl LogObjective {
    /// The logarithm of the loss of `inner`, which is never negative.
    pub fn new(inner: impl Problem) -> Self {
        Self { inner: Arc::new(inner) }
    }
}

impl Problem for LogObjective {
    forward_to_inner!(layout, instance, init, batch, batch_size, noise, sparsity, accuracy);

    fn name(&self) -> String {
        format!("log-{}", self.inner.name())
    }

    fn loss<'t, R: Scalar>(
        &self,
        tape: &'t Tape<R>,
        params: &[Var<'t, R>],
        constants: &[Var<'t, R>],
        batch: &[Var<'t, R>],
    ) -> Var<'t, R> {
        // ln(1 + f / offset): the same value, and exactly 0 where f is.
        (self.inner.loss(tape, params, constants, batch) * OFFSET.recip() + 1.0).ln()
    }

    fn minimum(&self) -> Option<f64> {
        self.inner.minimum().map(|least| (least / OFFSET).ln_1p())
    }
}

/// Bounds the logarithm below.
const OFFSET: f64 = 1e-6;
