//! Exact truncated gradients: the derivative of a score along some steps of a practice job, second derivatives
//! of its loss included (Werbos 1990, "Backpropagation Through Time").
//!
//! A run goes to where the unroll begins without being recorded; what is there is a constant. Of every step of
//! the unroll the state before it, the gradient and the batch are kept. The way back records one step at a time
//! on a tape ([`step`], [`rule`]) and takes one Hessian-vector product for it.

mod rule;
mod step;

use std::ops::Range;

use lopt_core::flush::FlushToZero;
use lopt_core::relative_rnn::LossTrend;
use lopt_core::simd::Level;
use lopt_core::tensor_step::TensorStep;
use lopt_core::{Optimizer, RelativeRnn, RelativeRnnConfig};
use lopt_grad::Tape;
use lopt_problems::{Curvature, JobStart};

use super::score::Practice;
use step::{ATTENDED, AVERAGE, Given, State, Steps};

/// What an unroll gave.
#[derive(Clone, Debug)]
pub(super) struct Unroll {
    /// Of its score with respect to psi, not longer than [`LONGEST`].
    pub gradient: Vec<f64>,
    /// Of the averaged iterates at its end.
    pub score: f64,
}

/// A step of an unroll.
struct Step {
    before: State<f32>,
    gradient: Vec<f32>,
    /// Where the gradient was taken, `[P]`.
    at: Vec<f32>,
    curvature: Curvature,
    trend: [f64; 3],
}

/// Differentiates the score after the steps `unrolled` of a run, all of whose steps are multiplied by `factor`;
/// `None` if the run is lost, or its job cannot be differentiated.
pub(super) fn unroll(
    job: &Practice,
    networks: &RelativeRnnConfig,
    psi: &[f64],
    factor: f64,
    seed: u64,
    unrolled: Range<usize>,
) -> Option<Unroll> {
    let _flush = FlushToZero::set();
    let layout = job.task.job.layout();
    let single: Vec<f32> = psi.iter().map(|&x| x as f32).collect();
    // as weights hold it
    let psi: Vec<f64> = single.iter().map(|&x| f64::from(x)).collect();
    let JobStart { mut params, mut objective } = job.task.job.start(seed);
    let mut optimizer = RelativeRnn::new(networks, &psi, &layout, Level::detect());
    let how = vec![TensorStep { multiplier: factor as f32, held: false }; layout.tensor_count()];
    let mut on_tape = Steps::new(networks, &layout);
    let (mut trend, mut steps) = (LossTrend::default(), Vec::new());
    let mut gradient = vec![0.0; params.len()];
    for step in 0..unrolled.end {
        objective.next_batch();
        let at = optimizer.attended(&params);
        let loss = objective.loss_and_gradient(at, &mut gradient);
        if !loss.is_finite() || gradient.iter().any(|g| !g.is_finite()) {
            return None;
        }
        let trend = trend.take(Some(loss));
        if step >= unrolled.start {
            steps.push(Step {
                before: on_tape.state(&optimizer.memory(), &params),
                gradient: gradient.clone(),
                at: at.to_vec(),
                curvature: objective.curvature()?,
                trend,
            });
        }
        optimizer.advance(&mut params, &gradient, &how, Some(loss));
        optimizer.follow(&params);
    }
    let loss = objective.validation_gradient(&params, &mut gradient)?;
    let [score, slope] = job.score_and_slope(loss);
    let mut adjoint = steps.last()?.before.zeros_like();
    for (adjoint, g) in adjoint.elements[AVERAGE].iter_mut().zip(&gradient) {
        *adjoint = slope as f32 * g;
    }
    let mut of_psi = vec![0.0; psi.len()];
    let (mut of_gradient, mut product) = (gradient.clone(), gradient);
    let mut tape = Tape::new();
    for step in steps.iter().rev() {
        let given = Given { gradient: &step.gradient, factor, trend: step.trend };
        on_tape.back(&single, &step.before, given, &mut adjoint, &mut of_gradient, &mut of_psi);
        step.curvature.product(&mut tape, &step.at, &of_gradient, &mut product);
        adjoint.elements[ATTENDED].iter_mut().zip(&product).for_each(|(y, h)| *y += h);
    }
    let norm = of_psi.iter().map(|g| g * g).sum::<f64>().sqrt();
    let shorter = if norm > LONGEST { LONGEST / norm } else { 1.0 };
    of_psi.iter_mut().for_each(|g| *g *= shorter);
    norm.is_finite().then_some(Unroll { gradient: of_psi, score })
}

/// Most that the gradient of one unroll counts.
const LONGEST: f64 = 1.0;

#[cfg(test)]
mod tests;
