//! Inception networks: sizes, names, and that they learn.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use lopt_baselines::Adam;
use lopt_core::Optimizer as _;
use lopt_core::rng::stream;
use lopt_problems::{
    Dataset, Evaluation, InceptionModule, InceptionNet, Problem as _, Recipe, Source, lookup,
    race_problem,
};

const MODULE: InceptionModule =
    InceptionModule { one: 4, three: [4, 8], five: [2, 4], pool: 4, halves: true };

#[test]
fn the_listed_network_fits_images_of_32_pixels() {
    let problem = lookup("images-inception", None).unwrap();
    let layout = problem.layout();
    // a stem, three modules of six convolutions, each with a bias, and the dense layer
    assert_eq!(layout.tensor_count(), 2 * (1 + 3 * 6 + 1));
    let names: Vec<&str> = layout.tensors().iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names[..3], ["stem.filter", "stem.bias", "module0.one.filter"]);
    let five = names.iter().position(|&name| name == "module1.five.filter").unwrap();
    assert_eq!(layout.tensors()[five].shape, [5, 5, 4, 8]);
    let dense = layout.tensors().iter().find(|t| t.name == "dense.weight").unwrap();
    assert_eq!(dense.shape, [128, 10]);
    let mut rng = stream(1, &[]);
    let instance = problem.instance(&mut rng);
    let params = problem.init(&instance, &mut rng);
    let loss = Evaluation::new(problem, instance).loss(&params, Some(&[0, 1]));
    assert!(loss.is_finite() && loss > 0.0, "{loss}");
}

/// CIFAR-10's binary format, ten rows a file.
#[test]
fn cifar_files_make_a_race() {
    let folder = tempfile::tempdir().unwrap();
    for (part, name) in ["1", "2", "3", "4", "5"]
        .map(|i| format!("data_batch_{i}.bin"))
        .into_iter()
        .chain(["test_batch.bin".to_owned()])
        .enumerate()
    {
        let row = |i: usize| {
            let pixels = (0..3072).map(move |p| ((p * 31 + i * 7 + part) % 256) as u8);
            std::iter::once((i % 10) as u8).chain(pixels)
        };
        let bytes: Vec<u8> = (0..10).flat_map(row).collect();
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let race = race_problem("cifar-inception", Some(folder.path())).unwrap();
    let (train, test) = (race.train.unwrap(), race.test.unwrap());
    assert_eq!((train.len(), test.len()), (50, 10));
    let mut rng = stream(1, &[]);
    let instance = race.problem.instance(&mut rng);
    let params = race.problem.init(&instance, &mut rng);
    assert!(race.problem.accuracy(&params, &test).is_some());
    let mut evaluation = Evaluation::new(race.problem, instance);
    let (loss, gradient) = evaluation.value_and_gradient(&params, Some(&[0, 1, 2]));
    assert!(loss.is_finite() && gradient.iter().all(|g| g.is_finite()));
}

#[test]
fn adam_learns_the_rows_by_heart() {
    let images = Source::once(Recipe::Images { size: 8, classes: 3, rows: 8 }, 1);
    let problem = InceptionNet::new("tiny", 4, &[MODULE, MODULE], images, 8);
    let mut rng = stream(2, &[]);
    let instance = problem.instance(&mut rng);
    let mut params = problem.init(&instance, &mut rng);
    let mut evaluation = Evaluation::new(Arc::new(problem.clone()), instance);
    let mut adam = Adam::new(evaluation.layout(), 0.01);
    let start = evaluation.loss(&params, None);
    for _ in 0..150 {
        let gradient = evaluation.value_and_gradient(&params, None).1.to_vec();
        adam.step(&mut params, &gradient).unwrap();
    }
    let end = evaluation.loss(&params, None);
    assert!(end < 0.1 * start, "from {start} to {end}");
    let dataset: &Dataset = evaluation.instance().dataset.as_ref().unwrap();
    assert_eq!(problem.accuracy(&params, dataset), Some(1.0));
}
