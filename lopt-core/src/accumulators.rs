//! Gradient averages at S timescales and their mean squares (eq. 1, 2, 17).
//!
//! `avg_s = a_s avg_s + (1 - a_s) g` with `a_s = a^(2^-s)`, and
//! `ms_s = b_s ms_s + (1 - b_s)(avg_s^2 + 1e-12)`. The gains `1 - a`, `1 - b` come from the hidden
//! state of the step before and are exactly one at the first step. With previous-scale
//! normalisation the first mean square is that of the raw gradient, with decay `b^2`.

use crate::config::HierarchicalRnnConfig;
use crate::simd::tile::before;
use crate::simd::{Row, Simd, TILE};

/// Most timescales a configuration may have.
const MOST_SCALES: usize = 8;
/// Added to squares inside the mean squares.
const EPSILON: f64 = 1e-12;

/// The first step of the square-root chain of mean-square decays.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scales {
    /// S.
    pub timescales: usize,
    /// `b_s = b^(2^-s)` rather than `b`.
    per_scale: bool,
    /// One mean square of the raw gradient in front.
    previous: bool,
}

impl Scales {
    pub(crate) fn new(config: &HierarchicalRnnConfig) -> Self {
        Self {
            timescales: config.timescales,
            per_scale: config.rms_decay_per_scale,
            previous: config.previous_scale,
        }
    }

    /// Decay of the first mean square, given `b`.
    #[inline(always)]
    fn first<S: Simd>(self, s: S, b: Decay<S>) -> Decay<S> {
        if self.previous && self.per_scale { b.square(s) } else { b }
    }

    /// Decay of the next mean square, given that of the one before.
    #[inline(always)]
    fn next<S: Simd>(self, s: S, decay: Decay<S>) -> Decay<S> {
        if self.per_scale { decay.root(s) } else { decay }
    }
}

/// A decay `d` and its gain `1 - d`, the weight of what is new: near one the rounding of a root is
/// much of that.
#[derive(Clone, Copy, Debug)]
struct Decay<S: Simd> {
    value: S::V,
    gain: S::V,
}

impl<S: Simd> Decay<S> {
    #[inline(always)]
    fn new(s: S, gain: S::V) -> Self {
        Self { value: s.sub(s.constant(1.0), gain), gain }
    }

    #[inline(always)]
    fn square(self, s: S) -> Self {
        let above = s.add(s.constant(1.0), self.value);
        Self { value: s.mul(self.value, self.value), gain: s.mul(self.gain, above) }
    }

    /// From `q = 1 - sqrt(d)`, rounded, by one step of Newton's method for `q (2 - q) = 1 - d`.
    #[inline(always)]
    fn root(self, s: S) -> Self {
        let root = s.sqrt(self.value);
        let q = s.sub(s.constant(1.0), root);
        let rest = s.fma(q, q, s.sub(self.gain, s.add(q, q)));
        // near one, where it counts, 1 / sqrt(d) is 1 + q
        let half = s.mul(s.constant(0.5), s.add(s.constant(1.0), q));
        Self { value: root, gain: s.fma(rest, half, q) }
    }

    /// `(1 - d) new + d old`.
    #[inline(always)]
    fn mix(self, s: S, new: S::V, old: S::V) -> S::V {
        s.fma(self.gain, s.sub(new, old), old)
    }
}

/// Averages and mean squares.
pub(crate) type Averages<'a, S> = (&'a [Row<S>], &'a [Row<S>]);

/// Updates the averages `avg` (S rows) and mean squares `ms` (M rows) with the gradient `g`. `old`:
/// both before the step, where they are kept.
#[inline(always)]
pub(crate) fn forward<S: Simd>(
    s: S,
    scales: Scales,
    g: &Row<S>,
    gain_a: &Row<S>,
    gain_b: &Row<S>,
    old: Option<Averages<'_, S>>,
    avg: &mut [Row<S>],
    ms: &mut [Row<S>],
    cols: usize,
) {
    let cols = cols.min(TILE);
    let n = avg.len();
    let (old_avg, old_ms) = old.unzip();
    let epsilon = s.constant(EPSILON);
    let averaged = scales.timescales > 1;
    let first = usize::from(scales.previous);
    for c in 0..cols {
        let mut decay_a = Decay::new(s, gain_a[c]);
        let mut decay_b = scales.first(s, Decay::new(s, gain_b[c]));
        if scales.previous {
            let square = s.fma(g[c], g[c], epsilon);
            ms[0][c] = decay_b.mix(s, square, before(old_ms, ms, 0)[c]);
            decay_b = scales.next(s, decay_b);
        }
        for k in 0..n {
            let last = before(old_avg, avg, k)[c];
            let mean = if averaged { decay_a.mix(s, g[c], last) } else { g[c] };
            avg[k][c] = mean;
            let slot = first + k;
            let square = s.fma(mean, mean, epsilon);
            ms[slot][c] = decay_b.mix(s, square, before(old_ms, ms, slot)[c]);
            if k + 1 < n {
                decay_a = decay_a.root(s);
                decay_b = scales.next(s, decay_b);
            }
        }
    }
}

/// Adjoint of [`forward`].
///
/// `avg`, `ms` are the values before the step and `avg_new` those after; `adj_avg`, `adj_ms` hold
/// the adjoints of the new values on entry and of the old ones on exit; `adj_g`, `adj_gain_a`
/// and `adj_gain_b` are written.
#[inline(always)]
pub(crate) fn adjoint<S: Simd>(
    s: S,
    scales: Scales,
    g: &Row<S>,
    gain_a: &Row<S>,
    gain_b: &Row<S>,
    avg: &[Row<S>],
    ms: &[Row<S>],
    avg_new: &[Row<S>],
    adj_avg: &mut [Row<S>],
    adj_ms: &mut [Row<S>],
    adj_g: &mut Row<S>,
    adj_gain_a: &mut Row<S>,
    adj_gain_b: &mut Row<S>,
    cols: usize,
) {
    let cols = cols.min(TILE);
    let n = scales.timescales;
    let first = usize::from(scales.previous);
    let averaged = n > 1;
    let epsilon = s.constant(EPSILON);
    let zero = s.zero();
    for c in 0..cols {
        let [a, b] = [gain_a, gain_b].map(|gain| Decay::new(s, gain[c]));
        let mut chain_a = [a; MOST_SCALES + 1];
        let mut chain_b = [scales.first(s, b); MOST_SCALES + 1];
        for k in 1..n {
            chain_a[k] = chain_a[k - 1].root(s);
        }
        for k in 1..n + first {
            chain_b[k] = scales.next(s, chain_b[k - 1]);
        }
        let mut adj_chain_a = [zero; MOST_SCALES + 1];
        let mut adj_chain_b = [zero; MOST_SCALES + 1];
        let mut total_g = zero;
        for k in (0..n).rev() {
            let slot = k + first;
            let (mean, up) = (avg_new[k][c], adj_ms[slot][c]);
            let decay = chain_b[slot];
            adj_chain_b[slot] = s.mul(up, s.sub(ms[slot][c], s.fma(mean, mean, epsilon)));
            adj_ms[slot][c] = s.mul(up, decay.value);
            let square = s.mul(up, decay.gain);
            let adj_mean = s.fma(square, s.add(mean, mean), adj_avg[k][c]);
            if averaged {
                adj_chain_a[k] = s.mul(adj_mean, s.sub(avg[k][c], g[c]));
                adj_avg[k][c] = s.mul(adj_mean, chain_a[k].value);
                total_g = s.fma(adj_mean, chain_a[k].gain, total_g);
            } else {
                adj_avg[k][c] = zero;
                total_g = s.add(total_g, adj_mean);
            }
        }
        if scales.previous {
            let (up, decay) = (adj_ms[0][c], chain_b[0]);
            adj_chain_b[0] = s.mul(up, s.sub(ms[0][c], s.fma(g[c], g[c], epsilon)));
            adj_ms[0][c] = s.mul(up, decay.value);
            let square = s.mul(up, decay.gain);
            total_g = s.fma(square, s.add(g[c], g[c]), total_g);
        }
        adj_g[c] = total_g;
        let to_a = through_roots(s, &chain_a[..n], &adj_chain_a[..n], a.value);
        adj_gain_a[c] = s.sub(zero, to_a);
        let (chain, adj_chain) = (&chain_b[..n + first], &adj_chain_b[..n + first]);
        let to_b = if !scales.per_scale {
            adj_chain.iter().fold(zero, |total, &up| s.add(total, up))
        } else if scales.previous {
            // the chain starts at b^2
            let square = s.mul(adj_chain[0], s.add(b.value, b.value));
            s.add(square, through_roots(s, &chain[1..], &adj_chain[1..], b.value))
        } else {
            through_roots(s, chain, adj_chain, b.value)
        };
        adj_gain_b[c] = s.sub(zero, to_b);
    }
}

/// Adjoint of `x` from those of `chain[k] = x^(1/2^k)`, whose slopes are `chain[k] / (2^k x)`; at
/// the literal zeros of step 0 no root has a slope.
#[inline(always)]
fn through_roots<S: Simd>(s: S, chain: &[Decay<S>], adj_chain: &[S::V], x: S::V) -> S::V {
    let half = s.constant(0.5);
    let mut total = s.zero();
    for (root, &up) in chain.iter().zip(adj_chain).skip(1).rev() {
        total = s.mul(half, s.fma(root.value, up, total));
    }
    s.add(adj_chain[0], s.select_gt(x, s.zero(), s.div(total, x), s.zero()))
}
