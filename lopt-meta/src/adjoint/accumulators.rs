//! The way back through the gradient averages and their mean squares.

use lopt_core::accumulators::{Decay, EPSILON, MOST_SCALES, Scales};
use lopt_core::simd::{Row, Simd, TILE};

/// Adjoint of [`forward`](lopt_core::accumulators::forward).
///
/// `avg`, `ms` are the values before the step and `avg_new` those after; `adj_avg`, `adj_ms` hold
/// the adjoints of the new values on entry and of the old ones on exit; `adj_g`, `adj_gain_a`
/// and `adj_gain_b` are written.
#[inline(always)]
pub(super) fn adjoint<S: Simd>(
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
