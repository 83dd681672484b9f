//! The meta-training list of the published code with its default flags: 101 entries.

use std::sync::Arc;

use super::Entry;
use crate::classifier::{Activation, Mlp};
use crate::data::{Recipe, Source};
use crate::literature::Literature;
use crate::matmul::MatMulAlgorithm;
use crate::noise::Noisy;
use crate::problem::AnyProblem;
use crate::quadratic::{Bowl, Norm, Quadratic};
use crate::transform::{LogObjective, Rescale, SparseGradient, SumTask};

/// The 101 entries that the published code trains on by default, in its order.
///
/// Their classification data are made once per list, from the published seed 123, so that the
/// instances of an entry differ in their starting point only.
pub fn released_list() -> Vec<Entry> {
    let mlps = mlps();
    let mut entries = without_networks();
    let at = entries.iter().position(|entry| entry.set == "matmul").unwrap_or(entries.len());
    let plain = mlps.iter().map(|mlp| Entry::new("fully_connected_random", Arc::clone(mlp)));
    entries.splice(at..at, plain.collect::<Vec<_>>());
    let sparse = mlps.iter().take(3).map(|mlp| SparseGradient::new(Arc::clone(mlp)));
    entries.extend(sparse.map(|mlp| Entry::new("sparse_gradient_mlp", mlp)));
    entries
}

/// The 86 of them that are no neural networks.
pub(super) fn without_networks() -> Vec<Entry> {
    let softmax: Vec<Arc<dyn AnyProblem>> = SOFTMAX
        .map(|(features, separation, batch, _)| {
            let recipe = Recipe::Corners { features, separation, rows: ROWS };
            let source = Source::once(recipe, DATA_SEED);
            Arc::new(Mlp::softmax_regression(source, batch)) as Arc<dyn AnyProblem>
        })
        .into();

    let mut list = List(Vec::new());
    for (n, deviation) in [(20, 0.5), (25, 0.0), (50, 1.0), (100, 2.0)] {
        list.add("quadratic_noisy", Noisy::new(Quadratic::new(n), deviation));
    }
    for n in [784, 1024, 2048] {
        list.add("quadratic_large", Quadratic::new(n));
    }
    for (condition, degrees) in BOWLS {
        list.add("bowl", Bowl::new(condition, degrees));
    }
    for (condition, degrees) in BOWLS {
        list.add("bowl_noisy", Noisy::new(Bowl::new(condition, degrees), 0.1));
    }
    for problem in &softmax {
        list.add("softmax_2_class", Arc::clone(problem));
    }
    for (problem, (.., deviation)) in softmax.iter().zip(SOFTMAX) {
        list.add("softmax_2_class_noisy", Noisy::new(Arc::clone(problem), deviation));
    }
    for function in Literature::TRAINING {
        list.add("optimization_test", function);
    }
    for function in Literature::TRAINING {
        list.add("optimization_test_noisy", Noisy::new(function, 1.0));
    }
    for (size, products) in MATMUL {
        list.add("matmul", MatMulAlgorithm::new(size, products));
    }
    for n in [20, 50, 100] {
        list.add("log_objective", LogObjective::new(Quadratic::new(n)));
    }
    for condition in [0.1, 1.0, 5.0] {
        list.add("log_objective", LogObjective::new(Bowl::new(condition, 0.0)));
    }
    for (power, factor) in [(2.5, 0.123), (1.5, 8.0), (2.0, 50.0), (3.0, 200.0), (1.0, 1000.0)] {
        list.add("rescale", Rescale::new(Norm::new(18, power), factor));
    }
    for (n, factor) in [(20, 0.1), (25, 10.0), (50, 350.0), (100, 132.0)] {
        list.add("rescale", Rescale::new(Quadratic::new(n), factor));
    }
    for (n, power) in [(27, 1.0), (25, 2.0), (22, 3.0)] {
        list.add("norm", Norm::new(n, power));
    }
    for (n, power) in [(19, 1.0), (26, 2.0), (23, 3.0)] {
        list.add("norm_noisy", Noisy::new(Norm::new(n, power), 0.1));
    }
    for sum in sums() {
        list.add("sum", sum);
    }
    for sum in noisy_sums() {
        list.add("sum_noisy", sum);
    }
    for n in [20, 50, 100] {
        list.add("sparse_gradient", SparseGradient::new(Quadratic::new(n)));
    }
    for condition in [0.1, 1.0, 5.0] {
        list.add("sparse_gradient", SparseGradient::new(Bowl::new(condition, 0.0)));
    }
    list.0
}

/// A list under construction.
pub(super) struct List(pub(super) Vec<Entry>);

impl List {
    pub(super) fn add(&mut self, set: &'static str, problem: impl crate::Problem) {
        self.0.push(Entry::new(set, problem));
    }
}

/// The twelve sigmoid networks on data labelled by random networks.
fn mlps() -> Vec<Arc<dyn AnyProblem>> {
    const MLPS: [(usize, &[usize], usize); 12] = [
        (8, &[8, 5], 10),
        (12, &[8, 5, 3], 200),
        (5, &[4, 4, 4, 4], 100),
        (11, &[4, 5, 6], 64),
        (9, &[8], 128),
        (7, &[8, 5], 16),
        (8, &[32, 64], 10),
        (12, &[16, 8, 3], 200),
        (5, &[8, 8, 8, 8], 100),
        (11, &[10, 12, 12], 64),
        (9, &[32], 128),
        (7, &[32, 64], 16),
    ];
    let mlp = |(features, hidden, batch)| {
        let source = Source::once(Recipe::RandomMlp { features, rows: ROWS }, DATA_SEED);
        Arc::new(Mlp::new(hidden, Activation::Sigmoid, source, batch)) as Arc<dyn AnyProblem>
    };
    MLPS.into_iter().map(mlp).collect()
}

fn sums() -> [SumTask; 6] {
    let literature = || Literature::TRAINING.map(shared).to_vec();
    let mut with_quadratics = literature();
    with_quadratics.extend(quadratics(&[5, 13]));
    let mixed = vec![
        shared(Norm::new(18, 3.0)),
        shared(Quadratic::new(25)),
        shared(Literature::Rosenbrock),
    ];
    let three = [Literature::Rosenbrock, Literature::LogSumExp, Literature::Ackley];
    [
        SumTask::new("sum-7-quadratics", quadratics(&SEVEN)),
        SumTask::new("sum-norm-quadratic-rosenbrock", mixed),
        SumTask::new("sum-9-literature", literature()),
        SumTask::new("sum-9-literature-2-quadratics", with_quadratics),
        SumTask::new("sum-2-quadratics", quadratics(&[11, 3])),
        SumTask::new("sum-rosenbrock-log-sum-exp-ackley", three.map(shared).to_vec()),
    ]
}

/// Sums of noisy problems, whose noise has no effect, as published.
fn noisy_sums() -> [SumTask; 2] {
    let mut second: Vec<_> =
        Literature::TRAINING.map(|function| shared(Noisy::new(function, 0.5))).to_vec();
    second.extend([5, 13].map(|n| shared(Noisy::new(Quadratic::new(n), 0.5))));
    let first = SEVEN.map(|n| shared(Noisy::new(Quadratic::new(n), 0.1))).to_vec();
    [
        SumTask::new("sum-7-quadratics-noisy-0.1", first),
        SumTask::new("sum-9-literature-2-quadratics-noisy-0.5", second),
    ]
}

/// A problem behind a shared pointer.
pub(super) fn shared(problem: impl crate::Problem) -> Arc<dyn AnyProblem> {
    Arc::new(problem)
}

/// Quadratics of these dimensions.
pub(super) fn quadratics(dimensions: &[usize]) -> Vec<Arc<dyn AnyProblem>> {
    dimensions.iter().map(|&n| shared(Quadratic::new(n))).collect()
}

/// Features, separation, batch, and the noise of the noisy twin.
const SOFTMAX: [(usize, f64, usize, f64); 4] =
    [(10, 2.0, 100, 0.5), (100, 1.0, 50, 0.1), (200, 1.5, 20, 0.1), (256, 1.5, 100, 0.5)];

/// Curvature and angle of the bowls.
const BOWLS: [(f64, f64); 4] = [(0.1, 0.0), (1.0, 0.0), (5.0, 0.0), (5.0, 45.0)];

/// Size and number of products of the matrix multiplications.
const MATMUL: [(usize, usize); 10] =
    [(2, 5), (2, 6), (2, 7), (2, 8), (3, 19), (3, 20), (3, 21), (3, 22), (3, 23), (3, 24)];

/// Dimensions of the quadratics of the first sum.
const SEVEN: [usize; 7] = [11, 3, 9, 7, 5, 13, 12];

/// Examples of every generated data set.
const ROWS: usize = 1000;

/// The published seed of the training data.
const DATA_SEED: u64 = 123;
