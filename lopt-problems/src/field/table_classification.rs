//! Job `table-classification`: rare and frequent classes predicted from numbers and categories.

use std::sync::Arc;

use lopt_core::rng::{Rng, normal, unit};

use super::FieldTask;
use super::random::{FIXED, Purpose, random};
use super::table::{Loss, Table, TableJob, standardize};
use super::tabular_mlp::TabularMlp;
use crate::classifier::Activation;
use crate::instance::Array;

/// Embeddings of four categorical columns beside six numbers into a perceptron 96-48-4 with dropout
/// 0.3, on 8,000 rows, batches of 128.
///
/// The classes make up 70, 20, 8 and 2 %. Labels are drawn from probabilities that depend on the row,
/// so that the best cross-entropy is well above zero.
pub(super) fn task() -> FieldTask {
    let family = ("mlp-embeddings", "table-classes");
    FieldTask::new(NAME, family, 1500, job(WIDTHS, [96, 48], ROWS, BATCH))
}

/// The job with embeddings and hidden layers of these widths, on so many rows to train on and to
/// validate on.
fn job(
    widths: [usize; CATEGORICAL],
    hidden: [usize; 2],
    (train, validation): (usize, usize),
    batch: usize,
) -> TableJob<TabularMlp> {
    let (table, _) = table(train, validation);
    let (train, validation) = table.split(train);
    let model = TabularMlp {
        numbers: NUMERIC,
        embeddings: CATEGORIES.into_iter().zip(widths).collect(),
        hidden: hidden.to_vec(),
        activation: Activation::Relu,
        outputs: CLASSES,
        dropout: 0.3,
    };
    let (train, validation) = (Arc::new(train), Arc::new(validation));
    TableJob { name: NAME, model, loss: Loss::CrossEntropy, batch, train, validation }
}

/// `train + validation` rows, and the probabilities of the classes from which labels were drawn.
fn table(train: usize, validation: usize) -> (Table, Vec<[f64; CLASSES]>) {
    let rows = train + validation;
    let mut rng = random(NAME, FIXED, Purpose::Data);
    let hidden = Hidden::draw(&mut rng);
    let mut numbers = Vec::new();
    let mut categories = vec![Vec::new(); CATEGORICAL];
    let mut logits = Vec::new();
    for _ in 0..rows {
        let drawn = draw_numbers(&mut rng);
        let of_row = CATEGORIES.map(|count| draw_category(count, &mut rng));
        logits.push(hidden.logits(&drawn, of_row));
        numbers.extend(drawn);
        categories.iter_mut().zip(of_row).for_each(|(column, category)| column.push(category));
    }
    standardize(&mut numbers, NUMERIC, train);
    let probabilities = with_frequencies(&logits, FREQUENCIES);
    let mut targets = vec![0.0; rows * CLASSES];
    for (target, probabilities) in targets.chunks_exact_mut(CLASSES).zip(&probabilities) {
        let mut left = unit(&mut rng);
        let passed = |p: &f64| {
            left -= p;
            left < 0.0
        };
        target[probabilities.iter().position(passed).unwrap_or(CLASSES - 1)] = 1.0;
    }
    let numbers = numbers.into_iter().map(|x| x as f32).collect();
    let numbers = Array::new([rows, NUMERIC], numbers);
    let table = Table { numbers, categories, targets: Array::new([rows, CLASSES], targets) };
    (table, probabilities)
}

/// Plain, correlated and skewed numbers.
fn draw_numbers(rng: &mut Rng) -> [f64; NUMERIC] {
    let z: [f64; NUMERIC] = std::array::from_fn(|_| normal(rng));
    [z[0], 0.7 * z[0] + 0.7 * z[1], (0.7 * z[2]).exp(), z[3], z[4] * z[4], z[5]]
}

/// One of `count` categories, the later the rarer.
fn draw_category(count: usize, rng: &mut Rng) -> usize {
    // The square puts half of the rows into the first quarter of the categories.
    ((count as f64 * unit(rng).powi(2)) as usize).min(count - 1)
}

/// What the categories do to the classes.
struct Hidden {
    /// For each column and category an effect on the classes.
    effects: Vec<Vec<[f64; CLASSES]>>,
    /// For each category of the last column, how it turns the effect of the numbers.
    slopes: Vec<[f64; CLASSES]>,
}

impl Hidden {
    fn draw(rng: &mut Rng) -> Self {
        let mut effects = |count| -> Vec<[f64; CLASSES]> {
            (0..count).map(|_| std::array::from_fn(|_| normal(rng))).collect()
        };
        let slopes = effects(CATEGORIES[1]);
        Self { effects: CATEGORIES.map(effects).to_vec(), slopes }
    }

    fn logits(&self, x: &[f64; NUMERIC], categories: [usize; CATEGORICAL]) -> [f64; CLASSES] {
        let numeric = [
            x[0] * x[3].tanh(),
            (2.0 * x[1]).sin() + 0.5 * x[3],
            (1.0 + x[2]).ln() * 2.0 - x[0].abs(),
            x[4].sqrt() + x[1] * x[0].tanh(),
        ];
        std::array::from_fn(|class| {
            let columns = self.effects.iter().zip(categories);
            let main: f64 = columns.map(|(effects, category)| effects[category][class]).sum();
            SHARPNESS * (numeric[class] + main * MAIN + self.slopes[categories[1]][class] * x[5])
        })
    }
}

/// Softmax of the logits plus one number per class, such that the mean probabilities are
/// `frequencies`.
fn with_frequencies(logits: &[[f64; CLASSES]], frequencies: [f64; CLASSES]) -> Vec<[f64; CLASSES]> {
    let mut offsets = frequencies.map(f64::ln);
    let mut probabilities = Vec::new();
    for _ in 0..FREQUENCY_STEPS {
        let softmax = |row: &[f64; CLASSES]| {
            let weights: [f64; CLASSES] = std::array::from_fn(|c| (row[c] + offsets[c]).exp());
            let sum: f64 = weights.iter().sum();
            weights.map(|weight| weight / sum)
        };
        probabilities = logits.iter().map(softmax).collect();
        for class in 0..CLASSES {
            let mean = probabilities.iter().map(|p| p[class]).sum::<f64>() / logits.len() as f64;
            offsets[class] += (frequencies[class] / mean).ln();
        }
    }
    probabilities
}

const NAME: &str = "table-classification";

/// Numeric columns.
const NUMERIC: usize = 6;

/// Categorical columns.
const CATEGORICAL: usize = 4;

/// Number of categories of each.
const CATEGORIES: [usize; CATEGORICAL] = [5, 12, 40, 200];

/// Width of the embedding of each.
const WIDTHS: [usize; CATEGORICAL] = [2, 3, 4, 6];

const CLASSES: usize = 4;

/// Shares of the classes.
const FREQUENCIES: [f64; CLASSES] = [0.7, 0.2, 0.08, 0.02];

/// Rounds in which the shares are reached; each comes several times closer.
const FREQUENCY_STEPS: usize = 40;

/// Weight of the effects of categories beside those of numbers.
const MAIN: f64 = 0.7;

/// How surely the classes follow from the row.
const SHARPNESS: f64 = 2.0;

/// Rows to train on and to validate on.
const ROWS: (usize, usize) = (8000, 1500);

const BATCH: usize = 128;

#[cfg(test)]
mod tests {
    use super::super::Job;
    use super::super::laws::{assert_measuring_changes_nothing, assert_starts_repeat, trained};
    use super::super::table::tests::table_gradient_error;
    use super::*;

    #[test]
    fn classes_have_their_shares_and_stay_uncertain() {
        let (table, probabilities) = table(ROWS.0, ROWS.1);
        let rows = table.rows() as f64;
        for (class, frequency) in FREQUENCIES.into_iter().enumerate() {
            let drawn: f32 = table.targets.values.iter().skip(class).step_by(CLASSES).sum();
            assert!((f64::from(drawn) / rows - frequency).abs() < 0.01, "class {class}: {drawn}");
        }
        let labels = table.targets.values.chunks_exact(CLASSES).zip(&probabilities);
        let log_likelihood = labels.map(|(target, probabilities)| {
            let of_row = target.iter().zip(probabilities);
            of_row.map(|(&one, p)| f64::from(one) * p.ln()).sum::<f64>()
        });
        let floor = -log_likelihood.sum::<f64>() / rows;
        assert!(floor > 0.2 && floor < 0.4, "{floor}");
    }

    #[test]
    fn every_category_is_drawn() {
        let (table, _) = table(ROWS.0, ROWS.1);
        for (column, count) in table.categories.iter().zip(CATEGORIES) {
            let mut seen = column.clone();
            seen.sort_unstable();
            seen.dedup();
            assert_eq!(seen.len(), count);
        }
    }

    #[test]
    fn gradients_are_right() {
        let error = table_gradient_error(&job([2, 1, 1, 1], [5, 4], (50, 5), 6));
        assert!(error < 1e-6, "{error:e}");
    }

    #[test]
    fn categories_outside_the_batch_have_no_gradient() {
        let job = job(WIDTHS, [96, 48], ROWS, 32);
        let mut start = job.start(0);
        let mut gradient = vec![1.0; start.params.len()];
        start.objective.next_batch();
        start.objective.loss_and_gradient(&start.params, &mut gradient);
        let mut batches = job.batches(0);
        let rows = batches.next_rows();
        for (i, column) in job.train.categories.iter().enumerate() {
            let embedding = &gradient[job.layout().range(i)];
            for (category, row) in embedding.chunks_exact(WIDTHS[i]).enumerate() {
                let used = rows.iter().any(|&r| column[r] == category);
                assert_eq!(row.iter().any(|&g| g != 0.0), used, "column {i}, {category}");
            }
        }
    }

    /// With all weights zero, the bias of one class decides for it.
    #[test]
    fn accuracy_counts_the_right_rows() {
        let task = task();
        let mut start = task.job.start(0);
        let last = start.params.len() - CLASSES;
        for (class, frequency) in FREQUENCIES.into_iter().enumerate() {
            start.params.fill(0.0);
            start.params[last + class] = 1.0;
            let accuracy = start.objective.validate(&start.params).unwrap().accuracy.unwrap();
            assert!((accuracy - frequency).abs() < 0.04, "class {class}: {accuracy}");
        }
    }

    #[test]
    fn runs_repeat_and_learn() {
        let task = task();
        assert_starts_repeat(&*task.job);
        assert_measuring_changes_nothing(&*task.job);
        let guessing = task.job.guessing();
        assert!((guessing - 0.85).abs() < 0.05, "{guessing}");
        let loss = trained(&*task.job, 1e-2, 80);
        assert!(loss < 0.9 * guessing, "{loss}");
    }
}
