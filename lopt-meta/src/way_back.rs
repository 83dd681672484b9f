//! The reverse sweep of an unroll: the adjoint of every step and one Hessian-vector product per step.

use crate::adjoint::{Adjoint, Backward, BackwardStep, Finish};
use crate::config::{MetaLossConfig, Recipe};
use crate::iterate_mean;
use crate::objective::Packed;
use crate::perturbation::mask;
use crate::precision::Precision;
use crate::slot::Slot;
use crate::unroll::Workspace;
use lopt_core::engine::{Engine, Forward, Pace};
use lopt_core::network::Network;
use lopt_core::simd::Buffer;
use lopt_core::simd::Element;
use lopt_core::state::Work;
use lopt_core::step::{Memory, Moved};

/// What the forward sweep hands over.
pub(crate) struct Sweep<'a> {
    /// Rows of the batch of every step and lane.
    pub rows: &'a [Vec<Vec<usize>>],
    /// `w_n dL/df` per step and lane, zero where parked.
    pub slopes: &'a [Vec<f64>],
    /// Lanes that were at the start of a run.
    pub fresh: &'a [bool],
    /// Lanes that blew up during the unroll, or had a meta-loss above zero.
    pub lost: &'a [bool],
}

/// Gradient of psi, summed over the lanes for which it is finite, and which those are.
pub(crate) fn way_back<P: Precision>(
    precision: P,
    recipe: &Recipe,
    net: &Network<P::E>,
    slot: &mut Slot<P>,
    workspace: &mut Workspace<P::E>,
    work: &mut Work<P::E>,
    sweep: &Sweep<'_>,
) -> (Vec<f64>, Vec<bool>) {
    let steps = sweep.slopes.len() - 1;
    let Workspace { trace, gradient, adjoint } = workspace;
    let adjoint = match adjoint {
        Some(adjoint) => {
            adjoint.start(net, &slot.plan, slot.theta.len());
            adjoint
        }
        None => adjoint.insert(Adjoint::new(net, &slot.plan, slot.theta.len())),
    };
    if gradient.len() != net.layout.len() * P::LANES {
        *gradient = Buffer::zeros(net.layout.len() * P::LANES);
    }
    gradient.fill(P::E::from_f64(0.0));
    let second = recipe.meta_loss.second_derivatives;
    let attention = net.config.attention;
    let (averaged, eta) = (!slot.mean.is_empty(), recipe.meta_loss.averaging);
    let mut adj_mean = vec![P::E::from_f64(0.0); slot.mean.len()];
    let shown = if averaged { &mut adj_mean[..] } else { &mut adjoint.theta[..] };
    add_slope::<P>(shown, trace.points(steps).loss_gradient, &sweep.slopes[steps]);
    let mut batch = None;
    let mut at_hand = trace.segment_of(steps - 1);
    for n in (0..steps).rev() {
        if trace.segment_of(n) < at_hand {
            at_hand = trace.segment_of(n);
            trace.rewind(at_hand);
            for m in trace.first_of(at_hand)..=n {
                let ((mut record, mut after), points) = trace.step(net, &slot.plan, m);
                let memory = Memory::Recorded(&mut record, &mut after);
                let zero = P::E::from_f64(0.0);
                let moved =
                    Moved { theta: &mut [], phi: &mut [], mean: (&mut [], zero), tensors: &[] };
                let (plan, work, grads) = (&slot.plan, &mut *work, &*points.grads);
                let point = Some(&*points.point);
                let [log, log_largest, clock] = &slot.paces(&net.config, m);
                let pace = Pace { log, log_largest, clock };
                let call = Forward { net, plan, memory, work, grads, point, pace, moved };
                P::E::forward(precision.level(), call);
            }
        }
        iterate_mean::adjoint::<P>(eta, n, &mut adj_mean, &mut adjoint.theta);
        let ((record, after), points) = trace.step(net, &slot.plan, n);
        let (grads, point) = (&*points.grads, &*points.point);
        let [pace, ..] = &slot.paces(&net.config, n);
        let step = BackwardStep { record: &record, after: &after, grads, point, pace };
        let (plan, limit) = (&slot.plan, recipe.meta_loss.adjoint_limit);
        let call = Backward { net, plan, step, adjoint, gradient, limit };
        P::E::dispatch(precision.level(), call);
        if second {
            let mut direction = std::mem::take(&mut adjoint.grads);
            mask::<P>(slot, &mut direction, n);
            if batch.is_none() || !sweep.rows[n].is_empty() {
                batch = Some(Packed::duals::<P>(&slot.batch(&sweep.rows[n])));
            }
            if let Some(batch) = &batch {
                let Slot { objective, inverse, .. } = &mut *slot;
                let out = if attention { &mut adjoint.phi } else { &mut adjoint.theta };
                objective.add_hessian_product(point, &direction, inverse, batch, out);
            }
            adjoint.grads = direction;
        }
        if attention && n == 0 {
            // phi_0 is theta_0: nothing before the unroll is differentiated
            adjoint.phi.fill(P::E::from_f64(0.0));
        }
        let shown = if averaged { &mut adj_mean[..] } else { &mut adjoint.theta[..] };
        add_slope::<P>(shown, points.loss_gradient, &sweep.slopes[n]);
    }
    let fresh: Vec<P::E> =
        sweep.fresh.iter().map(|&f| P::E::from_f64(f64::from(u8::from(f)))).collect();
    let call = Finish { net, plan: &slot.plan, adjoint, gradient, fresh: &fresh };
    P::E::dispatch(precision.level(), call);
    let MetaLossConfig { instance_limit, lost_limit, .. } = recipe.meta_loss;
    let limit =
        |&lost: &bool| if lost { lost_limit.unwrap_or(instance_limit) } else { instance_limit };
    let limits: Vec<f64> = sweep.lost.iter().map(limit).collect();
    sum_lanes(gradient, &limits)
}

/// Sums of lanes that are formed at once: 16 kB of single precision.
const SUMS_AT_ONCE: usize = 256;

/// Sums a lane-wise gradient over the finite lanes, each limited in norm (0: not limited). Also
/// says which were.
fn sum_lanes<E: Element>(gradient: &[E], limits: &[f64]) -> (Vec<f64>, Vec<bool>) {
    let lanes = limits.len();
    let mut squares = vec![0.0; lanes];
    for group in gradient.chunks_exact(lanes) {
        for (total, &g) in squares.iter_mut().zip(group) {
            let g: f64 = g.into();
            *total += g * g;
        }
    }
    let scale = |(&square, &limit): (&f64, &f64)| {
        let norm = square.sqrt();
        if limit > 0.0 && norm > limit { limit / norm } else { 1.0 }
    };
    let scales: Vec<f64> = squares.iter().zip(limits).map(scale).collect();
    let finite: Vec<bool> = squares.iter().map(|s| s.is_finite()).collect();
    let mut sums = vec![0.0; gradient.len() / lanes];
    // lane after lane, so that no addition waits for the one before; a few at a time, so that they stay near
    let parts = sums.chunks_mut(SUMS_AT_ONCE).zip(gradient.chunks(SUMS_AT_ONCE * lanes));
    for (sums, gradient) in parts {
        for lane in (0..lanes).filter(|&lane| finite[lane]) {
            let of_lane = gradient[lane..].iter().step_by(lanes);
            for (sum, &g) in sums.iter_mut().zip(of_lane) {
                *sum += Into::<f64>::into(g) * scales[lane];
            }
        }
    }
    (sums, finite)
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

#[cfg(test)]
mod tests {
    use super::sum_lanes;

    #[test]
    fn every_lane_is_held_at_its_own_limit() {
        // four lanes, two scalars: norms 5, 0.5, 50 and one that is not finite
        let gradient = [3.0_f64, 0.3, 30.0, f64::NAN, 4.0, 0.4, 40.0, 1.0];
        let (sum, finite) = sum_lanes(&gradient, &[1.0, 1.0, 10.0, 10.0]);
        assert_eq!(finite, [true, true, true, false]);
        for (got, expected) in sum.into_iter().zip([0.6 + 0.3 + 6.0, 0.8 + 0.4 + 8.0]) {
            assert!((got - expected).abs() < 1e-12, "{got}, expected {expected}");
        }
        let (sum, _) = sum_lanes(&gradient, &[0.0; 4]);
        assert!((sum[0] - 33.3).abs() < 1e-12, "zero is no limit: {}", sum[0]);
    }
}
