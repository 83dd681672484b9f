//! Step length, normalisation and the parameter update (eq. 5 to 9, 18, 19).
//!
//! `l = clip(etabar + Deta)` with a straight-through gradient, `etabar' = gam etabar + (1-gam) l`,
//! `theta' = theta - exp(l + c) d / |d|`, `phi' = theta - exp(l) d_phi / |d_phi|`.

use crate::hierarchical_rnn::psi::config::{HierarchicalRnnConfig, Normalization, StepOffset};
use crate::hierarchical_rnn::psi::meta_params::MetaLayout;
use crate::simd::{Element, Row, Simd, TILE};

/// Scalars of the update in kernel precision.
#[derive(Clone, Copy, Debug)]
pub struct UpdateWeights<E> {
    /// `gam`.
    pub momentum: E,
    /// Offset of the parameter step.
    pub offset: E,
    /// Offset of the attended step.
    pub attended_offset: E,
    pub max_log_rate: f64,
    pub normalization: Normalization,
    /// Whether there is a learned step length.
    pub learned_rate: bool,
}

impl<E: Element> UpdateWeights<E> {
    pub(crate) fn new(psi: &[f64], layout: &MetaLayout, config: &HierarchicalRnnConfig) -> Self {
        let logit = psi.get(layout.rate_momentum.clone()).and_then(|x| x.first());
        let c = psi[layout.step_offset.clone()].first().copied().unwrap_or(0.0);
        let on_parameter = config.step_offset == StepOffset::Parameter;
        Self {
            momentum: E::from_f64(logit.map_or(0.0, |&x| 1.0 / (1.0 + (-x).exp()))),
            offset: E::from_f64(if on_parameter { c } else { 0.0 }),
            attended_offset: E::from_f64(if on_parameter { 0.0 } else { c }),
            max_log_rate: config.max_log_rate,
            normalization: config.normalization,
            learned_rate: config.dynamic_output_scale,
        }
    }
}

/// Clipped log rate `l`, at most `most`, and the new `etabar`; `old`: the one before the step, where
/// it is kept.
#[inline(always)]
pub(crate) fn log_rate<S: Simd>(
    s: S,
    w: &UpdateWeights<S::E>,
    change: &Row<S>,
    old: Option<&Row<S>>,
    etabar: &mut Row<S>,
    l: &mut Row<S>,
    most: S::V,
    cols: usize,
) {
    let cols = cols.min(TILE);
    let momentum = s.splat(w.momentum);
    for c in 0..cols {
        let last = old.map_or(etabar[c], |old| old[c]);
        let wanted = s.add(last, change[c]);
        let capped = s.select_gt(wanted, most, most, wanted);
        l[c] = s.at_least(capped, -w.max_log_rate);
        etabar[c] = s.fma(momentum, s.sub(last, l[c]), l[c]);
    }
}

/// `1 / |d|` from the sum of squares over the `n` elements of the tensor.
#[inline(always)]
pub(crate) fn inverse_length<S: Simd>(s: S, kind: Normalization, squares: S::V, n: f64) -> S::V {
    let one = s.constant(1.0);
    let epsilon = s.constant(1e-16);
    match kind {
        Normalization::None => one,
        Normalization::Rms => s.div(one, s.sqrt(s.fma(squares, s.constant(1.0 / n), epsilon))),
        Normalization::MeanNorm => s.div(s.constant(n), s.sqrt(s.add(squares, epsilon))),
    }
}

/// The step `exp(l + offset) d / |d|`, to be subtracted from theta; in `offset` is the log pace, too.
#[inline(always)]
pub fn step<S: Simd>(
    s: S,
    w: &UpdateWeights<S::E>,
    offset: S::V,
    d: &Row<S>,
    l: &Row<S>,
    inverse: S::V,
    out: &mut Row<S>,
    cols: usize,
) {
    let cols = cols.min(TILE);
    for c in 0..cols {
        let unit = s.mul(d[c], inverse);
        out[c] = if w.learned_rate { s.mul(s.exp(s.add(l[c], offset)), unit) } else { unit };
    }
}
