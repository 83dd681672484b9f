//! The way back through the update of the parameters, the fading of steps, and the size of tensors.

use lopt_core::config::Normalization;
use lopt_core::network::Network;
use lopt_core::plan::Plan;
use lopt_core::scale::BORROWED;
use lopt_core::simd::tile::{load_row, store_row};
use lopt_core::simd::{Row, Simd, TILE};
use lopt_core::update::UpdateWeights;

/// First half of the adjoint of [`step`](lopt_core::update::step): from the adjoint of the parameters
/// after the step to that of the unit direction (`adj_d`) and of `l` (added to `adj_l`); `fade`: factor of the step. Returns
/// `sum_c adj_unit * unit`, which is also the adjoint of the offset and of the factor's logarithm.
#[inline(always)]
pub(super) fn step_adjoint<S: Simd>(
    s: S,
    w: &UpdateWeights<S::E>,
    offset: S::V,
    d: &Row<S>,
    l: &Row<S>,
    inverse: S::V,
    fade: S::V,
    adj_theta: &Row<S>,
    adj_d: &mut Row<S>,
    adj_l: &mut Row<S>,
    cols: usize,
) -> S::V {
    let cols = cols.min(TILE);
    let mut total = s.zero();
    for c in 0..cols {
        let unit = s.mul(d[c], inverse);
        let back = s.mul(s.sub(s.zero(), adj_theta[c]), fade);
        let adj_unit = if w.learned_rate { s.mul(back, s.exp(s.add(l[c], offset))) } else { back };
        let product = s.mul(adj_unit, unit);
        adj_d[c] = adj_unit;
        adj_l[c] = s.add(adj_l[c], product);
        total = s.add(total, product);
    }
    total
}

/// Second half: through the normalisation, given `total = sum_i adj_unit_i unit_i` of the tensor.
#[inline(always)]
pub(super) fn normalization_adjoint<S: Simd>(
    s: S,
    kind: Normalization,
    d: &Row<S>,
    inverse: S::V,
    total: S::V,
    n: f64,
    adj_d: &mut Row<S>,
    cols: usize,
) {
    let cols = cols.min(TILE);
    let scale = match kind {
        Normalization::None => return,
        Normalization::Rms => 1.0 / n,
        Normalization::MeanNorm => 1.0 / (n * n),
    };
    let pull = s.mul(total, s.constant(scale));
    for c in 0..cols {
        let unit = s.mul(d[c], inverse);
        adj_d[c] = s.mul(inverse, s.nma(unit, pull, adj_d[c]));
    }
}

/// What the adjoint of a tensor's gradient gains per unit of the gradient; `total`: adjoint of the
/// factor's logarithm.
#[inline(always)]
pub(super) fn fade_adjoint<S: Simd>(s: S, slope: S::V, total: S::V, n: f64) -> S::V {
    s.mul(s.mul(total, slope), s.constant(2.0 / n))
}

/// Adjoint of [`log_scale`](lopt_core::scale::log_scale) and the mean squares before it: adds to `adj_point` (flat, in the shape of instances). `adj_log_scale`:
/// one per tensor, overwritten.
#[inline(always)]
pub(super) fn scale_adjoint<S: Simd>(
    s: S,
    net: &Network<S::E>,
    plan: &Plan,
    point: &[S::E],
    squares: &[S::V],
    adj_log_scale: &mut [S::V],
    adj_point: &mut [S::E],
) {
    if !net.config.parameter_scale {
        return;
    }
    let mut total = s.zero();
    for (up, &square) in adj_log_scale.iter_mut().zip(squares) {
        *up = s.div(s.mul(s.constant(0.5), *up), square);
        total = s.add(total, *up);
    }
    let borrowed = s.mul(total, s.constant(2.0 * BORROWED / plan.parameters));
    for job in &plan.jobs {
        let own = s.constant(2.0 / plan.tensors[job.tensor].elements);
        let slope = s.fma(adj_log_scale[job.tensor], own, borrowed);
        for span in plan.spans(job) {
            let at = load_row::<S>(&point[span.scalars.clone()]);
            let mut adj = load_row::<S>(&adj_point[span.scalars.clone()]);
            for c in 0..span.cols {
                adj[c] = s.fma(slope, at[c], adj[c]);
            }
            store_row::<S>(&adj, &mut adj_point[span.scalars]);
        }
    }
}
