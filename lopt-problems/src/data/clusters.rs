//! Clouds of points: corners of a cube, overlapping clusters, spirals, rings.

use std::f64::consts::PI;

use lopt_core::rng::{Rng, below, normal, shuffle, uniform, unit};

use crate::instance::{Array, Dataset};

/// Two classes on four corners of a cube; see [`Recipe::Corners`](super::Recipe::Corners).
pub(super) fn corners(features: usize, separation: f64, rows: usize, rng: &mut Rng) -> Dataset {
    let centres = distinct_corners(features, separation, rng);
    let mut examples = Vec::with_capacity(rows);
    for (cluster, centre) in centres.iter().enumerate() {
        let map: Vec<f32> =
            (0..features * features).map(|_| uniform(rng, -1.0, 1.0) as f32).collect();
        // The first clusters take the rows that four does not divide.
        let count = (rows + CORNERS - 1 - cluster) / CORNERS;
        for _ in 0..count {
            let mut point = centre.clone();
            for row in map.chunks_exact(features) {
                let z = normal(rng) as f32;
                point.iter_mut().zip(row).for_each(|(x, a)| *x += z * a);
            }
            let label = if unit(rng) < FLIPPED { below(rng, 2) } else { cluster % 2 };
            examples.push((point, label));
        }
    }
    let mut columns: Vec<usize> = (0..features).collect();
    shuffle(rng, &mut columns);
    for (point, _) in &mut examples {
        *point = columns.iter().map(|&column| point[column]).collect();
    }
    shuffled(examples, features, 2, rng)
}

/// Four distinct corners of `{-separation, separation}^features`.
fn distinct_corners(features: usize, separation: f64, rng: &mut Rng) -> Vec<Vec<f32>> {
    assert!(features > 1, "four corners need at least two features");
    let mut centres: Vec<Vec<f32>> = Vec::with_capacity(CORNERS);
    while centres.len() < CORNERS {
        let corner: Vec<f32> = (0..features)
            .map(|_| if below(rng, 2) == 0 { -separation } else { separation } as f32)
            .collect();
        if !centres.contains(&corner) {
            centres.push(corner);
        }
    }
    centres
}

/// Three normal clusters per class, centres at distance about `1.2 sqrt(2 features)`.
pub(super) fn overlapping(features: usize, classes: usize, rows: usize, rng: &mut Rng) -> Dataset {
    let clusters = 3 * classes;
    let centres: Vec<f64> = (0..clusters * features).map(|_| SPREAD * normal(rng)).collect();
    let examples = (0..rows).map(|i| {
        let cluster = i % clusters;
        let centre = &centres[cluster * features..][..features];
        (centre.iter().map(|c| (c + normal(rng)) as f32).collect(), cluster % classes)
    });
    let examples = examples.collect();
    shuffled(examples, features, classes, rng)
}

/// Two spirals of one and a third turns around each other, coordinates of about unit variance.
pub(super) fn spirals(rows: usize, rng: &mut Rng) -> Dataset {
    let examples = (0..rows).map(|i| {
        let label = i % 2;
        // The square root spreads the points evenly along the arm.
        let radius = 0.1 + 0.9 * unit(rng).sqrt();
        let angle = 3.0 * PI * radius + PI * label as f64;
        let mut jitter = || SPIRAL_JITTER * normal(rng);
        let point = [radius * angle.cos() + jitter(), radius * angle.sin() + jitter()];
        (point.map(|x| (2.0 * x) as f32).to_vec(), label)
    });
    let examples = examples.collect();
    shuffled(examples, 2, 2, rng)
}

/// Concentric rings, the outermost of radius 2; see [`Recipe::Rings`](super::Recipe::Rings).
pub(super) fn rings(classes: usize, rows: usize, rng: &mut Rng) -> Dataset {
    let examples = (0..rows).map(|i| {
        let label = i % classes;
        // Rings and the gaps between them share the radius evenly.
        let slot = 2 * label as i32 + 1;
        let radius = 2.0 * (f64::from(slot) + unit(rng)) / (2 * classes) as f64;
        let angle = uniform(rng, -PI, PI);
        (vec![(radius * angle.cos()) as f32, (radius * angle.sin()) as f32], label)
    });
    let examples = examples.collect();
    shuffled(examples, 2, classes, rng)
}

/// The labelled points in random order.
fn shuffled(
    mut examples: Vec<(Vec<f32>, usize)>,
    features: usize,
    classes: usize,
    rng: &mut Rng,
) -> Dataset {
    shuffle(rng, &mut examples);
    let rows = examples.len();
    let mut values = Vec::with_capacity(rows * features);
    let mut labels = Vec::with_capacity(rows);
    for (point, label) in examples {
        values.extend(point);
        labels.push(label);
    }
    Dataset { features: Array::new([rows, features], values), labels, classes }
}

/// Clusters of the cube problem, two per class.
const CORNERS: usize = 4;

/// Share of the labels that is drawn at random.
const FLIPPED: f64 = 0.01;

/// Standard deviation of a coordinate of a cluster centre, the clusters having 1.
const SPREAD: f64 = 1.2;

/// Standard deviation of a point around its spiral.
const SPIRAL_JITTER: f64 = 0.02;
