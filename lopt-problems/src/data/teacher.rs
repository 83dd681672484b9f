//! Normal inputs with labels from a random network.

use lopt_core::rng::{Rng, normal, unit};

use crate::instance::{Array, Dataset};

/// Two classes from a random relu network; see [`Recipe::RandomMlp`](super::Recipe::RandomMlp).
///
/// Six layers of width 20 without biases, weights normal with deviation `sqrt(2 / features)`
/// throughout; the label says whether the first output is positive. About half of all networks are
/// lopsided.
pub(super) fn random_mlp(features: usize, rows: usize, rng: &mut Rng) -> Dataset {
    let scale = (2.0 / features as f64).sqrt();
    let mut attempts = 0;
    loop {
        let inputs: Vec<f32> = (0..rows * features).map(|_| normal(rng) as f32).collect();
        let mut layers = vec![layer(features, HIDDEN, scale, rng)];
        layers.extend((1..LAYERS).map(|_| layer(HIDDEN, HIDDEN, scale, rng)));
        let label = |row: &[f32]| {
            let outputs = layers.iter().fold(row.to_vec(), |row, layer| {
                apply(layer, &row).into_iter().map(|x| x.max(0.0)).collect()
            });
            usize::from(outputs[0] > 0.0)
        };
        let labels: Vec<usize> = inputs.chunks_exact(features).map(label).collect();
        let positive = labels.iter().sum::<usize>();
        let minority = positive.min(rows - positive) as f64 / rows as f64;
        attempts += 1;
        if minority >= LEAST_MINORITY || attempts == MOST_ATTEMPTS {
            let features = Array::new([rows, features], inputs);
            return Dataset { features, labels, classes: 2 };
        }
    }
}

/// The largest output of a random network with one hidden layer of 32 tanh units.
pub(super) fn tanh_teacher(features: usize, classes: usize, rows: usize, rng: &mut Rng) -> Dataset {
    let hidden = layer(features, TEACHER_HIDDEN, 1.5 / (features as f64).sqrt(), rng);
    let output = layer(TEACHER_HIDDEN, classes, 1.0, rng);
    let inputs: Vec<f32> = (0..rows * features).map(|_| normal(rng) as f32).collect();
    let label = |row: &[f32]| {
        let hidden: Vec<f32> = apply(&hidden, row).into_iter().map(f32::tanh).collect();
        let outputs = apply(&output, &hidden);
        (0..classes).max_by(|&a, &b| outputs[a].total_cmp(&outputs[b])).unwrap_or(0)
    };
    let labels = inputs.chunks_exact(features).map(label).collect();
    Dataset { features: Array::new([rows, features], inputs), labels, classes }
}

/// Labels with the probabilities of a random softmax regression.
pub(super) fn drawn_labels(features: usize, classes: usize, rows: usize, rng: &mut Rng) -> Dataset {
    let layer = layer(features, classes, LOGIT_DEVIATION / (features as f64).sqrt(), rng);
    let inputs: Vec<f32> = (0..rows * features).map(|_| normal(rng) as f32).collect();
    let label = |row: &[f32]| {
        let weights: Vec<f32> = apply(&layer, row).into_iter().map(f32::exp).collect();
        let mut left = unit(rng) as f32 * weights.iter().sum::<f32>();
        let mut passed = |weight: &f32| {
            left -= weight;
            left < 0.0
        };
        weights.iter().position(&mut passed).unwrap_or(classes - 1)
    };
    let labels = inputs.chunks_exact(features).map(label).collect();
    Dataset { features: Array::new([rows, features], inputs), labels, classes }
}

/// Weights `(inputs, outputs)`, one row per input.
struct Layer {
    outputs: usize,
    weights: Vec<f32>,
}

fn layer(inputs: usize, outputs: usize, scale: f64, rng: &mut Rng) -> Layer {
    let weights = (0..inputs * outputs).map(|_| (scale * normal(rng)) as f32).collect();
    Layer { outputs, weights }
}

fn apply(layer: &Layer, row: &[f32]) -> Vec<f32> {
    let mut sums = vec![0.0; layer.outputs];
    for (x, weights) in row.iter().zip(layer.weights.chunks_exact(layer.outputs)) {
        sums.iter_mut().zip(weights).for_each(|(sum, w)| *sum += x * w);
    }
    sums
}

/// Layers of the labelling relu network.
const LAYERS: usize = 6;

/// Units in each of its layers.
const HIDDEN: usize = 20;

/// Smallest share of the smaller class.
const LEAST_MINORITY: f64 = 0.05;

/// Ends the search; by then a lopsided set has a probability below 1e-30.
const MOST_ATTEMPTS: usize = 200;

/// Hidden units of the tanh teacher.
const TEACHER_HIDDEN: usize = 32;

/// Deviation of the logits from which labels are drawn.
const LOGIT_DEVIATION: f64 = 1.5;
