//! Residual networks: sizes, what the normalisation sees, and that they learn.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use lopt_baselines::Adam;
use lopt_core::Optimizer as _;
use lopt_core::rng::stream;
use lopt_problems::{Evaluation, ImageNorm, Problem as _, Recipe, ResNet, Source, lookup};

/// Eight rows of tiny images in three classes.
fn tiny(norm: ImageNorm) -> (Evaluation, Vec<f32>) {
    let images = Source::once(Recipe::Images { size: 8, classes: 3, rows: 8 }, 1);
    let problem = ResNet::new("tiny", &[4, 8], 1, norm, images, 8);
    let mut rng = stream(2, &[]);
    let instance = problem.instance(&mut rng);
    let params = problem.init(&instance, &mut rng);
    (Evaluation::new(Arc::new(problem), instance), params)
}

#[test]
fn depth_is_in_the_name() {
    // stem, 2 filters per block, 2 shortcuts; a block more per stage adds 18 w^2 + 4 w
    for (name, filters, parameters) in [("resnet-8", 9, 77_850), ("resnet-14", 15, 175_066)] {
        let layout = lookup(name, None).unwrap().layout();
        let count = layout.tensors().iter().filter(|t| t.name.ends_with("filter")).count();
        assert_eq!((count, layout.len()), (filters, parameters), "{name}");
    }
}

/// The loss of a batch is the mean over its rows, unless batch statistics mix them.
#[test]
fn images_do_not_see_each_other_in_groups() {
    for (norm, apart) in [(ImageNorm::Group(2), true), (ImageNorm::Batch, false)] {
        let (mut evaluation, params) = tiny(norm);
        let whole = evaluation.loss(&params, None);
        let mean = evaluation.mean_loss(&params, 1);
        assert_eq!((mean - whole).abs() < 1e-5 * whole, apart, "{norm:?}: {mean}, {whole}");
    }
}

/// A scale of the stem's filter is normalised away, up to the epsilon.
#[test]
fn the_scale_of_activations_does_not_matter() {
    for norm in [ImageNorm::Group(1), ImageNorm::Batch] {
        let images = Source::once(Recipe::Images { size: 8, classes: 3, rows: 8 }, 1);
        let problem = ResNet::new("one", &[4], 1, norm, images, 8);
        let mut rng = stream(2, &[]);
        let instance = problem.instance(&mut rng);
        let mut params = problem.init(&instance, &mut rng);
        let layout = problem.layout();
        // The second filter of the only block is off, so the stem alone reaches the end.
        let last = layout.tensors().iter().position(|t| t.name == "block0.conv1.filter").unwrap();
        params[layout.range(last)].fill(0.0);
        let mut evaluation = Evaluation::new(Arc::new(problem), instance);
        let loss = evaluation.loss(&params, None);
        params[layout.range(0)].iter_mut().for_each(|x| *x *= 10.0);
        let scaled = evaluation.loss(&params, None);
        assert!((scaled - loss).abs() < 1e-3 * loss, "{norm:?}: {loss}, {scaled}");
    }
}

#[test]
fn adam_learns_the_rows_by_heart() {
    for norm in [ImageNorm::Group(2), ImageNorm::Batch] {
        let (mut evaluation, mut params) = tiny(norm);
        let mut adam = Adam::new(evaluation.layout(), 0.02);
        let start = evaluation.loss(&params, None);
        for _ in 0..150 {
            let gradient = evaluation.value_and_gradient(&params, None).1.to_vec();
            adam.step(&mut params, &gradient).unwrap();
        }
        let end = evaluation.loss(&params, None);
        assert!(end < 0.1 * start, "{norm:?}: from {start} to {end}");
    }
}
