//! Parameters in other units.

use std::sync::Arc;

use lopt_core::layout::Layout;
use lopt_core::rng::{Rng, uniform};
use lopt_grad::{Tape, Var};

use crate::instance::{Array, Dataset, Instance};
use crate::problem::{AnyProblem, Problem, Scalar};

/// A problem whose parameters are `k` times those of the inner problem: `f(x) = f_inner(x / k)`.
///
/// Same losses along `k` times the path, gradients `1 / k` as long. Teaches that the right step
/// length is not a property of the world.
#[derive(Debug, Clone)]
pub struct Rescale {
    inner: Arc<dyn AnyProblem>,
    factor: f64,
}

impl Rescale {
    /// Multiplies the parameters of `inner` by `factor > 0`.
    ///
    /// # Panics
    ///
    /// If it is not positive.
    pub fn new(inner: impl Problem, factor: f64) -> Self {
        assert!(factor > 0.0, "a scale is positive, got {factor}");
        Self { inner: Arc::new(inner), factor }
    }
}

impl Problem for Rescale {
    forward_to_inner!(layout, instance, batch, batch_size, noise, sparsity);

    fn name(&self) -> String {
        format!("rescale-{}-{}", self.factor, self.inner.name())
    }

    fn init(&self, instance: &Instance, rng: &mut Rng) -> Vec<f32> {
        scaled(self.inner.init(instance, rng), self.factor)
    }

    fn loss<'t, R: Scalar>(
        &self,
        tape: &'t Tape<R>,
        params: &[Var<'t, R>],
        constants: &[Var<'t, R>],
        batch: &[Var<'t, R>],
    ) -> Var<'t, R> {
        let inverse = self.factor.recip();
        let params: Vec<_> = params.iter().map(|&x| x * inverse).collect();
        self.inner.loss(tape, &params, constants, batch)
    }

    fn minimum(&self) -> Option<f64> {
        self.inner.minimum()
    }

    fn accuracy(&self, params: &[f32], dataset: &Dataset) -> Option<f64> {
        self.inner.accuracy(&scaled(params.to_vec(), self.factor.recip()), dataset)
    }
}

/// A [`Rescale`] whose factor is drawn with each instance, log-uniform between two bounds.
///
/// The factor is the last constant of the instance, so that SIMD lanes may differ in it.
#[derive(Debug, Clone)]
pub struct RandomRescale {
    inner: Arc<dyn AnyProblem>,
    low: f64,
    high: f64,
}

impl RandomRescale {
    /// Multiplies the parameters of `inner` by a factor from `low..high`, both positive.
    ///
    /// # Panics
    ///
    /// If they are not positive or not in order.
    pub fn new(inner: impl Problem, low: f64, high: f64) -> Self {
        assert!(low > 0.0 && low <= high, "expected 0 < low <= high, got {low} and {high}");
        Self { inner: Arc::new(inner), low, high }
    }
}

impl Problem for RandomRescale {
    forward_to_inner!(layout, batch, batch_size, noise, sparsity);

    fn name(&self) -> String {
        format!("rescale-{}-to-{}-{}", self.low, self.high, self.inner.name())
    }

    fn instance(&self, rng: &mut Rng) -> Instance {
        let mut instance = self.inner.instance(rng);
        let factor = uniform(rng, self.low.ln(), self.high.ln()).exp();
        instance.constants.push(Array::new([1], vec![factor as f32]));
        instance
    }

    fn init(&self, instance: &Instance, rng: &mut Rng) -> Vec<f32> {
        let (factor, constants) = instance.constants.split_last().expect("the factor is there");
        let inner = Instance { constants: constants.to_vec(), dataset: instance.dataset.clone() };
        scaled(self.inner.init(&inner, rng), f64::from(factor.values[0]))
    }

    fn loss<'t, R: Scalar>(
        &self,
        tape: &'t Tape<R>,
        params: &[Var<'t, R>],
        constants: &[Var<'t, R>],
        batch: &[Var<'t, R>],
    ) -> Var<'t, R> {
        let (factor, constants) = constants.split_last().expect("the factor is there");
        let params: Vec<_> = params.iter().map(|&x| x / *factor).collect();
        self.inner.loss(tape, &params, constants, batch)
    }

    fn minimum(&self) -> Option<f64> {
        self.inner.minimum()
    }
}

fn scaled(mut values: Vec<f32>, factor: f64) -> Vec<f32> {
    values.iter_mut().for_each(|x| *x = (f64::from(*x) * factor) as f32);
    values
}
