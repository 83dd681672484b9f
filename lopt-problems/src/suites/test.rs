//! The test suite: for the final table, never to choose by.

use super::files::{Files, cifar10, mnist};
use super::{SuiteTasks, Task};
use crate::autoencoder::Autoencoder;
use crate::classifier::{Activation, AttentionNet, Cell, ConvNet, Init, Mlp, RecurrentNet, Stage};
use crate::data::{Recipe, Source};
use crate::error::ProblemError;
use crate::factorisation::Factorisation;
use crate::noise::Noisy;
use crate::transform::BadlyScaled;

/// All tasks.
pub(super) fn tasks(files: &mut Files) -> Result<SuiteTasks, ProblemError> {
    let mut suite = SuiteTasks::new();
    suite.tasks = plane();
    suite.tasks.extend(generated());
    on_mnist(&mut suite, files)?;
    on_cifar10(&mut suite, files)?;
    Ok(suite)
}

/// Small networks on points of the plane.
fn plane() -> Vec<Task> {
    let rings = || Source::fresh(Recipe::Rings { classes: 4, rows: 256 });
    let spirals = Source::fresh(Recipe::Spirals { rows: 400 });
    let tanh = Mlp::new(&[16], Activation::Tanh, rings(), 256).plain();
    let deep = Mlp::new(&[16; 5], Activation::Relu, rings(), 16).plain();
    let scaled = Mlp::new(&[24, 24], Activation::Relu, spirals, 64).plain();
    vec![
        Task::new("mlp-tanh-rings", ("mlp-tanh", "rings"), tanh, 800, 25),
        Task::new("mlp-relu-deep-rings", ("mlp-relu-deep", "rings"), deep, 600, 25),
        Task::new(
            "mlp-relu-scaled-spirals",
            ("mlp-relu-scaled", "spirals"),
            BadlyScaled::new(scaled, 2.0),
            500,
            25,
        ),
    ]
}

/// Generated sequences, images, matrices and a noisy network.
fn generated() -> Vec<Task> {
    let majority = || Source::fresh(Recipe::Majority { symbols: 6, length: 12, rows: 1000 });
    let digits = |size, rows| Source::fresh(Recipe::Digits { size, rows });
    let teacher = Source::fresh(Recipe::Teacher { features: 20, classes: 10, rows: 1000 });
    let stages =
        [Stage { kernel: 5, channels: 4, pool: 2 }, Stage { kernel: 3, channels: 8, pool: 2 }];
    let conv = ConvNet::new("conv-tanh-digits", &stages, Activation::Tanh, digits(12, 1000), 8)
        .starting_from(Init::Glorot, 0.0);
    let noisy = Mlp::new(&[32, 32], Activation::Sigmoid, teacher, 32).plain();
    let gated = RecurrentNet::new("gru-majority", Cell::Gated, 16, majority(), 32);
    let attention = AttentionNet::new("attention-majority", 2, 12, majority(), 32);
    let deep = Factorisation::new("factorisation-deep-spectrum", 30, 30, 6)
        .with_factors(3, 8)
        .with_spectrum(1.0);
    let softmax = Mlp::softmax_regression(digits(16, 400), 400).plain();
    vec![
        Task::new("softmax-digits", ("softmax", "digits"), softmax, 300, 25).seeds(3),
        Task::new("conv-tanh-digits", ("conv-tanh", "digits"), conv, 200, 5).seeds(3),
        Task::new(
            "mlp-sigmoid-noisy-teacher",
            ("mlp-sigmoid-noisy", "teacher"),
            Noisy::new(noisy, 0.01),
            600,
            5,
        ),
        Task::new("gru-majority", ("gru", "majority"), gated, 300, 5).seeds(3),
        Task::new("attention-majority", ("attention", "majority"), attention, 200, 5).seeds(3),
        Task::new("factorisation-deep-spectrum", ("factorisation-3", "spectrum"), deep, 800, 25),
    ]
}

fn on_mnist(suite: &mut SuiteTasks, files: &mut Files) -> Result<(), ProblemError> {
    suite.add(mnist("mlp-relu-mnist", "mlp-relu", 200, 5, 3), files.mnist()?, |source| {
        Mlp::new(&[64], Activation::Relu, source, 64).plain()
    });
    let plan = mnist("mlp-tanh-deep-mnist", "mlp-tanh-deep", 200, 5, 3);
    suite.add(plan, files.mnist()?, |source| {
        Mlp::new(&[32; 4], Activation::Tanh, source, 128).plain()
    });
    suite.add(mnist("conv-relu-mnist", "conv-relu", 150, 1, 2), files.mnist()?, |source| {
        let stages = [4, 8].map(|channels| Stage { kernel: 3, channels, pool: 2 });
        ConvNet::new("conv-relu-mnist", &stages, Activation::Relu, source, 16)
            .starting_from(Init::He, 0.0)
    });
    let plan = mnist("autoencoder-relu-mnist", "autoencoder-relu", 150, 1, 2);
    suite.add(plan, files.mnist()?, |source| {
        let widths = [100, 16, 100];
        Autoencoder::new("autoencoder-relu-mnist", &widths, Activation::Relu, source, 32)
    });
    Ok(())
}

fn on_cifar10(suite: &mut SuiteTasks, files: &mut Files) -> Result<(), ProblemError> {
    let plan = cifar10("softmax-cifar", "softmax", 300, 5, 2);
    suite.add(plan, files.cifar10()?, |source| Mlp::softmax_regression(source, 4).plain());
    suite.add(cifar10("conv-relu-cifar", "conv-relu", 120, 1, 2), files.cifar10()?, |source| {
        let stages = [8, 16, 16].map(|channels| Stage { kernel: 3, channels, pool: 2 });
        ConvNet::new("conv-relu-cifar", &stages, Activation::Relu, source, 16)
            .starting_from(Init::He, 0.0)
    });
    let plan = cifar10("mlp-sigmoid-cifar", "mlp-sigmoid", 100, 1, 1);
    suite.add(plan, files.cifar10()?, |source| {
        Mlp::new(&[320], Activation::Sigmoid, source, 32).plain()
    });
    Ok(())
}
