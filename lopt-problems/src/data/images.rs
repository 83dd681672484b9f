//! Coloured images of the size of CIFAR-10, for convolutional networks without a download.

use std::f64::consts::{PI, TAU};

use lopt_core::rng::{Rng, below, normal, uniform};

use crate::instance::{Array, Dataset};

/// Gratings whose direction and colours are their class, in noise: see
/// [`Recipe::Images`](super::Recipe::Images).
pub(super) fn images(size: usize, classes: usize, rows: usize, rng: &mut Rng) -> Dataset {
    let mut values = Vec::with_capacity(rows * size * size * CHANNELS);
    let mut labels = Vec::with_capacity(rows);
    for _ in 0..rows {
        let label = below(rng, classes);
        labels.push(label);
        let part = label as f64 / classes as f64;
        let angle = PI * part + uniform(rng, -0.15, 0.15);
        let waves = uniform(rng, 2.0, 4.0) * TAU / size as f64;
        let (dx, dy) = (waves * angle.cos(), waves * angle.sin());
        let (phase, strength) = (uniform(rng, 0.0, TAU), uniform(rng, 0.5, 1.5));
        for y in 0..size {
            for x in 0..size {
                let at = phase + dx * x as f64 + dy * y as f64;
                for channel in 0..CHANNELS {
                    let colour = TAU * (part + channel as f64 / CHANNELS as f64);
                    let signal = strength * (at + colour).sin();
                    values.push((signal + NOISE * normal(rng)) as f32);
                }
            }
        }
    }
    let features = Array::new([rows, size, size, CHANNELS], values);
    Dataset { features, labels, classes }
}

/// Red, green, blue.
pub(super) const CHANNELS: usize = 3;

/// Deviation of the noise of every value; the signal's is about 0.7.
const NOISE: f64 = 0.7;
