//! What may happen to a training run, in one list, and a small network that it happens to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lopt_core::baselines::Adam;
use lopt_core::rng::{normal, stream};
use lopt_core::{GuardConfig, GuardEvent, LearnedOptimizer, LearnedOptimizerConfig, Optimizer};
use lopt_problems::{
    Activation, AnyProblem, Array, BatchStream, Dataset, Evaluation, Instance, Mlp, Problem as _,
    Recipe, Source,
};

/// Steps of a run.
pub(crate) const STEPS: usize = 3000;
/// Step at which most disturbances begin.
const BEGIN: usize = 300;
/// Rows, features and classes of the data, drawn anew for every seed, and rows of a batch.
const ROWS: usize = 768;
const FEATURES: usize = 16;
const CLASSES: usize = 4;
const BATCH: usize = 32;

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
    Guarded,
    Bare,
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
    fn new(trainer: Trainer, problem: &dyn AnyProblem, events: &Arc<AtomicUsize>) -> Self {
        let layout = problem.layout();
        if trainer == Trainer::Adam {
            return Self::Adam(Adam::new(&layout, 1e-3));
        }
        let guard = (trainer == Trainer::Guarded).then(GuardConfig::default);
        let optimizer = LearnedOptimizerConfig::new().with_guard(guard).init(&layout).unwrap();
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

/// Trains the network of 16-32-4 units on batches of 32 rows, with a disturbance or without.
pub(crate) fn run(disturbance: Option<&Disturbance>, trainer: Trainer, seed: u64) -> End {
    run_on_batches(BATCH, disturbance, trainer, seed)
}

/// The same on batches of so many rows.
pub(crate) fn run_on_batches(
    batch: usize,
    disturbance: Option<&Disturbance>,
    trainer: Trainer,
    seed: u64,
) -> End {
    let mut rng = stream(seed, &[0]);
    let recipe = Recipe::Teacher { features: FEATURES, classes: CLASSES, rows: ROWS };
    let mlp = Mlp::new(&[32], Activation::Relu, Source::fresh(recipe), batch).plain();
    let instance = mlp.instance(&mut rng);
    let mut params = mlp.init(&instance, &mut rng);
    let problem: Arc<dyn AnyProblem> = Arc::new(mlp);
    let evaluate = |instance: &Instance| Evaluation::new(Arc::clone(&problem), instance.clone());
    let mut usual = evaluate(&instance);
    let mut other =
        disturbance.and_then(|d| d.change.data(&instance)).map(|instance| evaluate(&instance));
    let mut batches = BatchStream::new(ROWS, batch, stream(seed, &[1]));
    let mut noise = stream(seed, &[2]);
    let events = Arc::new(AtomicUsize::new(0));
    let mut optimizer = Any::new(trainer, &*problem, &events);
    let mut grads = vec![0.0; params.len()];
    for n in 0..STEPS {
        let change = disturbance.filter(|d| d.is_at(n)).map(|d| d.change);
        let rows = batches.next_rows();
        let data = match &mut other {
            Some(other) if change.is_some() => other,
            _ => &mut usual,
        };
        let (mut loss, exact) =
            data.value_and_gradient(optimizer.get().attended(&params), Some(rows));
        grads.copy_from_slice(exact);
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
    let stays = disturbance.is_some_and(|d| d.is_at(STEPS - 1));
    let data = if stays { other.as_mut().unwrap_or(&mut usual) } else { &mut usual };
    let loss = f64::from(data.loss(&params, None));
    End { loss, events: events.load(Ordering::Relaxed) }
}

impl Disturbance {
    fn is_at(&self, step: usize) -> bool {
        (self.begin..self.begin + self.steps).contains(&step)
    }
}

impl Change {
    /// The data it stands for, if it is one of data.
    fn data(self, instance: &Instance) -> Option<Instance> {
        let Dataset { mut features, mut labels, classes } = (**instance.dataset.as_ref()?).clone();
        match self {
            Self::Inputs(factor) => {
                let values = features.values.iter().map(|x| factor * x).collect();
                features = Array::new(features.shape, values);
            }
            Self::OtherLabels => {
                labels.iter_mut().for_each(|label| *label = (*label + 1) % classes)
            }
            Self::ShuffledLabels => labels.rotate_right(1),
            _ => return None,
        }
        Some(Instance::with_dataset(Arc::new(Dataset { features, labels, classes })))
    }
}
