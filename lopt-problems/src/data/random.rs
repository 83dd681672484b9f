//! Data sets of independent numbers.

use lopt_core::rng::{Rng, below, normal, unit};

use crate::instance::{Array, Dataset};

/// Independent fair bits, `(rows, features)`.
pub(super) fn binary(features: usize, rows: usize, rng: &mut Rng) -> Dataset {
    let values = (0..rows * features).map(|_| below(rng, 2) as f32).collect();
    Dataset { features: Array::new([rows, features], values), labels: Vec::new(), classes: 0 }
}

/// Normal rows, each followed by its negative, so that running sums over pairs vanish exactly.
pub(super) fn symmetric(features: usize, rows: usize, rng: &mut Rng) -> Dataset {
    assert!(rows.is_multiple_of(2), "rows come in pairs, got {rows}");
    let mut values = Vec::with_capacity(rows * features);
    for _ in 0..rows / 2 {
        let start = values.len();
        values.extend((0..features).map(|_| normal(rng) as f32));
        for i in start..start + features {
            values.push(-values[i]);
        }
    }
    Dataset { features: Array::new([rows, features], values), labels: Vec::new(), classes: 0 }
}

/// Bits with their parity, a quarter of the labels flipped.
pub(super) fn noisy_parity(rng: &mut Rng) -> Dataset {
    let mut dataset = binary(PARITY_BITS, PARITY_ROWS, rng);
    for row in 0..PARITY_ROWS {
        let parity = dataset.features.row(row).iter().sum::<f32>() as usize % 2;
        let flip = usize::from(unit(rng) < PARITY_NOISE);
        dataset.labels.push(parity ^ flip);
    }
    dataset.classes = 2;
    dataset
}

/// Bits per row of the parity problem.
pub(super) const PARITY_BITS: usize = 5;

/// Rows of the parity problem.
pub(super) const PARITY_ROWS: usize = 5;

/// Probability of a flipped parity.
const PARITY_NOISE: f64 = 0.25;
