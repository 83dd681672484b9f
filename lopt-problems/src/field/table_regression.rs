//! Job `table-regression`: a raw target predicted from a table of numbers.

use std::sync::Arc;

use lopt_core::rng::{Rng, normal, unit};

use super::FieldTask;
use super::random::{FIXED, Purpose, random};
use super::table::{Loss, Table, TableJob, standardize};
use super::tabular_mlp::TabularMlp;
use crate::classifier::Activation;
use crate::instance::Array;

/// A perceptron 14-128-128-1 with dropout 0.1 on 8,000 rows, batches of 128.
///
/// The target is used as it is, with mean 14 and standard deviation 5, as those do who do not think of
/// scaling it. Noise of deviation 1 is part of it, so that no model has a mean squared error below
/// about 1.
pub(super) fn task() -> FieldTask {
    let family = ("mlp-dropout", "table-regression");
    FieldTask::new(NAME, family, 2000, job([128, 128], ROWS, BATCH))
}

/// The job with a network of these hidden widths, on so many rows to train on and to validate on.
fn job(
    hidden: [usize; 2],
    (train, validation): (usize, usize),
    batch: usize,
) -> TableJob<TabularMlp> {
    let (table, _) = table(train, validation);
    let (train, validation) = table.split(train);
    let model = TabularMlp {
        numbers: COLUMNS,
        embeddings: Vec::new(),
        hidden: hidden.to_vec(),
        activation: Activation::Relu,
        outputs: 1,
        dropout: 0.1,
    };
    let (train, validation) = (Arc::new(train), Arc::new(validation));
    TableJob { name: NAME, model, loss: Loss::SquaredError, batch, train, validation }
}

/// `train + validation` rows, and the part of their targets that can be explained.
fn table(train: usize, validation: usize) -> (Table, Vec<f64>) {
    let rows = train + validation;
    let mut rng = random(NAME, FIXED, Purpose::Data);
    let (mut numbers, mut explained) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let row = draw_row(&mut rng);
        explained.push(signal(&row));
        numbers.extend(row);
    }
    standardize(&mut numbers, COLUMNS, train);
    standardize(&mut explained, 1, train);
    let deviation = (DEVIATION * DEVIATION - NOISE * NOISE).sqrt();
    explained.iter_mut().for_each(|x| *x = MEAN + deviation * *x);
    let targets = explained.iter().map(|x| (x + NOISE * normal(&mut rng)) as f32).collect();
    let numbers = numbers.into_iter().map(|x| x as f32).collect();
    let table = Table {
        numbers: Array::new([rows, COLUMNS], numbers),
        categories: Vec::new(),
        targets: Array::new([rows, 1], targets),
    };
    (table, explained)
}

/// Plain, correlated, skewed, heavy-tailed and two-valued columns; numbers 7, 8, 11, 12 and 13 are not in
/// the [`signal`].
fn draw_row(rng: &mut Rng) -> [f64; COLUMNS] {
    let z: [f64; COLUMNS] = std::array::from_fn(|_| normal(rng));
    let two_valued = if unit(rng) < 0.3 { 1.0 } else { 0.0 };
    [
        z[0],
        z[1],
        0.8 * z[0] + 0.6 * z[2],
        0.6 * z[1] - 0.5 * z[2] + 0.6 * z[3],
        unit(rng),
        (0.8 * z[4]).exp(),
        (0.5 * z[4] + 0.6 * z[5]).exp(),
        z[6] * z[6],
        z[7] * (1.0 + z[7] * z[7]) / 4.0,
        two_valued,
        z[8] + two_valued,
        z[9],
        0.7 * z[10] + 0.7 * z[0],
        z[11],
    ]
}

/// What can be explained of the target, before it is scaled.
fn signal(x: &[f64; COLUMNS]) -> f64 {
    let wave = (3.0 * x[4]).sin();
    1.5 * x[0].sin()
        + x[1] * x[2].tanh()
        + (1.0 + x[5]).ln() * (1.0 + 0.5 * x[3].tanh())
        + 0.8 * (x[10] - 0.5).max(0.0)
        - (1.0 + x[6]).ln()
        + (0.5 + x[9]) * wave
}

const NAME: &str = "table-regression";

/// Numeric columns.
const COLUMNS: usize = 14;

/// Rows to train on and to validate on.
const ROWS: (usize, usize) = (8000, 1000);

const BATCH: usize = 128;

/// Mean of the target.
const MEAN: f64 = 14.0;

/// Standard deviation of the target.
const DEVIATION: f64 = 5.0;

/// Standard deviation of the part of the target that nothing explains.
const NOISE: f64 = 1.0;

#[cfg(test)]
mod tests {
    use super::super::laws::{assert_measuring_changes_nothing, assert_starts_repeat, trained};
    use super::super::table::tests::table_gradient_error;
    use super::*;

    fn mean_and_deviation(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
        let count = values.clone().count() as f64;
        let mean = values.clone().sum::<f64>() / count;
        (mean, (values.map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt())
    }

    #[test]
    fn the_target_is_raw_and_partly_noise() {
        let (table, explained) = table(ROWS.0, ROWS.1);
        let targets = table.targets.values.iter().map(|&x| f64::from(x));
        let (mean, deviation) = mean_and_deviation(targets.clone());
        assert!((mean - 14.0).abs() < 0.1 && (deviation - 5.0).abs() < 0.1, "{mean} {deviation}");
        let noise = targets.zip(&explained).map(|(target, x)| target - x);
        let (mean, deviation) = mean_and_deviation(noise);
        assert!(mean.abs() < 0.05 && (deviation - 1.0).abs() < 0.05, "{mean} {deviation}");
        for column in 0..COLUMNS {
            let values = table.numbers.values.iter().skip(column).step_by(COLUMNS);
            let (mean, deviation) = mean_and_deviation(values.map(|&x| f64::from(x)));
            assert!(mean.abs() < 0.05 && (deviation - 1.0).abs() < 0.05, "column {column}");
        }
    }

    #[test]
    fn gradients_are_right() {
        let error = table_gradient_error(&job([5, 4], (50, 5), 6));
        assert!(error < 1e-6, "{error:e}");
    }

    #[test]
    fn runs_repeat_and_learn() {
        let task = task();
        assert_eq!(task.job.layout().len(), 18_561);
        assert_starts_repeat(&*task.job);
        assert_measuring_changes_nothing(&*task.job);
        let guessing = task.job.guessing();
        assert!((guessing - 25.0).abs() < 2.0, "{guessing}");
        let loss = trained(&*task.job, 1e-2, 60);
        assert!(loss < 0.6 * guessing && loss > 1.0, "{loss}");
    }
}
