//! The field suite: ordinary training jobs, as users of a framework run them.
//!
//! The suites of [`suite`](crate::suite) are small networks whose training loss can go to zero. The
//! jobs here have what real ones have: rows to validate on, losses that stay above zero, normalisation
//! layers, dropout, embeddings, raw targets, noise that no model can explain. The jobs of `field` are
//! there to choose optimizers by, those of `field-test` for the final table only. The split is by
//! family and was fixed before any optimizer was scored on it:
//!
//! | `field` | `field-test` |
//! | --- | --- |
//! | LSTM on text | transformer on other text |
//! | residual ConvNet with batch normalisation, CIFAR-10 | U-net on generated images |
//! | regression on a table | classification on another table |
//! | recommender | policy gradient |
//! | variational autoencoder, MNIST | denoising diffusion, generated digits |
//! | classification with wrong labels, MNIST | metric learning, generated digits |

mod cart_pole;
mod diffusion;
mod image_norm;
mod labelled;
#[cfg(test)]
mod laws;
mod lstm;
mod metric;
mod policy_gradient;
mod practice;
mod random;
mod recommender;
mod resnet;
mod shapes;
mod table;
mod table_classification;
mod table_regression;
mod tabular_mlp;
mod text;
mod transformer;
mod unet;
mod vae;
mod wrong_labels;

pub use practice::{PracticeTask, plain_practice, practice};
pub use text::TEXT;

use std::fmt::{self, Debug};
use std::path::Path;
use std::sync::Arc;

use lopt_core::layout::Layout;
use lopt_grad::{Tape, Var};

use crate::error::ProblemError;
use crate::suites::{Family, Files, SkippedTask};
use crate::trial::Objective;

/// A training job: a model and its data.
pub trait Job: Debug + Send + Sync {
    /// Names and shapes of the parameter tensors.
    fn layout(&self) -> Layout;

    /// Validation loss of the best answer that does not look at the input, such as the frequencies of
    /// the classes; a run that ends near it has learned nothing.
    fn guessing(&self) -> f64;

    /// A loss that no model can go below: losses are compared as distances to it.
    fn least(&self) -> f64 {
        0.0
    }

    /// Whether users keep the best parameters met on the way, not the last ones: where the validation
    /// loss rises again, as the model learns wrong labels by heart.
    fn early_stopping(&self) -> bool {
        false
    }

    /// Starting point, order of batches and noise of a seed. The data are the same for all seeds.
    fn start(&self, seed: u64) -> JobStart;
}

/// Where the runs of one seed of a job begin.
pub struct JobStart {
    /// Initial parameters, `[P]`.
    pub params: Vec<f32>,
    /// The model on its data, before the first batch.
    pub objective: Box<dyn Objective>,
}

/// A job with all that decides a run but the optimizer and the seed.
#[derive(Debug, Clone)]
pub struct FieldTask {
    /// Unique name.
    pub name: &'static str,
    /// Architecture and data.
    pub family: Family,
    /// To be raised with every change that makes old results meaningless.
    pub version: u32,
    /// Optimizer steps of a run.
    pub steps: usize,
    /// The job.
    pub job: Arc<dyn Job>,
}

impl FieldTask {
    fn new(
        name: &'static str,
        (architecture, data): (&'static str, &'static str),
        steps: usize,
        job: impl Job + 'static,
    ) -> Self {
        let family = Family { architecture, data };
        Self { name, family, version: 1, steps, job: Arc::new(job) }
    }
}

impl Debug for JobStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobStart").field("parameters", &self.params.len()).finish_non_exhaustive()
    }
}

/// Which half of the field suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldSuite {
    /// `field`: to choose by.
    Choose,
    /// `field-test`: for the final table.
    Test,
}

impl FieldSuite {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Choose => "field",
            Self::Test => "field-test",
        }
    }

    /// The suite of a name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Choose, Self::Test].into_iter().find(|suite| suite.name() == name)
    }
}

/// The jobs of a suite that can be run, and those whose data are not there.
#[derive(Debug, Clone)]
pub struct FieldTasks {
    /// In their order.
    pub tasks: Vec<FieldTask>,
    /// Those left out because their data were not found.
    pub skipped: Vec<SkippedTask>,
}

impl FieldTasks {
    fn add(&mut self, task: Result<FieldTask, SkippedTask>) {
        match task {
            Ok(task) => self.tasks.push(task),
            Err(skipped) => self.skipped.push(skipped),
        }
    }
}

/// The jobs of one half of the field suite.
///
/// * `data_dir`: holds the MNIST and CIFAR-10 files, itself or in folders of its own.
///
/// # Errors
///
/// If data files are there, but cannot be used.
pub fn field_tasks(suite: FieldSuite, data_dir: Option<&Path>) -> Result<FieldTasks, ProblemError> {
    let mut files = Files::new(data_dir);
    let mut field = FieldTasks { tasks: Vec::new(), skipped: Vec::new() };
    match suite {
        FieldSuite::Choose => {
            field.tasks.push(lstm::lstm_text());
            field.add(resnet::task(files.cifar10()?));
            field.tasks.push(table_regression::task());
            field.tasks.push(recommender::task());
            field.add(vae::task(files.mnist()?));
            field.add(wrong_labels::task(files.mnist()?.as_ref()));
        }
        FieldSuite::Test => {
            field.tasks.push(transformer::transformer_text());
            field.tasks.push(unet::task());
            field.tasks.push(table_classification::task());
            field.tasks.push(policy_gradient::task());
            field.tasks.push(diffusion::task());
            field.tasks.push(metric::task());
        }
    }
    Ok(field)
}

/// A tape for one network, used again and again.
#[derive(Debug)]
pub(crate) struct Graph {
    layout: Layout,
    tape: Tape<f32>,
}

impl Graph {
    pub(crate) fn new(layout: Layout) -> Self {
        Self { layout, tape: Tape::new() }
    }

    /// The value of the loss that `record` puts on the tape, and its gradient, `[P]`.
    ///
    /// * `record`: from one variable per tensor to the loss, one element.
    pub(crate) fn differentiate(
        &mut self,
        params: &[f32],
        gradient: &mut [f32],
        record: impl for<'t> FnOnce(&'t Tape<f32>, &[Var<'t, f32>]) -> Var<'t, f32>,
    ) -> f32 {
        self.tape.clear();
        let tensors = self.layout.tensors().iter().zip(self.layout.ranges());
        let variables: Vec<_> = tensors
            .map(|(tensor, range)| self.tape.variable(&tensor.shape, &params[range]))
            .collect();
        let loss = record(&self.tape, &variables);
        self.tape.backward(loss);
        for (&variable, range) in variables.iter().zip(self.layout.ranges()) {
            self.tape.gradient_into(variable, &mut gradient[range]);
        }
        loss.item()
    }

    /// What `read` takes from the forward pass.
    pub(crate) fn evaluate<T>(
        &mut self,
        params: &[f32],
        read: impl for<'t> FnOnce(&'t Tape<f32>, &[Var<'t, f32>]) -> T,
    ) -> T {
        self.tape.clear();
        let tensors = self.layout.tensors().iter().zip(self.layout.ranges());
        let constants: Vec<_> = tensors
            .map(|(tensor, range)| self.tape.constant(&tensor.shape, &params[range]))
            .collect();
        read(&self.tape, &constants)
    }
}

/// Mean loss of some parts, each with its number of rows, and the mean of their gradients, `[P]`.
///
/// * `one`: from a part to its loss, whose gradient it leaves in the slice.
fn mean_gradient<T>(
    gradient: &mut [f32],
    parts: impl Iterator<Item = (usize, T)>,
    mut one: impl FnMut(T, &mut [f32]) -> f32,
) -> f64 {
    let mut of_part = vec![0.0; gradient.len()];
    let (mut sum, mut all) = (0.0, 0.0);
    gradient.fill(0.0);
    for (rows, part) in parts {
        let rows = rows as f64;
        sum += rows * f64::from(one(part, &mut of_part));
        gradient.iter_mut().zip(&of_part).for_each(|(g, x)| *g += rows as f32 * x);
        all += rows;
    }
    gradient.iter_mut().for_each(|g| *g /= all as f32);
    sum / all
}
