//! One truncated unroll of a group: forward with records, then back with second derivatives.
//!
//! The meta-loss of a lane is `sum_n w_n log(f(theta_n)/f0 + eps)` over the points after each step;
//! the way back runs the hand-written adjoint of every step and one Hessian-vector product per
//! step, at the point where the gradient was taken and on the same batch.

use crate::config::Recipe;
use crate::meta_loss::{log_relative, step_weights};
use crate::objective::Packed;
use crate::precision::Precision;
use crate::slot::Slot;
use lopt_core::adjoint::Adjoint;
use lopt_core::buffer::Buffer;
use lopt_core::engine::{Backward, Engine, Finish, Forward};
use lopt_core::flush::FlushToZero;
use lopt_core::network::Network;
use lopt_core::record::{RecordShape, StepRecord};
use lopt_core::rng::{normal, unit};
use lopt_core::simd::Element;
use lopt_core::state::Work;

/// What one unroll gave.
#[derive(Clone, Debug)]
pub struct UnrollOutcome {
    /// Meta-gradient, summed over the lanes whose own was finite, each limited in norm.
    pub gradient: Vec<f64>,
    /// Number of those lanes.
    pub used: usize,
    /// Meta-loss of every lane.
    pub losses: Vec<f64>,
    /// Inner steps.
    pub steps: usize,
    /// Lanes whose run diverged: they are to be started again.
    pub diverged: Vec<bool>,
}

/// Memory of unrolls, used again and again by one thread.
#[derive(Debug)]
pub struct Workspace<E: Element> {
    records: Buffer<E>,
    gradient: Buffer<E>,
}

impl<E: Element> Default for Workspace<E> {
    fn default() -> Self {
        Self { records: Buffer::zeros(0), gradient: Buffer::zeros(0) }
    }
}

/// Losses of one point of the unroll, and how its lanes stand.
struct Lanes {
    /// Weight of the meta-loss's slope, per step and lane: `w_n dL/df`, zero where parked.
    slopes: Vec<Vec<f64>>,
    losses: Vec<f64>,
    parked: Vec<bool>,
}

/// Runs `steps` inner steps of a slot from where it stands, and differentiates them.
pub fn unroll<P: Precision>(
    precision: P,
    recipe: &Recipe,
    net: &Network<P::E>,
    slot: &mut Slot<P>,
    workspace: &mut Workspace<P::E>,
    steps: usize,
) -> UnrollOutcome {
    let weights = step_weights(&recipe.meta_loss, steps);
    unroll_weighted(precision, recipe, net, slot, workspace, &weights)
}

/// [`unroll`] with a weight of its own for the loss after each step.
pub fn unroll_weighted<P: Precision>(
    precision: P,
    recipe: &Recipe,
    net: &Network<P::E>,
    slot: &mut Slot<P>,
    workspace: &mut Workspace<P::E>,
    weights: &[f64],
) -> UnrollOutcome {
    let steps = weights.len();
    let _flush = FlushToZero::set();
    let scalars = slot.theta.len();
    let shape = RecordShape::new(net, &slot.plan, scalars);
    let stride = shape.len();
    if workspace.records.len() < stride * steps {
        workspace.records = Buffer::zeros(stride * steps);
    }
    let mut work = Work::new(net, &slot.plan, 1);
    let mut lanes = Lanes {
        slopes: vec![vec![0.0; P::LANES]; steps + 1],
        losses: vec![0.0; P::LANES],
        parked: vec![false; P::LANES],
    };
    let fresh: Vec<P::E> =
        slot.fresh.iter().map(|&f| P::E::from_f64(f64::from(u8::from(f)))).collect();
    let mut rows = Vec::with_capacity(steps + 1);
    let mut batch = None;
    let mut end = Vec::new();
    for n in 0..=steps {
        rows.push(slot.next_rows());
        let reuse = rows[n].is_empty() && batch.is_some();
        if !reuse {
            batch = Some(Packed::values::<P>(&slot.batch(&rows[n])));
        }
        let Some(batch) = &batch else { unreachable!("a batch was made at the first step") };
        if n < steps {
            let memory = &mut workspace.records[n * stride..(n + 1) * stride];
            let mut record = StepRecord::in_memory(memory, &shape);
            evaluate(recipe, slot, batch, &mut record, &mut lanes, weights, n);
            record.keep_state(&slot.state);
            let Slot { plan, state, theta, phi, .. } = &mut *slot;
            let phi = net.config.attention.then_some(&mut phi[..]);
            let grads = std::mem::take(&mut record.grads);
            let (work, keep) = (&mut work, Some(&mut record));
            let call = Forward { net, plan, state, work, grads, theta, phi, record: keep };
            P::E::forward(precision.level(), call);
            add_parameter_noise(slot, n);
        } else {
            let mut last = vec![P::E::from_f64(0.0); stride];
            let mut record = StepRecord::in_memory(&mut last, &shape);
            evaluate(recipe, slot, batch, &mut record, &mut lanes, weights, n);
            end = record.loss_gradient.to_vec();
        }
    }
    let (gradient, finite) =
        way_back(precision, recipe, net, slot, workspace, &shape, &rows, &lanes, &end, &fresh);
    slot.steps += steps as u64;
    slot.fresh.fill(false);
    let used = finite.iter().filter(|&&ok| ok).count();
    let diverged = lanes.parked.iter().zip(&finite).map(|(&parked, &ok)| parked || !ok).collect();
    UnrollOutcome { gradient, used, losses: lanes.losses, steps, diverged }
}

/// Loss and gradients at the current point: fills `point`, `grads` and `loss_gradient`.
fn evaluate<P: Precision>(
    recipe: &Recipe,
    slot: &mut Slot<P>,
    batch: &Packed<P::R>,
    record: &mut StepRecord<'_, P::E>,
    lanes: &mut Lanes,
    weights: &[f64],
    n: usize,
) {
    let attention = !slot.phi.is_empty();
    let Slot { objective, theta, phi, inverse, constants, full, .. } = &mut *slot;
    let point: &[P::E] = if attention { phi } else { theta };
    let last = n == weights.len();
    let loss_batch = full.as_ref().unwrap_or(batch);
    let losses = objective.gradient(theta, inverse, constants, loss_batch, record.loss_gradient);
    if !last {
        record.point.copy_from_slice(point);
        if attention || full.is_some() {
            objective.gradient(point, inverse, constants, batch, record.grads);
        } else {
            record.grads.copy_from_slice(record.loss_gradient);
        }
    }
    for lane in 0..P::LANES {
        let f: f64 = losses[lane].into();
        if slot.first_loss[lane].is_nan() {
            slot.first_loss[lane] = f;
        }
        let f0 = slot.first_loss[lane];
        let (loss, slope) = log_relative(&recipe.meta_loss, f, f0);
        // a minibatch of some problems can be negative, and then has no logarithm
        let lost = !loss.is_finite() || f > recipe.meta_loss.parked_above * f0.max(1e-6);
        lanes.parked[lane] |= lost || !f0.is_finite() || has_nan::<P>(record, lane, last);
        if lanes.parked[lane] {
            park(slot, record, lane);
        } else if n > 0 {
            lanes.losses[lane] += weights[n - 1] * loss;
            lanes.slopes[n][lane] = weights[n - 1] * slope;
        }
    }
    if !last {
        perturb_gradient(slot, record, n);
    }
}

fn has_nan<P: Precision>(record: &StepRecord<'_, P::E>, lane: usize, last: bool) -> bool {
    let bad = |x: &[P::E]| {
        x.iter().skip(lane).step_by(P::LANES).any(|&v| !Into::<f64>::into(v).is_finite())
    };
    bad(record.loss_gradient) || (!last && bad(record.grads))
}

/// A parked lane stands still at zero gradient at the origin, so that its numbers stay finite.
fn park<P: Precision>(slot: &mut Slot<P>, record: &mut StepRecord<'_, P::E>, lane: usize) {
    let zero = P::E::from_f64(0.0);
    let buffers: [&mut [P::E]; 5] =
        [&mut slot.theta, &mut slot.phi, record.point, record.grads, record.loss_gradient];
    for buffer in buffers {
        for v in buffer.iter_mut().skip(lane).step_by(P::LANES) {
            *v = zero;
        }
    }
}

/// Gradient noise and sparsity of the problem, from streams that give the same again on the way
/// back.
fn perturb_gradient<P: Precision>(slot: &Slot<P>, record: &mut StepRecord<'_, P::E>, n: usize) {
    let sigma = slot.problem.gradient_noise();
    if sigma > 0.0 {
        let mut rng = slot.step_rng(2 * (slot.steps + n as u64));
        for group in record.grads.chunks_exact_mut(P::LANES) {
            for (g, &k) in group.iter_mut().zip(&slot.inverse) {
                // the noise belongs to the raw problem, so it is rescaled with the gradient
                *g = *g + P::E::from_f64(sigma * normal(&mut rng)) * k;
            }
        }
    }
    mask::<P>(slot, record.grads, n);
}

/// Zeroes the entries that the problem's sparsity hides at step `n`.
fn mask<P: Precision>(slot: &Slot<P>, values: &mut [P::E], n: usize) {
    let sparsity = slot.problem.gradient_sparsity();
    if sparsity > 0.0 {
        let mut rng = slot.step_rng(2 * (slot.steps + n as u64) + 1);
        for v in values {
            if unit(&mut rng) < sparsity {
                *v = P::E::from_f64(0.0);
            }
        }
    }
}

/// Appendix D.1: noise on the parameters after the step.
fn add_parameter_noise<P: Precision>(slot: &mut Slot<P>, n: usize) {
    if slot.noise.iter().all(|&v| v == P::E::from_f64(0.0)) {
        return;
    }
    let mut rng = slot.step_rng((1 << 40) + slot.steps + n as u64);
    let Slot { theta, phi, noise, .. } = &mut *slot;
    for (i, group) in theta.chunks_exact_mut(P::LANES).enumerate() {
        for (lane, v) in group.iter_mut().enumerate() {
            let change = P::E::from_f64(normal(&mut rng)) * noise[lane];
            *v = *v + change;
            if let Some(p) = phi.get_mut(i * P::LANES + lane) {
                *p = *p + change;
            }
        }
    }
}

/// The reverse sweep; the gradient of psi, lane by lane, ends up in the workspace.
fn way_back<P: Precision>(
    precision: P,
    recipe: &Recipe,
    net: &Network<P::E>,
    slot: &mut Slot<P>,
    workspace: &mut Workspace<P::E>,
    shape: &RecordShape,
    rows: &[Vec<Vec<usize>>],
    lanes: &Lanes,
    end: &[P::E],
    fresh: &[P::E],
) -> (Vec<f64>, Vec<bool>) {
    let (steps, stride) = (lanes.slopes.len() - 1, shape.len());
    let scalars = slot.theta.len();
    let mut adjoint = Adjoint::new(net, &slot.plan, scalars);
    let count = net.layout.len();
    if workspace.gradient.len() != count * P::LANES {
        workspace.gradient = Buffer::zeros(count * P::LANES);
    }
    workspace.gradient.fill(P::E::from_f64(0.0));
    let second = recipe.meta_loss.second_derivatives;
    let attention = net.config.attention;
    add_slope::<P>(&mut adjoint.theta, end, &lanes.slopes[steps]);
    let mut batch = None;
    for n in (0..steps).rev() {
        let memory = &mut workspace.records[n * stride..(n + 1) * stride];
        let record = StepRecord::in_memory(memory, shape);
        let call = Backward {
            net,
            plan: &slot.plan,
            record: &record,
            adjoint: &mut adjoint,
            gradient: &mut workspace.gradient,
            limit: recipe.meta_loss.adjoint_limit,
        };
        P::E::backward(precision.level(), call);
        if attention {
            adjoint.phi.fill(P::E::from_f64(0.0));
        }
        if second {
            let mut direction = std::mem::take(&mut adjoint.grads);
            mask::<P>(slot, &mut direction, n);
            if batch.is_none() || !rows[n].is_empty() {
                batch = Some(Packed::duals::<P>(&slot.batch(&rows[n])));
            }
            if let Some(batch) = &batch {
                let Slot { objective, inverse, dual_constants, .. } = &mut *slot;
                let out = if attention { &mut adjoint.phi } else { &mut adjoint.theta };
                objective.add_hessian_product(
                    record.point,
                    &direction,
                    inverse,
                    dual_constants,
                    batch,
                    out,
                );
            }
            adjoint.grads = direction;
        }
        if attention && n == 0 {
            // phi_0 is theta_0: nothing before the unroll is differentiated
            adjoint.phi.fill(P::E::from_f64(0.0));
        }
        add_slope::<P>(&mut adjoint.theta, record.loss_gradient, &lanes.slopes[n]);
    }
    let plan = &slot.plan;
    let gradient = &mut workspace.gradient;
    let call = Finish { net, plan, adjoint: &mut adjoint, gradient, fresh };
    P::E::finish(precision.level(), call);
    sum_lanes(&workspace.gradient, P::LANES, recipe.meta_loss.instance_limit)
}

/// Sums a lane-wise gradient over the finite lanes, each limited in norm. Also says which were.
fn sum_lanes<E: Element>(gradient: &[E], lanes: usize, limit: f64) -> (Vec<f64>, Vec<bool>) {
    let mut squares = vec![0.0; lanes];
    for group in gradient.chunks_exact(lanes) {
        for (total, &g) in squares.iter_mut().zip(group) {
            let g: f64 = g.into();
            *total += g * g;
        }
    }
    let scale = |&square: &f64| {
        let norm = square.sqrt();
        if limit > 0.0 && norm > limit { limit / norm } else { 1.0 }
    };
    let scales: Vec<f64> = squares.iter().map(scale).collect();
    let finite: Vec<bool> = squares.iter().map(|s| s.is_finite()).collect();
    let sum = |group: &[E]| {
        let of_lane = group.iter().zip(&scales).zip(&finite);
        of_lane.filter(|(_, ok)| **ok).map(|((&g, scale), _)| g.into() * scale).sum()
    };
    (gradient.chunks_exact(lanes).map(sum).collect(), finite)
}

/// `adjoint += slope[lane] * gradient`.
fn add_slope<P: Precision>(adjoint: &mut [P::E], gradient: &[P::E], slopes: &[f64]) {
    let slopes: Vec<P::E> = slopes.iter().map(|&s| P::E::from_f64(s)).collect();
    for (a, g) in adjoint.chunks_exact_mut(P::LANES).zip(gradient.chunks_exact(P::LANES)) {
        for ((a, &g), &s) in a.iter_mut().zip(g).zip(&slopes) {
            *a = *a + g * s;
        }
    }
}
