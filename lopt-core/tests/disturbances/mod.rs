//! What may happen to a training run, in one list, and a small network that it happens to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lopt_baselines::Adam;
use lopt_core::rng::{Rng, normal, stream, unit};
use lopt_core::{
    GuardConfig, GuardEvent, Layout, LearnedOptimizer, LearnedOptimizerConfig, Optimizer,
    TensorShape, Weights,
};

/// Steps of a run.
pub(crate) const STEPS: usize = 3000;
/// Step at which most disturbances begin.
const BEGIN: usize = 300;
/// Rows, features, units and classes of the network and its data, which are drawn anew for every seed.
const ROWS: usize = 768;
const FEATURES: usize = 16;
const UNITS: usize = 32;
const CLASSES: usize = 4;
/// Rows of a batch.
pub(crate) const BATCH: usize = 32;

/// What a disturbance changes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// Loss and gradient are multiplied.
    Scaled(f32),
    /// The loss alone is multiplied.
    Misread(f32),
    /// The gradient is multiplied, the loss is the true one.
    Gradient(f32),
    /// The gradient is noise of this deviation, the loss is the true one.
    Noise(f32),
    /// Neither loss nor gradient is a number.
    NotANumber,
    /// The inputs are multiplied.
    Inputs(f32),
    /// Every class has the label of another one.
    OtherLabels,
    /// Every row has the label of another row.
    ShuffledLabels,
    /// All steps are multiplied by `set_lr_multiplier`.
    Steps(f32),
}

/// Something that happens to a run, for so many steps from one step on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Disturbance {
    pub(crate) name: &'static str,
    change: Change,
    begin: usize,
    steps: usize,
}

/// Every disturbance that the guard is held to.
pub(crate) const DISTURBANCES: [Disturbance; 18] = [
    at("one batch times 1e4", Change::Scaled(1e4), BEGIN, 1),
    at("one batch times 100", Change::Scaled(100.0), BEGIN, 1),
    at("loss and gradient times 1e6 for 50 steps", Change::Scaled(1e6), BEGIN, 50),
    at("loss alone times 1e4 for 60 steps", Change::Misread(1e4), BEGIN, 60),
    at("sign of the gradient turned for 50 steps", Change::Gradient(-1.0), BEGIN, 50),
    at("gradient is noise of 1e4 for 50 steps", Change::Noise(1e4), BEGIN, 50),
    at("gradient is noise of 1e8 for 50 steps", Change::Noise(1e8), BEGIN, 50),
    at("no number in one batch", Change::NotANumber, BEGIN, 1),
    at("no number in 50 batches", Change::NotANumber, BEGIN, 50),
    at("50 empty batches", Change::Scaled(0.0), BEGIN, 50),
    at("inputs times 1000 for 50 steps", Change::Inputs(1000.0), BEGIN, 50),
    at("labels of other classes for 300 steps", Change::OtherLabels, BEGIN, 300),
    at("labels of other classes for good", Change::OtherLabels, BEGIN, STEPS),
    at("labels of other rows for 100 steps", Change::ShuffledLabels, BEGIN, 100),
    at("steps times 100 for 50 steps", Change::Steps(100.0), BEGIN, 50),
    at("the first batch is empty", Change::Scaled(0.0), 0, 1),
    at("the first five batches are empty", Change::Scaled(0.0), 0, 5),
    at("the first loss is 1e-6 of what it should be", Change::Misread(1e-6), 0, 1),
];

const fn at(name: &'static str, change: Change, begin: usize, steps: usize) -> Disturbance {
    Disturbance { name, change, begin, steps }
}

/// Who trains the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trainer {
    /// Embedded weights, guarded or not.
    Learned {
        weights: &'static str,
        guard: bool,
    },
    Adam,
}

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// Loss over all rows of the data as they are at the end.
    pub(crate) loss: f64,
    /// Events of the guard.
    pub(crate) events: usize,
}

enum Any {
    Learned(Box<LearnedOptimizer>),
    Adam(Adam),
}

impl Any {
    fn new(trainer: Trainer, layout: &Layout, events: &Arc<AtomicUsize>) -> Self {
        let Trainer::Learned { weights, guard } = trainer else {
            return Self::Adam(Adam::new(layout, 1e-3));
        };
        let optimizer = LearnedOptimizerConfig::new()
            .with_weights(Weights::embedded(weights).unwrap())
            .with_guard(guard.then(GuardConfig::default))
            .init(layout)
            .unwrap();
        let events = Arc::clone(events);
        let count = move |_: &GuardEvent| {
            events.fetch_add(1, Ordering::Relaxed);
        };
        Self::Learned(Box::new(optimizer.on_event(count)))
    }

    fn set_multiplier(&mut self, multiplier: f32) {
        if let Self::Learned(optimizer) = self {
            optimizer.set_lr_multiplier(multiplier);
        }
    }

    fn get(&mut self) -> &mut dyn Optimizer {
        match self {
            Self::Learned(optimizer) => &mut **optimizer,
            Self::Adam(optimizer) => optimizer,
        }
    }
}

/// Rows and their labels.
struct Data {
    inputs: Vec<[f32; FEATURES]>,
    labels: Vec<usize>,
}

/// Where the tensors of the network begin.
const HIDDEN_BIAS: usize = FEATURES * UNITS;
const OUT: usize = HIDDEN_BIAS + UNITS;
const OUT_BIAS: usize = OUT + UNITS * CLASSES;
const PARAMETERS: usize = OUT_BIAS + CLASSES;

fn layout() -> Layout {
    Layout::new(vec![
        TensorShape::new("hidden.weight", [FEATURES, UNITS]),
        TensorShape::new("hidden.bias", [UNITS]),
        TensorShape::new("out.weight", [UNITS, CLASSES]),
        TensorShape::new("out.bias", [CLASSES]),
    ])
    .unwrap()
}

fn initial(rng: &mut Rng) -> Vec<f32> {
    let mut params = vec![0.0; PARAMETERS];
    let mut fill = |range: std::ops::Range<usize>, fan_in: usize| {
        let deviation = (2.0 / fan_in as f64).sqrt();
        params[range].iter_mut().for_each(|x| *x = (deviation * normal(rng)) as f32);
    };
    fill(0..HIDDEN_BIAS, FEATURES);
    fill(OUT..OUT_BIAS, UNITS);
    params
}

/// Hidden units after the rectifier, and logits.
fn forward(params: &[f32], input: &[f32; FEATURES]) -> ([f32; UNITS], [f32; CLASSES]) {
    let mut hidden = [0.0; UNITS];
    hidden.copy_from_slice(&params[HIDDEN_BIAS..OUT]);
    for (weights, &x) in params[..HIDDEN_BIAS].chunks_exact(UNITS).zip(input) {
        hidden.iter_mut().zip(weights).for_each(|(h, w)| *h += w * x);
    }
    // a NaN stays one
    hidden.iter_mut().filter(|h| **h < 0.0).for_each(|h| *h = 0.0);
    let mut logits = [0.0; CLASSES];
    logits.copy_from_slice(&params[OUT_BIAS..]);
    for (weights, &h) in params[OUT..OUT_BIAS].chunks_exact(CLASSES).zip(&hidden) {
        logits.iter_mut().zip(weights).for_each(|(logit, w)| *logit += w * h);
    }
    (hidden, logits)
}

/// Mean cross-entropy of rows; adds its gradient if asked for.
fn cross_entropy(params: &[f32], data: &Data, rows: &[usize], grads: Option<&mut [f32]>) -> f64 {
    let (mut loss, share) = (0.0, 1.0 / rows.len() as f32);
    let mut grads = grads;
    for &row in rows {
        let (input, label) = (&data.inputs[row], data.labels[row]);
        let (hidden, logits) = forward(params, input);
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut chances = logits.map(|logit| (logit - most).exp());
        let sum: f32 = chances.iter().sum();
        loss += f64::from(sum).ln() - f64::from(logits[label] - most);
        let Some(grads) = grads.as_deref_mut() else { continue };
        chances.iter_mut().for_each(|chance| *chance *= share / sum);
        chances[label] -= share;
        for (grad, c) in grads[OUT_BIAS..].iter_mut().zip(&chances) {
            *grad += c;
        }
        let mut back = [0.0; UNITS];
        for (unit, &h) in hidden.iter().enumerate() {
            let at = OUT + unit * CLASSES;
            for (class, c) in chances.iter().enumerate() {
                grads[at + class] += h * c;
                back[unit] += if h > 0.0 { params[at + class] * c } else { 0.0 };
            }
        }
        grads[HIDDEN_BIAS..OUT].iter_mut().zip(&back).for_each(|(grad, b)| *grad += b);
        for (grads, &x) in grads[..HIDDEN_BIAS].chunks_exact_mut(UNITS).zip(input) {
            grads.iter_mut().zip(&back).for_each(|(grad, b)| *grad += x * b);
        }
    }
    loss / rows.len() as f64
}

/// Random rows with the labels that a network of the same shape gives them.
fn drawn(rng: &mut Rng) -> Data {
    let teacher = initial(rng);
    let inputs: Vec<[f32; FEATURES]> =
        (0..ROWS).map(|_| std::array::from_fn(|_| normal(rng) as f32)).collect();
    let labels = inputs.iter().map(|input| {
        let (_, logits) = forward(&teacher, input);
        (0..CLASSES).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap()
    });
    Data { labels: labels.collect(), inputs }
}

/// Trains the network, with a disturbance or without, on batches of so many rows.
pub(crate) fn run(
    batch: usize,
    disturbance: Option<&Disturbance>,
    trainer: Trainer,
    seed: u64,
) -> End {
    let mut rng = stream(seed, &[0]);
    let usual = drawn(&mut rng);
    let other = disturbance.map(|disturbance| disturbance.change.data(&usual));
    let mut params = initial(&mut rng);
    let mut noise = stream(seed, &[2]);
    let events = Arc::new(AtomicUsize::new(0));
    let mut optimizer = Any::new(trainer, &layout(), &events);
    let mut grads = vec![0.0; PARAMETERS];
    let data_at = |change: Option<Change>| match (&other, change) {
        (Some(other), Some(_)) => other,
        _ => &usual,
    };
    for n in 0..STEPS {
        let change = disturbance.filter(|d| d.is_at(n)).map(|d| d.change);
        let rows: Vec<usize> =
            (0..batch).map(|_| ((unit(&mut rng) * ROWS as f64) as usize).min(ROWS - 1)).collect();
        grads.fill(0.0);
        let at = optimizer.get().attended(&params);
        let mut loss = cross_entropy(at, data_at(change), &rows, Some(&mut grads)) as f32;
        let mut multiplier = 1.0;
        match change {
            Some(Change::Scaled(factor)) => {
                loss *= factor;
                grads.iter_mut().for_each(|g| *g *= factor);
            }
            Some(Change::Misread(factor)) => loss *= factor,
            Some(Change::Gradient(factor)) => grads.iter_mut().for_each(|g| *g *= factor),
            Some(Change::Noise(deviation)) => {
                grads.iter_mut().for_each(|g| *g = deviation * normal(&mut noise) as f32);
            }
            Some(Change::NotANumber) => {
                loss = f32::NAN;
                grads.fill(f32::NAN);
            }
            Some(Change::Steps(factor)) => multiplier = factor,
            _ => {}
        }
        optimizer.set_multiplier(multiplier);
        optimizer.get().observe(loss);
        // without a guard a gradient that cannot be used is refused, and a user leaves it out
        let _ = optimizer.get().step(&mut params, &grads);
    }
    let last = disturbance.filter(|d| d.is_at(STEPS - 1)).map(|d| d.change);
    let all: Vec<usize> = (0..ROWS).collect();
    let loss = cross_entropy(&params, data_at(last), &all, None);
    End { loss, events: events.load(Ordering::Relaxed) }
}

impl Disturbance {
    fn is_at(&self, step: usize) -> bool {
        (self.begin..self.begin + self.steps).contains(&step)
    }
}

impl Change {
    /// The data while it lasts.
    fn data(self, usual: &Data) -> Data {
        let (mut inputs, mut labels) = (usual.inputs.clone(), usual.labels.clone());
        match self {
            Self::Inputs(factor) => {
                inputs.iter_mut().flatten().for_each(|x| *x *= factor);
            }
            Self::OtherLabels => {
                labels.iter_mut().for_each(|label| *label = (*label + 1) % CLASSES);
            }
            Self::ShuffledLabels => labels.rotate_right(1),
            _ => {}
        }
        Data { inputs, labels }
    }
}
