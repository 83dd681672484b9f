//! From hidden state to direction, change of log rate and decays (eq. 13, appendix B.1).
//!
//! `d = h w_d + sum_s v_s m_s` (no bias), likewise the attended direction; `Deta = h w_eta + b_eta`;
//! decays by a sigmoid of `h w + b`.

use crate::hierarchical_rnn::psi::config::HierarchicalRnnConfig;
use crate::hierarchical_rnn::psi::meta_params::MetaLayout;
use crate::simd::tile::{Start, affine};
use crate::simd::{Element, Row, Simd, TILE};

/// Decay of the gradient averages where it is not learned.
const FIXED_GRADIENT_DECAY: f64 = 0.89;
/// Decay of the mean squares where it is not learned.
const FIXED_RMS_DECAY: f64 = 0.93;
/// Most outputs there can be.
pub(crate) const MOST_OUTPUTS: usize = 5;

/// Row of each output, `None` where the configuration lacks it.
#[derive(Clone, Copy, Debug)]
pub struct Outputs {
    pub attention: Option<usize>,
    pub log_rate: Option<usize>,
    pub rms_decay: Option<usize>,
    pub gradient_decay: Option<usize>,
    pub count: usize,
}

/// Readout weights in kernel layout.
#[derive(Clone, Debug)]
pub struct ReadoutWeights<E> {
    pub outputs: Outputs,
    pub hidden: usize,
    /// `(H, count)`.
    pub weight: Vec<E>,
    /// `(count, H)`.
    pub transposed: Vec<E>,
    pub bias: Vec<E>,
    pub direction_shortcut: Vec<E>,
    pub attention_shortcut: Vec<E>,
}

impl Outputs {
    /// How many come before the decays, which are the last.
    pub(crate) fn before_gains(&self) -> usize {
        self.rms_decay.or(self.gradient_decay).unwrap_or(self.count)
    }
}

impl<E: Element> ReadoutWeights<E> {
    pub(crate) fn new(psi: &[f64], layout: &MetaLayout, config: &HierarchicalRnnConfig) -> Self {
        let hidden = config.parameter_hidden;
        let mut columns = vec![(layout.direction.clone(), None)];
        let mut add = |weight: &std::ops::Range<usize>, bias: Option<usize>| {
            (!weight.is_empty()).then(|| {
                columns.push((weight.clone(), bias));
                columns.len() - 1
            })
        };
        let attention = add(&layout.attention, None);
        let log_rate = add(&layout.log_rate_weight, Some(layout.log_rate_bias.start));
        let rms_decay = add(&layout.rms_decay_weight, Some(layout.rms_decay_bias.start));
        let gradient_decay =
            add(&layout.gradient_decay_weight, Some(layout.gradient_decay_bias.start));
        let count = columns.len();
        let at = |range: &std::ops::Range<usize>, j: usize| E::from_f64(psi[range.start + j]);
        let cast = |range: &std::ops::Range<usize>| {
            psi[range.clone()].iter().map(|&x| E::from_f64(x)).collect()
        };
        Self {
            outputs: Outputs { attention, log_rate, rms_decay, gradient_decay, count },
            hidden,
            weight: (0..hidden).flat_map(|j| columns.iter().map(move |c| at(&c.0, j))).collect(),
            transposed: columns
                .iter()
                .flat_map(|c| (0..hidden).map(move |j| at(&c.0, j)))
                .collect(),
            bias: columns.iter().map(|c| E::from_f64(c.1.map_or(0.0, |i| psi[i]))).collect(),
            direction_shortcut: cast(&layout.direction_shortcut),
            attention_shortcut: cast(&layout.attention_shortcut),
        }
    }
}

/// Writes `count` rows: direction, \[attended direction\], \[Deta\], \[gains\]; the
/// last ones only where `out` has room for them.
#[inline(always)]
pub fn forward<S: Simd>(
    s: S,
    w: &ReadoutWeights<S::E>,
    hidden: &[Row<S>],
    m: &[Row<S>],
    out: &mut [Row<S>],
    cols: usize,
) {
    let cols = cols.min(TILE);
    affine(s, &w.weight, w.outputs.count, [hidden], Start::Bias(&w.bias), out, cols);
    shortcut(s, &w.direction_shortcut, m, &mut out[0], cols);
    if let Some(row) = w.outputs.attention {
        shortcut(s, &w.attention_shortcut, m, &mut out[row], cols);
    }
    let first = w.outputs.before_gains().min(out.len());
    complements(s, &mut out[first..], cols);
}

/// The gains alone, as [`forward`] and [`gains`] give them; `out`: room for `count` rows.
#[inline(always)]
pub(crate) fn gains_of<S: Simd>(
    s: S,
    w: &ReadoutWeights<S::E>,
    hidden: &[Row<S>],
    out: &mut [Row<S>],
    gradient_gain: &mut Row<S>,
    rms_gain: &mut Row<S>,
) {
    let outputs = w.outputs;
    let first = outputs.before_gains();
    if first < outputs.count {
        let (out, bias) = (&mut out[first..outputs.count], Start::Bias(&w.bias[first..]));
        affine(s, &w.weight[first..], outputs.count, [hidden], bias, out, TILE);
        complements(s, out, TILE);
    }
    gains(s, outputs, out, gradient_gain, rms_gain, TILE);
}

/// From the logits of decays to gains.
#[inline(always)]
fn complements<S: Simd>(s: S, rows: &mut [Row<S>], cols: usize) {
    let cols = cols.min(TILE);
    for row in rows {
        for c in 0..cols {
            row[c] = s.sigmoid(s.sub(s.zero(), row[c]));
        }
    }
}

#[inline(always)]
fn shortcut<S: Simd>(s: S, v: &[S::E], m: &[Row<S>], out: &mut Row<S>, cols: usize) {
    let cols = cols.min(TILE);
    for (&weight, row) in v.iter().zip(m) {
        let weight = s.splat(weight);
        for c in 0..cols {
            out[c] = s.fma(weight, row[c], out[c]);
        }
    }
}

/// Stores the gains of the next step: read out, or fixed.
#[inline(always)]
pub(crate) fn gains<S: Simd>(
    s: S,
    outputs: Outputs,
    out: &[Row<S>],
    gradient_gain: &mut Row<S>,
    rms_gain: &mut Row<S>,
    cols: usize,
) {
    // beyond the columns in use `out` holds what the thread did last, which must not get into a state
    for c in 0..cols.min(TILE) {
        let fixed = s.constant(1.0 - FIXED_GRADIENT_DECAY);
        gradient_gain[c] = outputs.gradient_decay.map_or(fixed, |row| out[row][c]);
        let fixed = s.constant(1.0 - FIXED_RMS_DECAY);
        rms_gain[c] = outputs.rms_decay.map_or(fixed, |row| out[row][c]);
    }
}
