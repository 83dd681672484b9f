//! Every parameter in a unit of its own.

use std::sync::Arc;

use lopt_core::layout::Layout;
use lopt_core::rng::{Rng, uniform};
use lopt_grad::{Tape, Var};

use crate::instance::{Array, Dataset, Instance};
use crate::problem::{AnyProblem, Problem, Scalar};

/// A problem whose parameter `i` is `s_i` times that of the inner problem, `s_i` log-uniform over
/// some decades around 1: `f(x) = f_inner(x / s)`.
///
/// Curvatures spread over twice as many decades. Teaches, or rather asks, to find a step length for
/// every parameter. The scales are the last constants of the instance, one array per tensor.
#[derive(Debug, Clone)]
pub struct BadlyScaled {
    inner: Arc<dyn AnyProblem>,
    decades: f64,
}

impl BadlyScaled {
    /// Scales from `10^(-decades / 2)` to `10^(decades / 2)` on `inner`.
    ///
    /// # Panics
    ///
    /// If `decades` is negative.
    pub fn new(inner: impl Problem, decades: f64) -> Self {
        assert!(decades >= 0.0, "expected a range of decades, got {decades}");
        Self { inner: Arc::new(inner), decades }
    }
}

impl Problem for BadlyScaled {
    forward_to_inner!(layout, batch, batch_size, noise, sparsity);

    fn name(&self) -> String {
        format!("badly-scaled-{}-{}", self.decades, self.inner.name())
    }

    fn instance(&self, rng: &mut Rng) -> Instance {
        let mut instance = self.inner.instance(rng);
        let half = 0.5 * self.decades * std::f64::consts::LN_10;
        for tensor in self.layout().tensors() {
            let scales = (0..tensor.len()).map(|_| uniform(rng, -half, half).exp() as f32);
            let scales = scales.collect();
            instance.constants.push(Array::new(tensor.shape.clone(), scales));
        }
        instance
    }

    fn init(&self, instance: &Instance, rng: &mut Rng) -> Vec<f32> {
        let (constants, scales) = self.split(&instance.constants);
        let inner = Instance { constants: constants.to_vec(), dataset: instance.dataset.clone() };
        let params = self.inner.init(&inner, rng);
        params.iter().zip(flat(scales)).map(|(x, s)| x * s).collect()
    }

    fn loss<'t, R: Scalar>(
        &self,
        tape: &'t Tape<R>,
        params: &[Var<'t, R>],
        constants: &[Var<'t, R>],
        batch: &[Var<'t, R>],
    ) -> Var<'t, R> {
        let (constants, scales) = self.split(constants);
        let params: Vec<_> = params.iter().zip(scales).map(|(&x, &s)| x / s).collect();
        self.inner.loss(tape, &params, constants, batch)
    }

    fn minimum(&self) -> Option<f64> {
        self.inner.minimum()
    }

    /// Unknown: it would need the instance.
    fn accuracy(&self, _: &[f32], _: &Dataset) -> Option<f64> {
        None
    }
}

impl BadlyScaled {
    /// The inner problem's constants, and the scales.
    fn split<'a, T>(&self, constants: &'a [T]) -> (&'a [T], &'a [T]) {
        constants.split_at(constants.len() - self.layout().tensor_count())
    }
}

fn flat(scales: &[Array]) -> impl Iterator<Item = &f32> {
    scales.iter().flat_map(|array| &array.values)
}
