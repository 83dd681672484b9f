//! A training run of one instance, unroll by unroll, and the meta-gradient of an unroll.

use super::network::{L2lNetwork, L2lState, L2lUnroll};
use super::weights::L2lError;
use lopt_core::rng::stream;
use lopt_problems::{AnyProblem, BatchStream, Evaluation, Problem as _};
use std::sync::Arc;

/// An instance somewhere in its run.
#[derive(Debug)]
pub struct Run {
    evaluation: Evaluation,
    batches: Option<BatchStream>,
    params: Vec<f32>,
    state: L2lState<f32>,
}

/// What was met on `U` steps: the losses and gradients before each and after the last.
#[derive(Clone, Debug)]
pub struct Unroll {
    /// The state before the first step.
    pub start: L2lState<f32>,
    /// `f(theta_0) ... f(theta_U)`, each on a batch of its own; all finite.
    pub losses: Vec<f32>,
    /// Gradients of the losses, `[U + 1][P]`.
    pub gradients: Vec<Vec<f32>>,
}

impl Run {
    /// The instance, start and batches at `path` below `seed`.
    #[must_use]
    pub fn new(problem: &Arc<dyn AnyProblem>, seed: u64, path: [u64; 2]) -> Self {
        let mut rng = stream(seed, &path);
        let instance = problem.instance(&mut rng);
        let params = problem.init(&instance, &mut rng);
        let rows = instance.dataset.as_ref().map(|dataset| dataset.len());
        let batch = problem.batch_size().unwrap_or(1);
        let batches = rows.map(|rows| BatchStream::new(rows, batch, rng));
        let state = L2lState::new(params.len());
        let evaluation = Evaluation::new(Arc::clone(problem), instance);
        Self { evaluation, batches, params, state }
    }

    /// Takes `steps` steps; `None` if a loss or a gradient was not finite: the run is over then.
    pub fn unroll(&mut self, network: &L2lNetwork<f32>, steps: usize) -> Option<Unroll> {
        let start = self.state.clone();
        let (mut losses, mut gradients) = (Vec::new(), Vec::new());
        for t in 0..=steps {
            let rows = self.batches.as_mut().map(BatchStream::next_rows);
            let (loss, gradient) = self.evaluation.value_and_gradient(&self.params, rows);
            if !loss.is_finite() || !gradient.iter().all(|g| g.is_finite()) {
                return None;
            }
            losses.push(loss);
            gradients.push(gradient.to_vec());
            if t < steps {
                network.forward(&mut self.state, &mut self.params, gradient);
            }
        }
        Some(Unroll { start, losses, gradients })
    }
}

impl Unroll {
    /// The meta-loss: the sum of all losses.
    #[must_use]
    pub fn meta_loss(&self) -> f64 {
        self.losses.iter().map(|&f| f64::from(f)).sum()
    }
}

/// The gradient of the meta-loss by psi, with the gradients the optimizer read held fixed.
///
/// # Errors
///
/// If the lengths of the unroll's parts do not fit.
pub fn meta_gradient(network: &L2lNetwork<f32>, unroll: &Unroll) -> Result<Vec<f64>, L2lError> {
    let Some((_, later)) = unroll.gradients.split_first() else {
        return network.backward(L2lUnroll { start: &unroll.start, gradients: &[], adjoints: &[] });
    };
    let mut adjoints = later.to_vec();
    for t in (1..adjoints.len()).rev() {
        let (before, after) = adjoints.split_at_mut(t);
        for (sum, &x) in before[t - 1].iter_mut().zip(&after[0]) {
            *sum += x;
        }
    }
    let gradients = &unroll.gradients[..later.len()];
    network.backward(L2lUnroll { start: &unroll.start, gradients, adjoints: &adjoints })
}
