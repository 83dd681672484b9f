//! The families of the paper in many sizes: cheap problems for meta-training on few cores.
//!
//! Wherever the lists of the paper have one size, this one has several up to 60 dimensions; data
//! sets are drawn anew for every instance; rescaling factors differ between instances.

use super::Entry;
use super::released::{List, quadratics, shared};
use crate::classifier::Mlp;
use crate::data::{Recipe, Source};
use crate::literature::Literature;
use crate::noise::Noisy;
use crate::quadratic::{Bowl, Norm, Quadratic};
use crate::slow::{DependencyChain, MinMaxWell};
use crate::stochastic::{OutwardSnake, ProjectionQuadratic, SumOfQuadratics};
use crate::transform::{LogObjective, RandomRescale, SparseGradient, SumTask};

/// Every entry has at most [`MOST_PARAMETERS`] parameters.
pub(super) fn wide_list() -> Vec<Entry> {
    let mut list = List(Vec::new());
    convex(&mut list);
    literature(&mut list);
    classification(&mut list);
    transformed(&mut list);
    slow(&mut list);
    list.0
}

fn convex(list: &mut List) {
    for n in [2, 3, 5, 7, 10, 14, 20, 25, 30, 36, 43, 50, 60] {
        list.add("quadratic", Quadratic::new(n));
    }
    for (n, deviation) in [(4, 0.1), (8, 1.0), (16, 0.5), (24, 2.0), (32, 1.0), (48, 0.5)] {
        list.add("quadratic_noisy", Noisy::new(Quadratic::new(n), deviation));
    }
    let bowls = [(0.01, 0.0), (0.1, 30.0), (1.0, 0.0), (5.0, 45.0), (20.0, 60.0), (100.0, 20.0)];
    for (condition, degrees) in bowls {
        list.add("bowl", Bowl::new(condition, degrees));
        list.add("bowl_noisy", Noisy::new(Bowl::new(condition, degrees), 0.1));
    }
    for (n, power) in
        [(3, 1.0), (6, 2.0), (9, 3.0), (15, 1.5), (22, 2.5), (30, 1.0), (40, 2.0), (55, 3.0)]
    {
        list.add("norm", Norm::new(n, power));
    }
    for (n, power) in [(5, 2.0), (19, 1.0), (26, 2.0), (44, 3.0)] {
        list.add("norm_noisy", Noisy::new(Norm::new(n, power), 0.1));
    }
}

fn literature(list: &mut List) {
    for function in Literature::TRAINING {
        list.add("optimization_test", function);
        list.add("optimization_test_noisy", Noisy::new(function, 1.0));
        list.add("optimization_test_rescaled", rescaled(function));
    }
}

fn classification(list: &mut List) {
    for (features, separation, batch) in [
        (3, 2.0, 10),
        (5, 1.0, 50),
        (8, 1.5, 20),
        (16, 2.0, 100),
        (24, 1.0, 32),
        (40, 1.5, 20),
        (60, 1.5, 64),
    ] {
        let recipe = Recipe::Corners { features, separation, rows: ROWS };
        let problem = shared(
            Mlp::softmax_regression(Source::fresh(recipe), batch)
                .named(format!("logistic-{features}")),
        );
        list.add("softmax_2_class", std::sync::Arc::clone(&problem));
        list.add("softmax_2_class_noisy", Noisy::new(problem, 0.1));
    }
    for (features, classes, batch) in
        [(4, 3, 20), (8, 4, 50), (12, 5, 16), (16, 6, 32), (20, 5, 100), (11, 10, 64)]
    {
        let recipe = Recipe::Clusters { features, classes, rows: ROWS };
        let name = format!("softmax-{features}-classes-{classes}");
        let problem = Mlp::softmax_regression(Source::fresh(recipe), batch).named(name);
        list.add("softmax", problem);
    }
}

fn transformed(list: &mut List) {
    for n in [4, 10, 20, 35, 50] {
        list.add("log_objective", LogObjective::new(Quadratic::new(n)));
        list.add("rescale", rescaled(Quadratic::new(n)));
        list.add("sparse_gradient", SparseGradient::new(Quadratic::new(n)));
    }
    for condition in [0.1, 1.0, 5.0] {
        list.add("log_objective", LogObjective::new(Bowl::new(condition, 45.0)));
        list.add("rescale", rescaled(Bowl::new(condition, 45.0)));
        list.add("sparse_gradient", SparseGradient::new(Bowl::new(condition, 45.0)));
    }
    for (n, power) in [(8, 2.5), (18, 1.5), (28, 2.0), (38, 3.0), (48, 1.0)] {
        list.add("rescale", rescaled(Norm::new(n, power)));
    }
    for function in [Literature::Rosenbrock, Literature::Branin, Literature::Booth] {
        list.add("log_objective", LogObjective::new(function));
    }
    for dimensions in [&[11, 3][..], &[20, 4, 9], &[5, 5, 5, 5, 5], &[11, 3, 9, 7, 5, 13, 12]] {
        let name: String = dimensions.iter().map(|n| format!("-{n}")).collect();
        list.add("sum", SumTask::new(format!("sum-quadratics{name}"), quadratics(dimensions)));
    }
    let mixed = [
        shared(Norm::new(18, 3.0)),
        shared(Quadratic::new(25)),
        shared(Literature::Rosenbrock),
        shared(rescaled(Quadratic::new(12))),
        shared(rescaled(Norm::new(7, 2.0))),
        shared(LogObjective::new(Quadratic::new(15))),
    ];
    for (i, first) in mixed.iter().enumerate() {
        let second = &mixed[(i + 1) % mixed.len()];
        let name = format!("sum-{}-{}", first.name(), second.name());
        list.add("sum", SumTask::new(name, vec![first.clone(), second.clone()]));
    }
    list.add("sum", SumTask::new("sum-9-literature", Literature::TRAINING.map(shared).to_vec()));
}

fn slow(list: &mut List) {
    for n in [3, 8, 20, 40, 60] {
        list.add("min_max_well", MinMaxWell::new(n));
        list.add("dependency_chain", DependencyChain::new(n));
        list.add("outward_snake", OutwardSnake::new(n, ROWS, 10));
        list.add("sum_of_quadratics", SumOfQuadratics::new(n, ROWS, 20));
        list.add("projection_quadratic", ProjectionQuadratic::new(n, ROWS, 10));
    }
}

/// A problem whose parameters are 0.001 to 1000 times as large, anew for each instance.
fn rescaled(problem: impl crate::Problem) -> RandomRescale {
    RandomRescale::new(problem, 1e-3, 1e3)
}

/// The largest problem of the wide list.
pub(super) const MOST_PARAMETERS: usize = 128;

/// Examples of every data set: few, as the meta-loss may read them all at every step.
pub(super) const ROWS: usize = 200;
