//! Problems of random family and random size.

use std::sync::Arc;

use lopt_core::rng::{Rng, below, uniform, unit};

use super::Entry;
use super::released::shared;
use super::wide::ROWS;
use crate::classifier::Mlp;
use crate::data::{Recipe, Source};
use crate::literature::Literature;
use crate::noise::Noisy;
use crate::problem::AnyProblem;
use crate::quadratic::{Bowl, Norm, Quadratic};
use crate::slow::{DependencyChain, MinMaxWell};
use crate::stochastic::{OutwardSnake, ProjectionQuadratic, SumOfQuadratics};
use crate::transform::{LogObjective, RandomRescale, SparseGradient, SumTask};

/// Draws a problem from the families of the paper with up to 60 dimensions, 128 parameters at most.
///
/// The seven families are equally likely. Of the problems 80% are rescaled, by a factor from 0.3 to
/// 1000 that differs between instances, 10% get gradient noise and 5% sparse gradients; noise of a
/// fixed size would drown a rescaled gradient, so none gets both. Names tell the size, but
/// [`lookup`](crate::lookup) does not know them.
pub fn sampled_problem(rng: &mut Rng) -> Entry {
    let (set, problem) = family(rng);
    let problem = match unit(rng) {
        u if u < 0.8 => shared(RandomRescale::new(problem, 0.3, 1000.0)),
        u if u < 0.9 => shared(Noisy::new(problem, [0.1, 0.5, 1.0][below(rng, 3)])),
        u if u < 0.95 => shared(SparseGradient::new(problem)),
        _ => problem,
    };
    Entry { set, problem }
}

fn family(rng: &mut Rng) -> (&'static str, Arc<dyn AnyProblem>) {
    match below(rng, 7) {
        0 => ("quadratic", shared(Quadratic::new(dimensions(rng, 60)))),
        1 => ("norm", norm(rng, 60)),
        2 => ("optimization_test", shared(Literature::TRAINING[below(rng, 9)])),
        3 => ("softmax", softmax(rng)),
        4 => ("log_objective", logarithm(rng)),
        5 => ("sum", sum(rng)),
        _ => slow(rng),
    }
}

/// Uniform from 2 to `most`.
fn dimensions(rng: &mut Rng, most: usize) -> usize {
    2 + below(rng, most - 1)
}

fn norm(rng: &mut Rng, most: usize) -> Arc<dyn AnyProblem> {
    let power = [1.0, 1.5, 2.0, 2.5, 3.0][below(rng, 5)];
    shared(Norm::new(dimensions(rng, most), power))
}

fn softmax(rng: &mut Rng) -> Arc<dyn AnyProblem> {
    let batch = [10, 20, 50, 100][below(rng, 4)];
    if unit(rng) < 0.5 {
        let separation = uniform(rng, 0.5, 2.0);
        let recipe = Recipe::Corners { features: dimensions(rng, 60), separation, rows: ROWS };
        return shared(Mlp::softmax_regression(Source::fresh(recipe), batch));
    }
    let classes = 3 + below(rng, 6);
    let recipe = Recipe::Clusters { features: dimensions(rng, 15), classes, rows: ROWS };
    shared(Mlp::softmax_regression(Source::fresh(recipe), batch))
}

fn logarithm(rng: &mut Rng) -> Arc<dyn AnyProblem> {
    match below(rng, 3) {
        0 => shared(LogObjective::new(Quadratic::new(dimensions(rng, 60)))),
        1 => {
            // Two digits keep the name readable.
            let condition = uniform(rng, 0.01_f64.ln(), 100.0_f64.ln()).exp();
            let condition = (condition * 100.0).round() / 100.0;
            shared(LogObjective::new(Bowl::new(condition, below(rng, 90) as f64)))
        }
        _ => shared(LogObjective::new(Literature::TRAINING[below(rng, 9)])),
    }
}

fn sum(rng: &mut Rng) -> Arc<dyn AnyProblem> {
    let count = 2 + below(rng, 4);
    let part = |_| match below(rng, 3) {
        0 => shared(Quadratic::new(dimensions(rng, 20))),
        1 => norm(rng, 20),
        _ => shared(Literature::TRAINING[below(rng, 9)]),
    };
    let parts: Vec<_> = (0..count).map(part).collect();
    let names: Vec<String> = parts.iter().map(|part| part.name()).collect();
    shared(SumTask::new(format!("sum-{}", names.join("+")), parts))
}

fn slow(rng: &mut Rng) -> (&'static str, Arc<dyn AnyProblem>) {
    let (n, batch) = (dimensions(rng, 60), [10, 20, 50][below(rng, 3)]);
    match below(rng, 5) {
        0 => ("min_max_well", shared(MinMaxWell::new(n))),
        1 => ("dependency_chain", shared(DependencyChain::new(n))),
        2 => ("outward_snake", shared(OutwardSnake::new(n, ROWS, batch))),
        3 => ("sum_of_quadratics", shared(SumOfQuadratics::new(n, ROWS, batch))),
        _ => ("projection_quadratic", shared(ProjectionQuadratic::new(n, ROWS, batch))),
    }
}
