//! Losses and derivatives of any problem in any scalar, for the tests.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::Arc;

use lopt_core::rng::{normal, stream};
use lopt_grad::{Dual, Real, Tape, Var};
use lopt_problems::{AnyProblem, Array, Entry, Instance, Problem, Scalar};

/// An instance, a starting point and a batch of a problem, from a seed.
pub(crate) struct Draw {
    pub(crate) problem: Arc<dyn AnyProblem>,
    pub(crate) instance: Instance,
    pub(crate) params: Vec<f64>,
    pub(crate) batch: Vec<Array>,
}

impl Draw {
    /// With the whole data set as its batch.
    pub(crate) fn new(problem: &Arc<dyn AnyProblem>, seed: u64) -> Self {
        let mut rng = stream(seed, &[]);
        let instance = problem.instance(&mut rng);
        let params = problem.init(&instance, &mut rng);
        let params = params.into_iter().map(f64::from).collect();
        let batch = problem.batch(&instance, None);
        Self { problem: Arc::clone(problem), instance, params, batch }
    }

    /// Loss and gradient in the scalar `R` at these parameters.
    pub(crate) fn gradient<R: Scalar>(&self, params: &[R]) -> (R, Vec<R>) {
        let tape = Tape::new();
        let layout = self.problem.layout();
        let tensors = layout.tensors().iter().zip(layout.ranges());
        let variables: Vec<Var<'_, R>> =
            tensors.map(|(tensor, range)| tape.variable(&tensor.shape, &params[range])).collect();
        let constants = record(&tape, &self.instance.constants);
        let batch = record(&tape, &self.batch);
        let loss = self.problem.loss(&tape, &variables, &constants, &batch);
        assert_eq!(loss.value().len(), 1, "{} has a scalar loss", self.problem.name());
        tape.backward(loss);
        let mut gradient = vec![R::default(); params.len()];
        for (variable, range) in variables.into_iter().zip(layout.ranges()) {
            tape.gradient_into(variable, &mut gradient[range]);
        }
        (loss.item(), gradient)
    }

    /// Loss in double precision.
    pub(crate) fn loss(&self, params: &[f64]) -> f64 {
        self.gradient(params).0
    }

    /// Gradient and product of the Hessian with `direction` in double precision.
    pub(crate) fn hessian_product(
        &self,
        params: &[f64],
        direction: &[f64],
    ) -> (Vec<f64>, Vec<f64>) {
        let dual = |(&re, &eps)| Dual { re, eps };
        let params: Vec<Dual<f64>> = params.iter().zip(direction).map(dual).collect();
        let (_, gradient) = self.gradient(&params);
        gradient.into_iter().map(|g| (g.re, g.eps)).unzip()
    }
}

fn record<'t, R: Real>(tape: &'t Tape<R>, arrays: &[Array]) -> Vec<Var<'t, R>> {
    let record = |array: &Array| {
        let values: Vec<R> = array.values.iter().map(|&x| R::from_f64(f64::from(x))).collect();
        tape.constant(&array.shape, &values)
    };
    arrays.iter().map(record).collect()
}

/// Every entry of both lists, each name once.
pub(crate) fn all_entries() -> Vec<Entry> {
    let mut entries = lopt_problems::released_list();
    entries.extend(lopt_problems::paper_list());
    let mut seen = std::collections::BTreeSet::new();
    entries.retain(|entry| seen.insert(entry.problem.name()));
    entries
}

/// A direction of about the length of the parameters.
pub(crate) fn direction(params: &[f64], seed: u64) -> Vec<f64> {
    let scale = (norm(params) / (params.len() as f64).sqrt()).max(1e-3);
    let mut rng = stream(seed, &[1]);
    params.iter().map(|_| scale * normal(&mut rng)).collect()
}

pub(crate) fn along(params: &[f64], direction: &[f64], step: f64) -> Vec<f64> {
    params.iter().zip(direction).map(|(x, v)| x + step * v).collect()
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(crate) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}
