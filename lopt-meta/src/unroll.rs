//! One truncated unroll of a group: forward with records, then back with second derivatives.
//!
//! The meta-loss of a lane is `sum_n w_n log(f(theta_n)/f0 + eps)` over the points after each step;
//! the way back runs the hand-written adjoint of every step and one Hessian-vector product per
//! step, at the point where the gradient was taken and on the same batch.

use crate::adjoint::Adjoint;
use crate::config::Recipe;
use crate::iterate_mean;
use crate::meta_loss::{relative, step_weights};
use crate::objective::Packed;
use crate::perturbation::{add_parameter_noise, perturb_gradient};
use crate::precision::Precision;
use crate::slot::Slot;
use crate::trace::{StepPoints, Trace};
use crate::way_back::{Sweep, way_back};
use lopt_core::engine::{Engine, Forward, Pace};
use lopt_core::flush::FlushToZero;
use lopt_core::network::Network;
use lopt_core::simd::Buffer;
use lopt_core::simd::Element;
use lopt_core::state::{StateShape, Work};
use lopt_core::step::{Memory, Moved};

/// What one unroll gave.
#[derive(Clone, Debug, PartialEq)]
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

lopt_core::positional!(UnrollOutcome { gradient, used, losses, steps, diverged });

/// Memory of unrolls, used again and again by one thread.
#[derive(Debug)]
pub struct Workspace<E: Element> {
    pub(crate) trace: Trace<E>,
    pub(crate) gradient: Buffer<E>,
    pub(crate) adjoint: Option<Adjoint<E>>,
}

impl<E: Element> Default for Workspace<E> {
    fn default() -> Self {
        Self { trace: Trace::default(), gradient: Buffer::zeros(0), adjoint: None }
    }
}

/// Losses of one point of the unroll, and how its lanes stand.
struct Lanes {
    /// Weight of the meta-loss's slope, per step and lane: `w_n dL/df`; once parked, zero.
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
    workspace.trace.prepare(net, &slot.plan, scalars, steps);
    let mut work = Work::new(net, &slot.plan, 1);
    let mut lanes = Lanes {
        slopes: vec![vec![0.0; P::LANES]; steps + 1],
        losses: vec![0.0; P::LANES],
        parked: vec![false; P::LANES],
    };
    iterate_mean::begin(slot);
    let trace = &mut workspace.trace;
    let shape = StateShape::new(net, &slot.plan);
    let mut rows = Vec::with_capacity(steps + 1);
    let mut batch = None;
    for n in 0..=steps {
        rows.push(slot.next_rows());
        let reuse = rows[n].is_empty() && batch.is_some();
        if !reuse {
            batch = Some(Packed::values::<P>(&slot.batch(&rows[n])));
        }
        let Some(batch) = &batch else { unreachable!("a batch was made at the first step") };
        if n == steps {
            evaluate(recipe, slot, batch, &mut trace.points(n), &mut lanes, weights, n);
            break;
        }
        let recorded = trace.in_last_segment(n, steps);
        if trace.first_of(trace.segment_of(n)) == n {
            trace.keep(trace.segment_of(n), &slot.state, &shape);
            if recorded {
                trace.rewind(trace.segment_of(n));
            }
        }
        let ((mut record, mut after), mut points) = trace.step(net, &slot.plan, n);
        evaluate(recipe, slot, batch, &mut points, &mut lanes, weights, n);
        let [log, log_largest, clock] = &slot.paces(&net.config, n);
        let pace = Pace { log, log_largest, clock };
        let Slot { plan, theta, phi, state, .. } = &mut *slot;
        let moved = Moved { theta, phi, mean: (&mut [], P::E::from_f64(0.0)), tensors: &[] };
        let memory = if recorded {
            Memory::Recorded(&mut record, &mut after)
        } else {
            Memory::InPlace(state)
        };
        let (work, grads, point) = (&mut work, &*points.grads, Some(&*points.point));
        let call = Forward { net, plan, memory, work, grads, point, pace, moved };
        P::E::forward(precision.level(), call);
        add_parameter_noise(slot, n);
        iterate_mean::advance(slot, recipe.meta_loss.averaging, n);
    }
    trace.state_after(steps, &shape).copy_to(&mut slot.state);
    // a mean logarithm above zero: it stood above its start
    let lost: Vec<bool> = lanes
        .parked
        .iter()
        .zip(&lanes.losses)
        .map(|(&parked, &loss)| parked || loss > 0.0)
        .collect();
    let fresh = slot.fresh.clone();
    let sweep = Sweep { rows: &rows, slopes: &lanes.slopes, fresh: &fresh, lost: &lost };
    let (gradient, finite) = way_back(precision, recipe, net, slot, workspace, &mut work, &sweep);
    slot.steps += steps as u64;
    slot.fresh.fill(false);
    let used = finite.iter().filter(|&&ok| ok).count();
    let diverged = lanes.parked.iter().zip(&finite).map(|(&parked, &ok)| parked || !ok).collect();
    UnrollOutcome { gradient, used, losses: lanes.losses, steps, diverged }
}

/// Loss and gradients at the current point: fills what the step leaves.
fn evaluate<P: Precision>(
    recipe: &Recipe,
    slot: &mut Slot<P>,
    batch: &Packed<P::R>,
    points: &mut StepPoints<'_, P::E>,
    lanes: &mut Lanes,
    weights: &[f64],
    n: usize,
) {
    let (attention, averaged) = (!slot.phi.is_empty(), !slot.mean.is_empty());
    let Slot { objective, theta, phi, mean, inverse, full_batch, .. } = &mut *slot;
    let point: &[P::E] = if attention { phi } else { theta };
    let shown: &[P::E] = if averaged { mean } else { theta };
    let last = n == weights.len();
    let loss_batch = if *full_batch { None } else { Some(batch) };
    let losses = objective.gradient(shown, inverse, loss_batch, points.loss_gradient);
    let mut iterate_losses = None;
    if !last {
        points.point.copy_from_slice(point);
        if attention || averaged || *full_batch {
            let losses = objective.gradient(point, inverse, Some(batch), points.grads);
            iterate_losses = averaged.then_some(losses);
        } else {
            points.grads.copy_from_slice(points.loss_gradient);
        }
    }
    let mut finite = finite_lanes::<P>(points.loss_gradient);
    if !last {
        finite.iter_mut().zip(finite_lanes::<P>(points.grads)).for_each(|(a, b)| *a &= b);
    }
    for lane in 0..P::LANES {
        let f: f64 = losses[lane].into();
        if slot.first_loss[lane].is_nan() {
            slot.first_loss[lane] = f;
        }
        let f0 = slot.first_loss[lane];
        let (loss, slope) = relative(&recipe.meta_loss, f, f0);
        // a minibatch of some problems can be negative, and then has no logarithm
        let priced = loss.is_finite() && f0.is_finite() && finite[lane];
        // a mean follows late where the iterates blow up
        let worst = iterate_losses.as_ref().map_or(f, |losses| f.max(losses[lane].into()));
        let lost = worst > recipe.meta_loss.parked_above * f0.max(1e-6);
        let parked_before = lanes.parked[lane];
        lanes.parked[lane] |= lost || !priced;
        let weight = match (lanes.parked[lane], n) {
            (_, 0) => 0.0,
            (false, _) => weights[n - 1],
            (true, _) if recipe.meta_loss.parked_pays && priced && !parked_before => {
                weights[n - 1..].iter().sum()
            }
            (true, _) => 0.0,
        };
        if lanes.parked[lane] {
            park(slot, points, lane, weight == 0.0);
        }
        if weight > 0.0 {
            lanes.losses[lane] += weight * loss;
            lanes.slopes[n][lane] = weight * slope;
        }
    }
    if !last {
        perturb_gradient(slot, points.grads, n);
    }
}

/// Which lanes hold finite numbers only.
fn finite_lanes<P: Precision>(values: &[P::E]) -> Vec<bool> {
    let zero = P::E::from_f64(0.0);
    // zero times a number that is not finite is NaN, and stays
    let mut probe = vec![zero; P::LANES];
    for group in values.chunks_exact(P::LANES) {
        for (p, &v) in probe.iter_mut().zip(group) {
            *p = *p + v * zero;
        }
    }
    probe.into_iter().map(|p| Into::<f64>::into(p) == 0.0).collect()
}

/// A parked lane stands still at zero gradient at the origin, so that its numbers stay finite.
fn park<P: Precision>(
    slot: &mut Slot<P>,
    points: &mut StepPoints<'_, P::E>,
    lane: usize,
    without_slope: bool,
) {
    let clear = |buffer: &mut [P::E]| {
        for v in buffer.iter_mut().skip(lane).step_by(P::LANES) {
            *v = P::E::from_f64(0.0);
        }
    };
    clear(&mut slot.theta);
    clear(&mut slot.phi);
    clear(&mut slot.mean);
    clear(points.point);
    clear(points.grads);
    if without_slope {
        clear(points.loss_gradient);
    }
}
