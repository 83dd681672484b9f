//! The validation suite.

use super::files::{Files, cifar10, mnist};
use super::{SuiteTasks, Task, quick_validation_suite};
use crate::autoencoder::Autoencoder;
use crate::classifier::{Activation, AttentionNet, Cell, Mlp, RecurrentNet};
use crate::data::{Recipe, Source};
use crate::error::ProblemError;
use crate::factorisation::Factorisation;
use crate::noise::Noisy;
use crate::transform::BadlyScaled;

/// All tasks.
pub(super) fn tasks(files: &mut Files) -> Result<SuiteTasks, ProblemError> {
    let mut suite = SuiteTasks::new();
    suite.tasks = quick_validation_suite();
    suite.tasks.extend(generated_more());
    suite.tasks.extend(late());
    let plan = mnist("softmax-mnist", "softmax", 400, 25, 5);
    suite.add(plan, files.mnist()?, |source| Mlp::softmax_regression(source, 10).plain());
    let plan = mnist("mlp-sigmoid-mnist", "mlp-sigmoid", 200, 5, 3);
    suite.add(plan, files.mnist()?, |source| {
        Mlp::new(&[64], Activation::Sigmoid, source, 128).plain()
    });
    let plan = cifar10("mlp-relu-cifar", "mlp-relu", 150, 1, 2);
    suite.add(plan, files.cifar10()?, |source| {
        Mlp::new(&[64, 64], Activation::Relu, source, 64).plain()
    });
    Ok(suite)
}

/// What needs no files and is not in the quick suite.
fn generated_more() -> Vec<Task> {
    let digits = Source::fresh(Recipe::Digits { size: 12, rows: 1000 });
    let chains = Recipe::Chains { symbols: 8, classes: 4, length: 16, rows: 1000 };
    let recall = Recipe::Recall { keys: 8, values: 4, pairs: 6, rows: 2000 };
    let teacher = Recipe::Teacher { features: 20, classes: 10, rows: 1000 };
    let clusters = Recipe::Clusters { features: 16, classes: 8, rows: 1000 };
    let autoencoder =
        Autoencoder::new("autoencoder-tanh-digits", &[64, 12, 64], Activation::Tanh, digits, 64);
    let recurrent = RecurrentNet::new("rnn-tanh-chains", Cell::Tanh, 24, Source::fresh(chains), 32);
    let attention = AttentionNet::new("attention-recall", 1, 16, Source::fresh(recall), 32);
    let factors = Factorisation::new("factorisation-completion", 60, 40, 4).with_observed(0.4);
    let scaled = Mlp::new(&[32], Activation::Tanh, Source::fresh(teacher), 16).plain();
    let noisy = Mlp::new(&[32], Activation::Relu, Source::fresh(clusters), 1).plain();
    vec![
        Task::new("autoencoder-tanh-digits", ("autoencoder-tanh", "digits"), autoencoder, 200, 5),
        Task::new("rnn-tanh-chains", ("rnn-tanh", "chains"), recurrent, 300, 5),
        Task::new("attention-recall", ("attention", "recall"), attention, 300, 5),
        Task::new("factorisation-completion", ("factorisation-2", "completion"), factors, 400, 25),
        Task::new(
            "mlp-tanh-scaled-teacher",
            ("mlp-tanh-scaled", "teacher"),
            BadlyScaled::new(scaled, 2.0),
            400,
            25,
        ),
        Task::new(
            "mlp-relu-noisy-clusters",
            ("mlp-relu-noisy", "clusters"),
            Noisy::new(noisy, 0.1),
            800,
            5,
        ),
    ]
}

/// What shows whether progress goes on: exact gradients, deep, noisy and badly scaled networks over
/// 25 horizons.
fn late() -> Vec<Task> {
    let teacher = |rows| Source::fresh(Recipe::Teacher { features: 20, classes: 10, rows });
    let rings = Source::fresh(Recipe::Rings { classes: 4, rows: 256 });
    let spirals = Source::fresh(Recipe::Spirals { rows: 400 });
    let clusters = Source::fresh(Recipe::Clusters { features: 16, classes: 8, rows: 1000 });
    let chains = Recipe::Chains { symbols: 8, classes: 4, length: 16, rows: 1000 };
    let softmax = Mlp::softmax_regression(teacher(400), 400).plain();
    let sigmoid = Mlp::new(&[16], Activation::Sigmoid, rings, 256).plain();
    let deep = Mlp::new(&[16; 5], Activation::Relu, spirals, 16).plain();
    let scaled = Mlp::new(&[24, 24], Activation::Relu, clusters, 32).plain();
    let noisy = Mlp::new(&[32], Activation::Tanh, teacher(1000), 4).plain();
    let gated = RecurrentNet::new("gru-chains", Cell::Gated, 16, Source::fresh(chains), 32);
    let factors = Factorisation::new("factorisation-deep-completion", 30, 30, 6)
        .with_factors(3, 8)
        .with_observed(0.5);
    vec![
        Task::new("softmax-teacher", ("softmax", "teacher"), softmax, 300, 25).seeds(3),
        Task::new("mlp-sigmoid-rings", ("mlp-sigmoid", "rings"), sigmoid, 800, 25).seeds(3),
        Task::new("mlp-relu-deep-spirals", ("mlp-relu-deep", "spirals"), deep, 600, 25),
        Task::new(
            "mlp-relu-scaled-clusters",
            ("mlp-relu-scaled", "clusters"),
            BadlyScaled::new(scaled, 2.0),
            500,
            25,
        ),
        Task::new(
            "mlp-tanh-noisy-teacher",
            ("mlp-tanh-noisy", "teacher"),
            Noisy::new(noisy, 0.05),
            600,
            25,
        ),
        Task::new("gru-chains", ("gru", "chains"), gated, 300, 5).seeds(3),
        Task::new(
            "factorisation-deep-completion",
            ("factorisation-3", "completion"),
            factors,
            800,
            25,
        )
        .seeds(3),
    ]
}
