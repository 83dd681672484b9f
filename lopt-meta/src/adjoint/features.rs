//! The way back through the inputs of the Parameter RNN.

use lopt_core::features::{EPSILON, Inputs, LOWEST_LOG_RATE, SCALE_GAIN};
use lopt_core::simd::{Row, Simd, TILE};

/// Adjoint of [`forward`](lopt_core::features::forward).
///
/// `x`, `avg`, `ms`: as after it. `adj_x`: adjoint of `x` (clobbered), to whose first S
/// rows the caller has added what reaches `m` by other ways. Adds to `adj_avg`, `adj_ms`,
/// `adj_rate`; returns the sums over columns of the adjoints of the relative rate, which the caller
/// owes to the mean of the reference set, and of the rate relative to the parameters, which it owes
/// to their log size.
#[inline(always)]
pub(super) fn adjoint<S: Simd>(
    s: S,
    inputs: Inputs,
    x: &[Row<S>],
    avg: &[Row<S>],
    ms: &[Row<S>],
    log_rate: &Row<S>,
    adj_x: &mut [Row<S>],
    adj_avg: &mut [Row<S>],
    adj_ms: &mut [Row<S>],
    adj_rate: &mut Row<S>,
    cols: usize,
) -> (S::V, S::V) {
    let cols = cols.min(TILE);
    let n = inputs.timescales;
    let epsilon = s.constant(EPSILON);
    let mut at = n;
    if inputs.products {
        for k in 0..n - 1 {
            for c in 0..cols {
                let up = adj_x[at][c];
                adj_x[k][c] = s.fma(up, x[k + 1][c], adj_x[k][c]);
                adj_x[k + 1][c] = s.fma(up, x[k][c], adj_x[k + 1][c]);
            }
            at += 1;
        }
    }
    if inputs.log_mean_squares {
        let per_scale = s.constant(1.0 / n as f64);
        for c in 0..cols {
            let mut total = s.zero();
            for k in 0..n {
                total = s.add(total, adj_x[at + k][c]);
            }
            let mean = s.mul(total, per_scale);
            for k in 0..n {
                let slot = inputs.first_logged + k;
                let up = s.sub(adj_x[at + k][c], mean);
                adj_ms[slot][c] = s.add(adj_ms[slot][c], s.div(up, s.add(ms[slot][c], epsilon)));
            }
        }
        at += n;
    }
    let mut to_mean = s.zero();
    if inputs.relative_rate {
        for c in 0..cols {
            to_mean = s.add(to_mean, adj_x[at][c]);
            adj_rate[c] = s.add(adj_rate[c], adj_x[at][c]);
        }
        at += 1;
    }
    if inputs.extreme_indicator {
        let (zero, low) = (s.zero(), s.constant(LOWEST_LOG_RATE));
        for c in 0..cols {
            let up = adj_x[at][c];
            let high = s.select_gt(log_rate[c], zero, up, zero);
            let below = s.select_gt(low, log_rate[c], up, zero);
            adj_rate[c] = s.add(adj_rate[c], s.add(high, below));
        }
        at += 1;
    }
    if inputs.rate_shortcut {
        for c in 0..cols {
            adj_rate[c] = s.add(adj_rate[c], adj_x[at][c]);
        }
        at += 1;
    }
    let mut to_scale = s.zero();
    if inputs.parameter_scale {
        let gain = s.constant(SCALE_GAIN);
        for c in 0..cols {
            let up = s.mul(gain, adj_x[at][c]);
            adj_rate[c] = s.add(adj_rate[c], up);
            to_scale = s.add(to_scale, up);
        }
    }
    let minus_half = s.constant(-0.5);
    for k in 0..n {
        for c in 0..cols {
            let square = s.add(ms[k][c], epsilon);
            // with asinh: 1 / sqrt(square) / sqrt(1 + ratio^2)
            let under = if inputs.asinh { s.fma(avg[k][c], avg[k][c], square) } else { square };
            let scaled = s.div(adj_x[k][c], s.sqrt(under));
            adj_avg[k][c] = s.add(adj_avg[k][c], scaled);
            // d ratio / d ms = -ratio / (2 (ms + eps))
            let slope = s.mul(s.mul(scaled, avg[k][c]), s.div(minus_half, square));
            adj_ms[k][c] = s.add(adj_ms[k][c], slope);
        }
    }
    (to_mean, to_scale)
}
