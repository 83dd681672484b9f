//! The models whose gradient the step is compared with.

use std::path::Path;
use std::sync::Arc;

use lopt_baselines::Adam;
use lopt_core::rng::stream;
use lopt_core::{HierarchicalRnn, Layout, Optimizer};
use lopt_problems::{Evaluation, Instance, Problem as _, lookup, race_problem};

use crate::error::CliError;

/// One model with its data, and both optimizers.
#[expect(missing_debug_implementations, reason = "holds an optimizer, which has none")]
pub struct Task {
    /// Name of the problem.
    pub name: String,
    /// Sizes.
    pub layout: Layout,
    /// Loss and gradient.
    pub evaluation: Evaluation,
    /// Rows there are for batches.
    pub rows: usize,
    /// The learned optimizer as users have it.
    pub learned: Box<dyn Optimizer>,
    /// Adam.
    pub adam: Box<dyn Optimizer>,
    /// Starting point of everything that is timed.
    pub params: Vec<f32>,
}

/// An MLP, a ConvNet and a residual network, on MNIST and CIFAR-10 where there is a folder, else on
/// generated images.
///
/// # Errors
///
/// If the data cannot be read or the embedded weights are damaged.
pub fn tasks(data: Option<&Path>) -> Result<Vec<Task>, CliError> {
    let names = if data.is_some() { ON_DATA } else { GENERATED };
    names.iter().map(|name| task(name, data)).collect()
}

fn task(name: &str, data: Option<&Path>) -> Result<Task, CliError> {
    let problem = match data {
        Some(_) => race_problem(name, data)?.problem,
        None if name == "digits-mlp" => race_problem(name, None)?.problem,
        None => lookup(name, None)?,
    };
    let mut rng = stream(0, &[]);
    let instance: Instance = problem.instance(&mut rng);
    let params = problem.init(&instance, &mut rng);
    let rows = instance.dataset.as_ref().map_or(1, |dataset| dataset.len());
    let layout = problem.layout();
    Ok(Task {
        name: name.to_owned(),
        learned: Box::new(HierarchicalRnn::pretrained(&layout)?),
        adam: Box::new(Adam::new(&layout, 1e-3)),
        layout,
        evaluation: Evaluation::new(Arc::clone(&problem), instance),
        rows,
        params,
    })
}

/// Problems without files.
const GENERATED: [&str; 3] = ["digits-mlp", "images-conv", "resnet-8"];

/// Problems that read MNIST and CIFAR-10.
const ON_DATA: [&str; 3] = ["mnist-mlp", "cifar-conv", "cifar-resnet"];
