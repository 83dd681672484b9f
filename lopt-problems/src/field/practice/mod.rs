//! Practice jobs: small random relatives of the jobs of the field suite, to meta-train on.
//!
//! Every number is a job of its own, with its own data, widths, noise and horizon; none of them has
//! data of the field suite. A run takes a fifth of a second.

mod classification;
mod language;
mod normed;
mod varied;

use std::f64::consts::TAU;
use std::sync::Arc;

use lopt_core::rng::{Rng, below, normal, stream, uniform, unit};

use super::Job;
use super::lstm::Lstm;
use super::recommender::{RatingModel, ratings};
use super::resnet::ResnetCifar;
use super::table::{Loss, Table, TableJob, TableModel, standardize};
use super::tabular_mlp::TabularMlp;
use super::transformer::Transformer;
use super::vae::Vae;
use crate::classifier::Activation;
use crate::data::Recipe;
use crate::instance::{Array, Dataset};
use classification::classification;
use language::{language, sequences};
use normed::Normed;
use varied::{Start, Varied};

/// A drawn job.
#[derive(Debug, Clone)]
pub struct PracticeTask {
    /// Kind of the job.
    pub family: &'static str,
    /// Optimizer steps of a run.
    pub steps: usize,
    /// Whether its loss can go to zero, so that its logarithm counts.
    pub to_zero: bool,
    /// Whether the best loss on the way counts, as where users keep the best parameters.
    pub keeps_best: bool,
    /// The job.
    pub job: Arc<dyn Job>,
}

/// The practice job of a number.
pub fn practice(number: u64) -> PracticeTask {
    draw(number, true)
}

/// The practice job of a number with parameters in its own units and its usual start.
pub fn plain_practice(number: u64) -> PracticeTask {
    draw(number, false)
}

fn draw(number: u64, augmented: bool) -> PracticeTask {
    let rng = &mut stream(PRACTICE, &[number]);
    let family = FAMILIES[(number % FAMILIES.len() as u64) as usize];
    let mut start = Start::Usual(1.0);
    let (job, rows): (Arc<dyn Job>, usize) = match family {
        "regression" => shared(regression(rng)),
        "classification" => {
            let (job, from) = classification(rng);
            start = from;
            shared(job)
        }
        "ratings" => shared(rating(rng)),
        "recurrent" => {
            let text = language(rng);
            let (width, units) = (width(rng, 4, 16), width(rng, 4, 24));
            sequences(text, 32, rng, |characters, _| Lstm { characters, width, units })
        }
        "attention" => {
            let text = language(rng);
            let (heads, layers) = (1 + below(rng, 2), 1 + below(rng, 2));
            let width = 2 * width(rng, 4, 12);
            sequences(text, 40, rng, |characters, context| Transformer {
                characters,
                layers,
                width,
                heads,
                context,
            })
        }
        "convolution" => {
            let (rows, batch) = (width(rng, 100, 400), width(rng, 8, 48));
            let images = Recipe::Images { size: 16, classes: 3 + below(rng, 6), rows: rows + 80 };
            let widths = [(); 3].map(|()| width(rng, 3, 6));
            let job = ResnetCifar::new(&images.make(rng), widths, batch, rows, 80);
            (Arc::new(job), 60 * batch)
        }
        "autoencoder" => {
            let (hidden, latent, batch) =
                (width(rng, 8, 48), 2 + below(rng, 5), width(rng, 12, 192));
            (Arc::new(Vae::new(&patterns(rng), hidden, latent, batch, 600, 150)), batch)
        }
        "smooth" => shared(smooth(rng)),
        _ => shared(normed(rng)),
    };
    let most = log_uniform(rng, COST[0], COST[1]) / (job.layout().len() as f64 * rows as f64);
    let steps = log_uniform(rng, LEAST_STEPS, most.clamp(LEAST_STEPS, MOST_STEPS)) as usize;
    // deviations of 0.02 as GPT-2's, or up to those of other frameworks
    if family == "attention" {
        start = Start::Usual(log_uniform(rng, 1.0, 12.0));
    }
    // on few rows of another task it is always a question of when to stop
    let fine_tuning = matches!(start, Start::Learned(_));
    let varied = Varied::new(Arc::clone(&job), start, rng);
    let job = if augmented { Arc::new(varied) } else { job };
    let keeps_best =
        fine_tuning || matches!(family, "classification" | "normed") && unit(rng) < 0.5;
    PracticeTask { family, steps, to_zero: family == "smooth", keeps_best, job }
}

/// A job and the rows of its batches.
fn shared<M: TableModel>(job: TableJob<M>) -> (Arc<dyn Job>, usize) {
    let batch = job.batch;
    (Arc::new(job), batch)
}

fn log_uniform(rng: &mut Rng, lo: f64, hi: f64) -> f64 {
    uniform(rng, lo.ln(), hi.ln()).exp()
}

fn width(rng: &mut Rng, lo: usize, hi: usize) -> usize {
    log_uniform(rng, lo as f64, hi as f64 + 1.0) as usize
}

/// A random smooth function of a row: sines of random projections, and a linear part.
struct Signal {
    waves: Vec<(Vec<f64>, f64, f64)>,
}

impl Signal {
    fn draw(columns: usize, rng: &mut Rng) -> Self {
        let frequency = log_uniform(rng, 0.3, 2.5);
        let waves = (0..2 + below(rng, 8)).map(|_| {
            let scale = frequency / (columns as f64).sqrt();
            let direction = (0..columns).map(|_| scale * normal(rng)).collect();
            (direction, uniform(rng, 0.0, TAU), normal(rng))
        });
        Self { waves: waves.collect() }
    }

    fn of(&self, row: &[f64]) -> f64 {
        let wave = |(direction, phase, height): &(Vec<f64>, f64, f64)| {
            let along: f64 = direction.iter().zip(row).map(|(a, b)| a * b).sum();
            height * (along + phase).sin()
        };
        self.waves.iter().map(wave).sum()
    }
}

fn signals(count: usize, columns: usize, rng: &mut Rng) -> Vec<Signal> {
    (0..count).map(|_| Signal::draw(columns, rng)).collect()
}

/// Rows of `columns` numbers, some of them far from standard.
fn rows(count: usize, columns: usize, rng: &mut Rng) -> Vec<f64> {
    let common = uniform(rng, 0.0, 0.9);
    let mut values = Vec::with_capacity(count * columns);
    for _ in 0..count {
        let shared = normal(rng);
        values.extend(
            (0..columns).map(|_| common * shared + (1.0 - common * common).sqrt() * normal(rng)),
        );
    }
    values
}

fn table(numbers: Vec<f64>, columns: usize, targets: Vec<f32>, outputs: usize) -> Table {
    let count = numbers.len() / columns;
    let numbers = numbers.into_iter().map(|x| x as f32).collect();
    Table {
        numbers: Array::new([count, columns], numbers),
        categories: Vec::new(),
        targets: Array::new([count, outputs], targets),
    }
}

fn job<M: TableModel>(
    model: M,
    loss: Loss,
    batch: usize,
    table: &Table,
    validation: usize,
) -> TableJob<M> {
    let (train, validation) = table.split(table.rows() - validation);
    let (train, validation) = (Arc::new(train), Arc::new(validation));
    TableJob { name: "practice", model, loss, batch, train, validation }
}

/// Scales of the columns, as of tables that nobody has standardized, or ones.
fn rescale(numbers: &mut [f64], columns: usize, rng: &mut Rng) {
    if unit(rng) < 0.3 {
        let scales: Vec<f64> = (0..columns).map(|_| log_uniform(rng, 0.2, 5.0)).collect();
        numbers.iter_mut().zip(scales.iter().cycle()).for_each(|(x, scale)| *x *= scale);
    }
}

fn hidden(rng: &mut Rng) -> Vec<usize> {
    (0..1 + below(rng, 3)).map(|_| width(rng, 8, 64)).collect()
}

/// A network on numbers alone.
fn mlp(
    activation: Activation,
    numbers: usize,
    hidden: Vec<usize>,
    outputs: usize,
    dropout: f64,
) -> TabularMlp {
    TabularMlp { numbers, embeddings: Vec::new(), hidden, activation, outputs, dropout }
}

/// A raw target with a mean and a scale of its own, part of it noise.
fn regression(rng: &mut Rng) -> TableJob<TabularMlp> {
    let (columns, count) = (3 + below(rng, 14), 300 + width(rng, 200, 4000));
    let mut numbers = rows(count, columns, rng);
    let signal = Signal::draw(columns, rng);
    let mut explained: Vec<f64> = numbers.chunks_exact(columns).map(|row| signal.of(row)).collect();
    standardize(&mut explained, 1, count);
    let (mean, deviation) = match unit(rng) < 0.6 {
        true => (uniform(rng, -20.0, 20.0), log_uniform(rng, 0.5, 8.0)),
        false => (0.0, 1.0),
    };
    let noise = uniform(rng, 0.0, 0.6);
    let target = |x: f64| (mean + deviation * (x + noise * normal(rng))) as f32;
    let targets = explained.into_iter().map(target).collect();
    rescale(&mut numbers, columns, rng);
    let dropout = if unit(rng) < 0.4 { uniform(rng, 0.05, 0.3) } else { 0.0 };
    let model = mlp(Activation::Relu, columns, hidden(rng), 1, dropout);
    let batch = width(rng, 12, 512);
    job(model, Loss::SquaredError, batch, &table(numbers, columns, targets, 1), 300)
}

/// One-hot classes by the largest of as many signals, some of them wrong.
fn labels(signals: &[Signal], numbers: &[f64], columns: usize, rng: &mut Rng) -> Vec<f32> {
    let classes = signals.len();
    let wrong = if unit(rng) < 0.5 { uniform(rng, 0.0, 0.3) } else { 0.0 };
    let mut targets = Vec::new();
    for row in numbers.chunks_exact(columns) {
        let heights = signals.iter().map(|signal| signal.of(row)).enumerate();
        let best = heights.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(class, _)| class);
        let class = if unit(rng) < wrong { below(rng, classes) } else { best };
        targets.extend((0..classes).map(|k| f32::from(u8::from(k == class))));
    }
    targets
}

fn rating(rng: &mut Rng) -> TableJob<RatingModel> {
    let (users, items) = (width(rng, 60, 400), width(rng, 40, 300));
    let model = RatingModel { users, items, width: 2 + below(rng, 10) };
    let count = (users * items / 3).min(2000 + below(rng, 6000));
    let table = ratings(&model, count, rng);
    job(model, Loss::SquaredError, width(rng, 32, 512), &table, count / 10)
}

/// A tanh network fitted to a smooth function without noise, by all rows at once.
fn smooth(rng: &mut Rng) -> TableJob<TabularMlp> {
    let (columns, count) = (1 + below(rng, 3), 64 + below(rng, 128));
    let numbers: Vec<f64> = (0..count * columns).map(|_| uniform(rng, -1.5, 1.5)).collect();
    let signal = Signal::draw(columns, rng);
    let targets = numbers.chunks_exact(columns).map(|row| signal.of(row) as f32).collect();
    let table = table(numbers, columns, targets, 1);
    let hidden = vec![width(rng, 8, 20); 1 + below(rng, 3)];
    let model = mlp(Activation::Tanh, columns, hidden, 1, 0.0);
    let mut job = job(model, Loss::SquaredError, count, &table, 0);
    job.validation = Arc::clone(&job.train);
    job
}

/// Images of 8 x 8 pixels from 0 to 1, each a mixture of two of a few patterns.
fn patterns(rng: &mut Rng) -> Dataset {
    let kinds: Vec<Signal> = (0..3 + below(rng, 8)).map(|_| Signal::draw(2, rng)).collect();
    let contrast = log_uniform(rng, 1.0, 8.0);
    let mut values = Vec::new();
    for _ in 0..750 {
        let pair = [(); 2].map(|()| &kinds[below(rng, kinds.len())]);
        let share = unit(rng);
        for pixel in 0..64 {
            let place = [(pixel % 8) as f64 - 3.5, (pixel / 8) as f64 - 3.5];
            let level = share * pair[0].of(&place) + (1.0 - share) * pair[1].of(&place);
            values.push((1.0 / (1.0 + (-contrast * level).exp())) as f32);
        }
    }
    Dataset { features: Array::new([750, 8, 8, 1], values), labels: Vec::new(), classes: 0 }
}

fn normed(rng: &mut Rng) -> TableJob<Normed> {
    let (columns, count, classes) =
        (4 + below(rng, 20), 300 + width(rng, 500, 6000), 2 + below(rng, 8));
    let numbers = rows(count, columns, rng);
    let targets = labels(&signals(classes, columns, rng), &numbers, columns, rng);
    let model =
        Normed { inputs: columns, width: width(rng, 8, 32), blocks: 1 + below(rng, 3), classes };
    let batch = width(rng, 12, 512);
    job(model, Loss::CrossEntropy, batch, &table(numbers, columns, targets, classes), 300)
}

/// Seed of everything random about practice jobs.
const PRACTICE: u64 = 20_261_129;

/// Kinds of jobs, in turn.
const FAMILIES: [&str; 9] = [
    "regression",
    "classification",
    "ratings",
    "recurrent",
    "attention",
    "convolution",
    "autoencoder",
    "smooth",
    "normed",
];

/// Horizons.
const LEAST_STEPS: f64 = 150.0;
const MOST_STEPS: f64 = 3000.0;

/// Bounds of the most that a run costs, in parameters times rows of a batch times steps.
const COST: [f64; 2] = [1e8, 2.5e9];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::JobStart;
    use crate::field::table::tests::table_gradient_error;

    #[test]
    fn gradient_of_the_normalised_network() {
        let mut job = normed(&mut stream(1, &[]));
        job.batch = 4;
        let error = table_gradient_error(&job);
        assert!(error < 1e-7, "off by {error:e}");
    }

    /// One of each kind starts at a loss and a gradient that are finite, and again at the same.
    #[test]
    fn jobs_are_what_they_were() {
        for number in 0..2 * FAMILIES.len() as u64 {
            let first = || {
                let task = practice(number);
                let JobStart { params, mut objective } = task.job.start(3);
                let mut gradient = vec![0.0; params.len()];
                objective.next_batch();
                let loss = objective.loss_and_gradient(&params, &mut gradient);
                assert_eq!(loss, objective.batch_loss(&params), "{}", task.family);
                (task.steps, params, gradient, loss)
            };
            let start = first();
            assert!(start == first(), "job {number}");
            assert!(start.2.iter().chain([&start.3]).all(|x| x.is_finite()), "job {number}");
            assert!(start.2.iter().any(|&g| g != 0.0), "job {number}");
            // the logarithm and back may round down
            assert!((LEAST_STEPS as usize - 1..=MOST_STEPS as usize).contains(&start.0));
        }
    }
}
