//! Gradient averages at S timescales and their mean squares (eq. 1, 2, 17).
//!
//! `avg_s = a_s avg_s + (1 - a_s) g` with `a_s = a^(2^-s)`, and
//! `ms_s = b_s ms_s + (1 - b_s)(avg_s^2 + 1e-12)`. The gains `1 - a`, `1 - b` come from the hidden
//! state of the step before and are exactly one at the first step. With previous-scale
//! normalisation the first mean square is that of the raw gradient, with decay `b^2`.

use crate::hierarchical_rnn::psi::config::HierarchicalRnnConfig;
use crate::simd::tile::before;
use crate::simd::{Row, Simd, TILE};

/// Most timescales a configuration may have.
pub const MOST_SCALES: usize = 8;
/// Added to squares inside the mean squares.
pub const EPSILON: f64 = 1e-12;

/// The first step of the square-root chain of mean-square decays.
#[derive(Clone, Copy, Debug)]
pub struct Scales {
    /// S.
    pub timescales: usize,
    /// `b_s = b^(2^-s)` rather than `b`.
    pub per_scale: bool,
    /// One mean square of the raw gradient in front.
    pub previous: bool,
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
    pub fn first<S: Simd>(self, s: S, b: Decay<S>) -> Decay<S> {
        if self.previous && self.per_scale { b.square(s) } else { b }
    }

    /// Decay of the next mean square, given that of the one before.
    #[inline(always)]
    pub fn next<S: Simd>(self, s: S, decay: Decay<S>) -> Decay<S> {
        if self.per_scale { decay.root(s) } else { decay }
    }
}

/// A decay `d` and its gain `1 - d`, the weight of what is new: near one the rounding of a root is
/// much of that.
#[derive(Clone, Copy, Debug)]
pub struct Decay<S: Simd> {
    pub value: S::V,
    pub gain: S::V,
}

impl<S: Simd> Decay<S> {
    #[inline(always)]
    pub fn new(s: S, gain: S::V) -> Self {
        Self { value: s.sub(s.constant(1.0), gain), gain }
    }

    #[inline(always)]
    fn square(self, s: S) -> Self {
        let above = s.add(s.constant(1.0), self.value);
        Self { value: s.mul(self.value, self.value), gain: s.mul(self.gain, above) }
    }

    /// From `q = 1 - sqrt(d)`, rounded, by one step of Newton's method for `q (2 - q) = 1 - d`.
    #[inline(always)]
    pub fn root(self, s: S) -> Self {
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
pub type Averages<'a, S> = (&'a [Row<S>], &'a [Row<S>]);

/// Updates the averages `avg` (S rows) and mean squares `ms` (M rows) with the gradient `g`. `old`:
/// both before the step, where they are kept.
#[inline(always)]
pub fn forward<S: Simd>(
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
