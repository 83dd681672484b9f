//! Practice jobs: small random relatives of the jobs of the field suite, to meta-train on.
//!
//! Every number is a job of its own, with its own data, widths, noise and horizon; none of them has
//! data of the field suite. A run takes a tenth of a second.

use std::f64::consts::TAU;
use std::sync::Arc;

use lopt_core::layout::{Layout, TensorShape};
use lopt_core::rng::{Rng, below, normal, stream, uniform, unit};
use lopt_grad::{Real, Var};

use super::recommender::{RatingModel, ratings};
use super::resnet::ResnetCifar;
use super::table::{Loss, Table, TableJob, TableModel, constant, standardize};
use super::tabular_mlp::TabularMlp;
use super::transformer::norm;
use super::vae::Vae;
use super::{Job, JobStart};
use crate::classifier::Activation;
use crate::data::Recipe;
use crate::instance::{Array, Dataset};
use crate::problem::layout_of;
use crate::trial::{Objective, Validation};

/// A drawn job.
#[derive(Debug, Clone)]
pub struct PracticeTask {
    /// Kind of the job.
    pub family: &'static str,
    /// Optimizer steps of a run.
    pub steps: usize,
    /// Whether its loss can go to zero, so that its logarithm counts.
    pub to_zero: bool,
    /// The job.
    pub job: Arc<dyn Job>,
}

/// The practice job of a number.
pub fn practice(number: u64) -> PracticeTask {
    let rng = &mut stream(PRACTICE, &[number]);
    let (family, most) = FAMILIES[(number % FAMILIES.len() as u64) as usize];
    let steps = log_uniform(rng, LEAST_STEPS, most) as usize;
    let mut to_zero = false;
    let job: Arc<dyn Job> = match family {
        "regression" => Arc::new(regression(rng)),
        "classification" => Arc::new(classification(rng)),
        "ratings" => Arc::new(rating(rng)),
        "recurrent" => {
            let symbols = 6 + below(rng, 20);
            let model = Recurrent { symbols, width: width(rng, 4, 12), units: width(rng, 4, 16) };
            Arc::new(sequences(model, symbols, rng))
        }
        "attention" => {
            let symbols = 6 + below(rng, 20);
            let layers = 1 + below(rng, 2);
            let model = Attention { symbols, width: 2 * width(rng, 4, 16), layers };
            Arc::new(sequences(model, symbols, rng))
        }
        "convolution" => {
            let images = Recipe::Images { size: 16, classes: 3 + below(rng, 6), rows: 400 };
            let widths = [(); 3].map(|()| width(rng, 3, 6));
            Arc::new(ResnetCifar::new(&images.make(rng), widths, 8, 320, 80))
        }
        "autoencoder" => {
            let (hidden, latent) = (width(rng, 8, 48), 2 + below(rng, 5));
            Arc::new(Vae::new(&patterns(rng), hidden, latent, width(rng, 8, 32), 600, 150))
        }
        "smooth" => {
            to_zero = true;
            Arc::new(smooth(rng))
        }
        _ => Arc::new(normed(rng)),
    };
    let job = if unit(rng) < 0.5 { Arc::new(Reparametrised::new(job, rng)) } else { job };
    PracticeTask { family, steps, to_zero, job }
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
    let (columns, count) = (3 + below(rng, 14), 600 + below(rng, 1500));
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
    let batch = width(rng, 16, 64);
    job(model, Loss::SquaredError, batch, &table(numbers, columns, targets, 1), 300)
}

/// Classes by the largest of some signals, some of the labels wrong.
fn classification(rng: &mut Rng) -> TableJob<TabularMlp> {
    let (columns, count, classes) = (4 + below(rng, 20), 800 + below(rng, 2500), 2 + below(rng, 8));
    let mut numbers = rows(count, columns, rng);
    let targets = labels(&numbers, columns, classes, rng);
    rescale(&mut numbers, columns, rng);
    let dropout = if unit(rng) < 0.4 { uniform(rng, 0.05, 0.4) } else { 0.0 };
    let hidden = hidden(rng);
    let model = mlp(Activation::Relu, columns, hidden, classes, dropout);
    let batch = width(rng, 16, 64);
    job(model, Loss::CrossEntropy, batch, &table(numbers, columns, targets, classes), 300)
}

fn labels(numbers: &[f64], columns: usize, classes: usize, rng: &mut Rng) -> Vec<f32> {
    let signals: Vec<Signal> = (0..classes).map(|_| Signal::draw(columns, rng)).collect();
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
    job(model, Loss::SquaredError, width(rng, 32, 128), &table, count / 10)
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
    let (columns, count, classes) = (4 + below(rng, 20), 800 + below(rng, 2500), 2 + below(rng, 8));
    let numbers = rows(count, columns, rng);
    let targets = labels(&numbers, columns, classes, rng);
    let model =
        Normed { inputs: columns, width: width(rng, 8, 32), blocks: 1 + below(rng, 3), classes };
    let batch = width(rng, 16, 64);
    job(model, Loss::CrossEntropy, batch, &table(numbers, columns, targets, classes), 300)
}

/// Blocks of a layer normalisation and two dense layers, around which a shortcut leads.
#[derive(Debug, Clone)]
struct Normed {
    inputs: usize,
    width: usize,
    blocks: usize,
    classes: usize,
}

fn tensor(name: &str, shape: &[usize]) -> TensorShape {
    TensorShape::new(name, shape.to_vec())
}

/// Gains 1, biases 0, embeddings of deviation 0.1 or 1, weights uniform by their inputs.
fn start(layout: &Layout, rng: &mut Rng) -> Vec<f32> {
    let embedding = if unit(rng) < 0.5 { 1.0 } else { 0.1 };
    let mut params = Vec::with_capacity(layout.len());
    for tensor in layout.tensors() {
        let bound = (tensor.shape[0] as f64).sqrt().recip();
        params.extend((0..tensor.len()).map(|_| match tensor.name.rsplit('.').next() {
            Some("gain") => 1.0,
            Some("bias") => 0.0,
            Some("embedding") => (embedding * normal(rng)) as f32,
            _ => uniform(rng, -bound, bound) as f32,
        }));
    }
    params
}

impl TableModel for Normed {
    fn layout(&self) -> Layout {
        let n = self.width;
        let mut tensors = vec![tensor("in.weight", &[self.inputs, n]), tensor("in.bias", &[n])];
        for block in 0..self.blocks {
            let mut add = |name: &str, shape: &[usize]| {
                tensors.push(tensor(&format!("block{block}.{name}"), shape));
            };
            add("norm.gain", &[n]);
            add("norm.bias", &[n]);
            add("expand.weight", &[n, 2 * n]);
            add("expand.bias", &[2 * n]);
            add("output.weight", &[2 * n, n]);
            add("output.bias", &[n]);
        }
        tensors.push(tensor("norm.gain", &[n]));
        tensors.push(tensor("norm.bias", &[n]));
        tensors.push(tensor("head.weight", &[n, self.classes]));
        layout_of(tensors)
    }

    fn init(&self, rng: &mut Rng) -> Vec<f32> {
        start(&self.layout(), rng)
    }

    fn predict<'t, R: Real>(
        &self,
        params: &[Var<'t, R>],
        batch: &Table,
        _: &[Array],
    ) -> Var<'t, R> {
        let mut sum = constant(params[0], &batch.numbers).matmul(params[0]) + params[1];
        for block in 0..self.blocks {
            let layer = &params[2 + 6 * block..];
            let expanded = (norm(sum, layer).matmul(layer[2]) + layer[3]).gelu();
            sum = sum + expanded.matmul(layer[4]) + layer[5];
        }
        let last = &params[2 + 6 * self.blocks..];
        norm(sum, last).matmul(last[2])
    }
}

/// Windows of a random language, in which a symbol depends on the two before it, and what comes next.
fn sequences<M: TableModel>(model: M, symbols: usize, rng: &mut Rng) -> TableJob<M> {
    let sharpness = uniform(rng, 1.0, 4.0);
    let table_of = |rng: &mut Rng| -> Vec<f64> {
        (0..symbols * symbols).map(|_| sharpness * normal(rng)).collect()
    };
    let (near, far) = (table_of(rng), table_of(rng));
    let count = 1500 + below(rng, 3000);
    let mut text = vec![0, 1];
    while text.len() < count + CONTEXT + 1 {
        let (a, b) = (text[text.len() - 1], text[text.len() - 2]);
        let weight = |k: usize| (near[a * symbols + k] + far[b * symbols + k]).exp();
        let mut at = unit(rng) * (0..symbols).map(weight).sum::<f64>();
        let mut next = 0;
        while next + 1 < symbols && at > weight(next) {
            at -= weight(next);
            next += 1;
        }
        text.push(next);
    }
    let categories = (0..CONTEXT).map(|i| text[i..i + count].to_vec()).collect();
    let next = &text[CONTEXT..CONTEXT + count];
    let one_hot = |&symbol: &usize| (0..symbols).map(move |k| f32::from(u8::from(k == symbol)));
    let table = Table {
        numbers: Array::new([count, 0], Vec::new()),
        categories,
        targets: Array::new([count, symbols], next.iter().flat_map(one_hot).collect()),
    };
    job(model, Loss::CrossEntropy, width(rng, 8, 14), &table, 300)
}

/// Symbols before the one to be predicted.
const CONTEXT: usize = 6;

/// Embeddings and long short-term memory.
#[derive(Debug, Clone)]
struct Recurrent {
    symbols: usize,
    width: usize,
    units: usize,
}

impl TableModel for Recurrent {
    fn layout(&self) -> Layout {
        layout_of(vec![
            tensor("embedding", &[self.symbols, self.width]),
            tensor("input.weight", &[self.width, 4 * self.units]),
            tensor("state.weight", &[self.units, 4 * self.units]),
            tensor("gates.bias", &[4 * self.units]),
            tensor("head.weight", &[self.units, self.symbols]),
            tensor("head.bias", &[self.symbols]),
        ])
    }

    fn init(&self, rng: &mut Rng) -> Vec<f32> {
        start(&self.layout(), rng)
    }

    fn predict<'t, R: Real>(
        &self,
        params: &[Var<'t, R>],
        batch: &Table,
        _: &[Array],
    ) -> Var<'t, R> {
        let (given, n) = (params[0].matmul(params[1]) + params[3], self.units);
        let mut memory = given.tape().constant_from(&[batch.rows(), n], |_| R::default());
        let mut output: Option<Var<'t, R>> = None;
        for symbols in &batch.categories {
            let mut gates = given.gather_rows(symbols);
            if let Some(output) = output {
                gates = gates + output.matmul(params[2]);
            }
            let state = gates.lstm_cell(memory);
            output = Some(state.slice(1, 0, n));
            memory = state.slice(1, n, n);
        }
        let output = output.expect("windows of at least one symbol");
        output.matmul(params[4]) + params[5]
    }
}

/// Embeddings, and layers of self-attention and dense layers on the normalised sum so far.
#[derive(Debug, Clone)]
struct Attention {
    symbols: usize,
    width: usize,
    layers: usize,
}

impl TableModel for Attention {
    fn layout(&self) -> Layout {
        let n = self.width;
        let mut tensors = vec![
            tensor("embedding", &[self.symbols, n]),
            tensor("positions.embedding", &[CONTEXT, n]),
        ];
        for layer in 0..self.layers {
            let mut add = |name: &str, shape: &[usize]| {
                tensors.push(tensor(&format!("layer{layer}.{name}"), shape));
            };
            add("norm.gain", &[n]);
            add("norm.bias", &[n]);
            add("project.weight", &[n, 3 * n]);
            add("output.weight", &[n, n]);
            add("hidden.norm.gain", &[n]);
            add("hidden.norm.bias", &[n]);
            add("expand.weight", &[n, 2 * n]);
            add("shrink.weight", &[2 * n, n]);
        }
        tensors.push(tensor("norm.gain", &[n]));
        tensors.push(tensor("norm.bias", &[n]));
        tensors.push(tensor("head.weight", &[n, self.symbols]));
        layout_of(tensors)
    }

    fn init(&self, rng: &mut Rng) -> Vec<f32> {
        start(&self.layout(), rng)
    }

    fn predict<'t, R: Real>(
        &self,
        params: &[Var<'t, R>],
        batch: &Table,
        _: &[Array],
    ) -> Var<'t, R> {
        let (n, count) = (self.width, batch.rows());
        let mut symbols = Vec::with_capacity(count * CONTEXT);
        for row in 0..count {
            symbols.extend(batch.categories.iter().map(|column| column[row]));
        }
        let embedded = params[0].gather_rows(&symbols).reshape(&[count, CONTEXT, n]);
        let mut sum = embedded + params[1];
        for layer in 0..self.layers {
            let layer = &params[2 + 8 * layer..];
            let projected = norm(sum, layer).matmul(layer[2]);
            let part = |i| projected.slice(2, i * n, n);
            let scores = (part(0) * (n as f64).sqrt().recip()).matmul(part(1).t());
            sum = sum + scores.causal_softmax().matmul(part(2)).matmul(layer[3]);
            let expanded = norm(sum, &layer[4..]).matmul(layer[6]).gelu();
            sum = sum + expanded.matmul(layer[7]);
        }
        let last = &params[2 + 8 * self.layers..];
        let sum = sum.slice(1, CONTEXT - 1, 1).reshape(&[count, n]);
        norm(sum, last).matmul(last[2])
    }
}

/// A job whose tensors are the parameters divided by factors: the same model, seen in other units
/// (Celo2's task augmentation).
#[derive(Debug)]
struct Reparametrised {
    job: Arc<dyn Job>,
    /// Of every parameter, `[P]`.
    factors: Vec<f32>,
}

impl Reparametrised {
    fn new(job: Arc<dyn Job>, rng: &mut Rng) -> Self {
        let layout = job.layout();
        let mut factors = Vec::with_capacity(layout.len());
        for range in layout.ranges() {
            let factor = log_uniform(rng, 1.0 / FACTOR, FACTOR) as f32;
            factors.extend(range.map(|_| factor));
        }
        Self { job, factors }
    }
}

impl Job for Reparametrised {
    fn layout(&self) -> Layout {
        self.job.layout()
    }

    fn guessing(&self) -> f64 {
        self.job.guessing()
    }

    fn least(&self) -> f64 {
        self.job.least()
    }

    fn early_stopping(&self) -> bool {
        self.job.early_stopping()
    }

    fn start(&self, seed: u64) -> JobStart {
        let JobStart { mut params, objective: inner } = self.job.start(seed);
        params.iter_mut().zip(&self.factors).for_each(|(x, factor)| *x /= factor);
        let objective = Scaled { inner, factors: self.factors.clone(), at: params.clone() };
        JobStart { params, objective: Box::new(objective) }
    }
}

/// The objective of a [`Reparametrised`] job.
struct Scaled {
    inner: Box<dyn Objective>,
    factors: Vec<f32>,
    /// Parameters of the job, `[P]`.
    at: Vec<f32>,
}

impl Scaled {
    fn go_to(&mut self, params: &[f32]) {
        let values = params.iter().zip(&self.factors);
        self.at.iter_mut().zip(values).for_each(|(at, (x, factor))| *at = x * factor);
    }
}

impl Objective for Scaled {
    fn next_batch(&mut self) {
        self.inner.next_batch();
    }

    fn loss_and_gradient(&mut self, at: &[f32], gradient: &mut [f32]) -> f32 {
        self.go_to(at);
        let loss = self.inner.loss_and_gradient(&self.at, gradient);
        gradient.iter_mut().zip(&self.factors).for_each(|(g, factor)| *g *= factor);
        loss
    }

    fn batch_loss(&mut self, params: &[f32]) -> f32 {
        self.go_to(params);
        self.inner.batch_loss(&self.at)
    }

    fn validate(&mut self, params: &[f32]) -> Option<Validation> {
        self.go_to(params);
        self.inner.validate(&self.at)
    }
}

/// Seed of everything random about practice jobs.
const PRACTICE: u64 = 20_261_129;

/// Kinds of jobs, in turn, and their longest horizons: shorter where steps cost more.
const FAMILIES: [(&str, f64); 9] = [
    ("regression", 3000.0),
    ("classification", 3000.0),
    ("ratings", 3000.0),
    ("recurrent", 1500.0),
    ("attention", 700.0),
    ("convolution", 500.0),
    ("autoencoder", 1500.0),
    ("smooth", 3000.0),
    ("normed", 2000.0),
];

/// Shortest horizon.
const LEAST_STEPS: f64 = 150.0;

/// Largest factor of a reparametrised tensor.
const FACTOR: f64 = 4.0;
