//! Five held-out tasks, cheap enough to be run every few hundred meta-updates.
//!
//! The training ensembles hold no relu or tanh network, no weight sharing and none of these data
//! sets: progress here is generalization, progress on the meta-loss alone may be overfitting to
//! small problems. All five together take a few seconds of one core. Their problems are the first
//! five of the validation suite; nothing here may change, or scores in the log of meta-training
//! would not compare.

use std::sync::Arc;

use crate::classifier::{Activation, ConvNet, Init, Mlp, Stage};
use crate::data::{Recipe, Source};
use crate::problem::{AnyProblem, Problem};

/// A held-out task, fixed but for the optimizer.
#[derive(Debug, Clone)]
pub struct ValidationTask {
    /// The problem's name.
    pub name: String,
    /// The problem.
    pub problem: Arc<dyn AnyProblem>,
    /// Seed of instance, starting point and batches.
    pub seed: u64,
    /// Rows per batch.
    pub batch: usize,
    /// Steps of a run.
    pub steps: usize,
}

/// The quick tasks.
pub fn quick_validation_suite() -> Vec<ValidationTask> {
    let relu = Recipe::Teacher { features: 20, classes: 10, rows: 2048 };
    let tanh = Recipe::Clusters { features: 16, classes: 8, rows: 2048 };
    let spirals = Recipe::Spirals { rows: 400 };
    let small_digits = Recipe::Digits { size: 12, rows: 2000 };
    let digits = Recipe::Digits { size: 16, rows: 2000 };
    let mlp = |name: &str, hidden: &[usize], activation, recipe, batch| {
        Mlp::new(hidden, activation, Source::fresh(recipe), batch).plain().named(name)
    };
    let conv = ConvNet::new(
        "validation-digits-conv",
        &[Stage { kernel: 3, channels: 6, pool: 2 }, Stage { kernel: 3, channels: 8, pool: 2 }],
        Activation::Relu,
        Source::fresh(small_digits),
        16,
    );
    vec![
        task(mlp("validation-mlp-relu", &[64, 64], Activation::Relu, relu, 64), 1, 2000),
        task(mlp("validation-mlp-tanh", &[32, 32], Activation::Tanh, tanh, 32), 2, 3000),
        task(mlp("validation-spirals", &[32, 32], Activation::Tanh, spirals, 64), 3, 3000),
        task(conv.starting_from(Init::He, 0.0), 4, 1000),
        task(mlp("validation-digits-mlp", &[32], Activation::Relu, digits, 32), 5, 1500),
    ]
}

fn task(problem: impl Problem, seed: u64, steps: usize) -> ValidationTask {
    let batch = problem.batch_size().unwrap_or(1);
    ValidationTask { name: problem.name(), problem: Arc::new(problem), seed, batch, steps }
}
