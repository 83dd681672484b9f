//! Five held-out tasks, cheap enough to be run every few hundred meta-updates.
//!
//! They are the first five of the validation suite. `lopt train` scores the same five over longer
//! horizons of its own (`lopt_meta::validation`); nothing here may change, or scores in the log of
//! meta-training would not compare.

use super::Task;
use crate::classifier::{Activation, ConvNet, Init, Mlp, Stage};
use crate::data::{Recipe, Source};

/// The quick tasks.
pub fn quick_validation_suite() -> Vec<Task> {
    let relu = Recipe::Teacher { features: 20, classes: 10, rows: 2048 };
    let tanh = Recipe::Clusters { features: 16, classes: 8, rows: 2048 };
    let spirals = Recipe::Spirals { rows: 400 };
    let small_digits = Recipe::Digits { size: 12, rows: 2000 };
    let digits = Recipe::Digits { size: 16, rows: 2000 };
    let mlp = |name: &str, hidden: &[usize], activation, recipe, batch| {
        Mlp::new(hidden, activation, Source::fresh(recipe), batch).plain().named(name)
    };
    let relu = mlp("validation-mlp-relu", &[64, 64], Activation::Relu, relu, 64);
    let tanh = mlp("validation-mlp-tanh", &[32, 32], Activation::Tanh, tanh, 32);
    let spirals = mlp("validation-spirals", &[32, 32], Activation::Tanh, spirals, 64);
    let conv = ConvNet::new(
        "validation-digits-conv",
        &[Stage { kernel: 3, channels: 6, pool: 2 }, Stage { kernel: 3, channels: 8, pool: 2 }],
        Activation::Relu,
        Source::fresh(small_digits),
        16,
    )
    .starting_from(Init::He, 0.0);
    let digits = mlp("validation-digits-mlp", &[32], Activation::Relu, digits, 32);
    vec![
        Task::new("mlp-relu-teacher", ("mlp-relu", "teacher"), relu, 400, 25),
        Task::new("mlp-tanh-clusters", ("mlp-tanh", "clusters"), tanh, 400, 25),
        Task::new("mlp-tanh-spirals", ("mlp-tanh", "spirals"), spirals, 600, 25),
        Task::new("conv-relu-digits", ("conv-relu", "digits"), conv, 200, 5),
        Task::new("mlp-relu-digits", ("mlp-relu", "digits"), digits, 400, 5),
    ]
}
