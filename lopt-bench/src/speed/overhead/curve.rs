//! One curve: gradient and steps, timed in turn for every batch size.

use lopt_core::Optimizer;
use serde::{Deserialize, Serialize};

use super::fit::{Crossing, Line};
use super::tasks::Task;
use crate::error::CliError;
use crate::speed::rounds::median;
use crate::timing::sample;

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Samples of everything.
    pub rounds: usize,
    /// Largest batch.
    pub most_rows: usize,
    /// CPU seconds that one gradient may take; larger batches are left out.
    pub most_seconds: f64,
    /// CPU seconds of a sample of something short.
    pub sample: f64,
}

impl Effort {
    /// A few minutes for all models.
    pub const FULL: Self = Self { rounds: 5, most_rows: 1024, most_seconds: 2.0, sample: 0.02 };
    /// Seconds.
    pub const QUICK: Self = Self { rounds: 1, most_rows: 64, most_seconds: 0.03, sample: 0.001 };
}

/// The curve of one model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Curve {
    /// The model.
    pub name: String,
    /// Parameters.
    pub parameters: usize,
    /// Tensors.
    pub tensors: usize,
    /// By batch size.
    pub points: Vec<Point>,
    /// Gradient time against batch size.
    pub gradient_fit: Line,
    /// Where the learned step costs a tenth of the gradient.
    pub below_ten_percent: Crossing,
}

/// One batch size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Rows.
    pub batch: usize,
    /// One gradient.
    pub gradient_ns: f64,
    /// One step of the learned optimizer.
    pub learned_ns: f64,
    /// One step of Adam.
    pub adam_ns: f64,
    /// Learned step over gradient.
    pub overhead: f64,
    /// How much longer a whole training step is than with Adam, less one.
    pub overhead_over_adam: f64,
}

/// Measures batches of 1, 2, 4, ... rows.
///
/// # Errors
///
/// If a step is refused.
pub fn measure(task: &mut Task, effort: Effort) -> Result<Curve, CliError> {
    let mut points = Vec::new();
    let mut batch = 1;
    while batch <= effort.most_rows.min(task.rows) {
        let point = point(task, batch, effort)?;
        points.push(point);
        batch *= 2;
        if 2.0 * point.gradient_ns > 1e9 * effort.most_seconds {
            break;
        }
    }
    let gradient_fit = Line::fit(&points);
    Ok(Curve {
        name: task.name.clone(),
        parameters: task.layout.len(),
        tensors: task.layout.tensor_count(),
        below_ten_percent: Crossing::find(&points, gradient_fit),
        gradient_fit,
        points,
    })
}

fn point(task: &mut Task, batch: usize, effort: Effort) -> Result<Point, CliError> {
    let rows: Vec<usize> = (0..batch).collect();
    let mut grads = vec![0.0; task.params.len()];
    let mut samples = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..=effort.rounds {
        let Task { evaluation, learned, adam, params, .. } = &mut *task;
        let gradient = timed(effort.sample, || {
            let (_, gradient) = evaluation.value_and_gradient(params, Some(&rows));
            grads.copy_from_slice(gradient);
            Ok(())
        })?;
        let learned = step_ns(learned.as_mut(), params, &grads, effort.sample)?;
        let adam = step_ns(adam.as_mut(), params, &grads, effort.sample)?;
        // The first round fills tapes and caches.
        if round > 0 {
            for (samples, ns) in samples.iter_mut().zip([gradient, learned, adam]) {
                samples.push(ns);
            }
        }
    }
    let [gradient_ns, learned_ns, adam_ns] = samples.map(median);
    Ok(Point {
        batch,
        gradient_ns,
        learned_ns,
        adam_ns,
        overhead: learned_ns / gradient_ns,
        overhead_over_adam: (learned_ns - adam_ns) / (gradient_ns + adam_ns),
    })
}

/// One step from the same point every time.
fn step_ns(
    optimizer: &mut dyn Optimizer,
    start: &[f32],
    grads: &[f32],
    seconds: f64,
) -> Result<f64, CliError> {
    let mut params = start.to_vec();
    timed(seconds, || Ok(optimizer.step(&mut params, grads)?))
}

/// Nanoseconds of CPU time of one call, over as many as take so many seconds.
fn timed(seconds: f64, mut call: impl FnMut() -> Result<(), CliError>) -> Result<f64, CliError> {
    sample(seconds, || call().map(|()| 1.0)).map(|[cpu_ns, _]| cpu_ns)
}
